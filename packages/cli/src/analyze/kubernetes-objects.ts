// What `istioctl validate` says about Kubernetes' own objects: port names of Services, labels of Deployments.

import { type Finding, parseServicePortProtocol } from '@lateen/api';
import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';

const MESH_NAMESPACE = 'istio-system';
const APP_LABELS = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app'];
const VERSION_LABELS = ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version'];

/** Findings of a Service or Deployment; none for other kinds and for the mesh's own namespace. */
export function validateKubernetesObject(object: KubeObject): Finding[] {
  const { apiVersion, kind, metadata } = object;
  if (metadata.namespace === MESH_NAMESPACE) return [];
  const { name, namespace } = metadata;
  const resource = { apiVersion, kind, name, ...(namespace ? { namespace } : {}) };
  const found = kind === 'Service' && apiVersion === 'v1' ? portFindings(object) : kind === 'Deployment' ? labelFindings(object) : [];
  return found.map((finding) => ({ ...finding, resource }));
}

function portFindings({ spec }: KubeObject): Finding[] {
  const ports = isObject(spec) && Array.isArray(spec.ports) ? spec.ports.filter(isObject) : [];
  return ports.flatMap((port, i): Finding[] => {
    if (String(port.protocol ?? 'TCP').toUpperCase() === 'UDP') return [];
    if (parseServicePortProtocol(port as Parameters<typeof parseServicePortProtocol>[0])) return [];
    const message = port.appProtocol
      ? `appProtocol ${JSON.stringify(port.appProtocol)} is no protocol of the mesh`
      : port.name === undefined
        ? 'the service has an unnamed port, so its protocol is detected'
        : `port ${JSON.stringify(port.name)} does not follow the Istio naming convention`;
    const fix = 'Start the name with the protocol, e.g. http-web, or set appProtocol.';
    return [{ code: 'IST0118', level: 'error', path: `spec.ports[${i}]`, message, fix }];
  });
}

function labelFindings({ spec }: KubeObject): Finding[] {
  const template = isObject(spec) && isObject(spec.template) ? spec.template : {};
  const metadata = isObject(template.metadata) ? template.metadata : {};
  const labels = isObject(metadata.labels) ? metadata.labels : {};
  const has = (names: string[]): boolean => names.some((name) => labels[name] !== undefined);
  if (has(APP_LABELS) && has(VERSION_LABELS)) return [];
  const message = 'the pods lack the labels app and version, by which metrics and traces name them';
  return [{ code: 'IST0133', level: 'warning', path: 'spec.template.metadata.labels', message }];
}
