// /validate: an object that is wrong is refused with every reason; a questionable one is accepted with warnings.

import { type Finding, type KubeObjectLike, validateResource } from '@lateen/api';
import type { AdmissionResponse, KubeObject } from '@lateen/kube/types';
import { checkReferences, checkSupport, type MeshSnapshot } from '@lateen/mesh';
import type { ControlMetrics } from '../metrics.ts';
import { type AdmissionHandler, deny } from './admission.ts';

/** Kubernetes cuts warnings at 256 characters each, 4096 together. */
const MAX_WARNINGS = 12;

export function createValidateHandler({ snapshot, metrics }: { snapshot: () => MeshSnapshot; metrics: ControlMetrics }): AdmissionHandler {
  return (request): Omit<AdmissionResponse, 'uid'> => {
    const object = request.object;
    if (!object || request.operation === 'DELETE') return { allowed: true };
    const labels = { group: request.kind.group, version: request.kind.version, resource: request.resource.resource };
    const named = withNamespace(object, request.namespace);
    const findings = validateResource(named as KubeObjectLike);
    const errors = findings.filter(({ level }) => level === 'error');
    if (errors.length > 0) {
      metrics.validationFailed.labels({ ...labels, reason: 'invalid_resource' }).add();
      return deny(errors.map(describe).join('; '));
    }
    metrics.validationPassed.labels(labels).add();
    // What is being deleted may well refer to what is gone already.
    const references = named.metadata.deletionTimestamp ? [] : checkReferences(named, snapshot());
    const warnings = [...findings, ...checkSupport(named), ...references]
      .filter(({ level }) => level === 'warning')
      .map(describe)
      .slice(0, MAX_WARNINGS);
    return { allowed: true, ...(warnings.length > 0 && { warnings }) };
  };
}

const withNamespace = (object: KubeObject, namespace: string | undefined): KubeObject =>
  object.metadata.namespace || !namespace ? object : { ...object, metadata: { ...object.metadata, namespace } };

const describe = ({ code, path, message, fix }: Finding): string =>
  `[${code}] ${path ? `${path}: ` : ''}${message}${fix ? ` (${fix})` : ''}`;
