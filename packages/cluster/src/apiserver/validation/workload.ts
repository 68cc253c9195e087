// Deployments, replica sets, stateful sets, daemon sets and jobs.

import { jsonEqual } from '@lateen/base';
import { labelSelectorMatches } from '@lateen/kube';
import type { KubeObject, LabelSelector } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { validatePodSpec } from './pod.ts';

type Fields = Record<string, unknown>;

export function validateWorkload(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const spec = (object['spec'] as Fields | undefined) ?? {};
  const template = (spec['template'] as Fields | undefined) ?? {};
  const selector = spec['selector'] as LabelSelector | undefined;
  const labels = ((template['metadata'] as Fields | undefined)?.['labels'] as Record<string, string> | undefined) ?? {};
  const errors: FieldError[] = [];
  if (!selector) errors.push({ reason: 'Required', field: 'spec.selector' });
  else if (isEmptySelector(selector))
    errors.push({
      reason: 'Invalid',
      field: 'spec.selector',
      value: selector,
      message: `empty selector is invalid for ${object.kind.toLowerCase()}`,
    });
  else if (!labelSelectorMatches(selector, labels)) {
    const shown = `map[string]string{${Object.entries(labels)
      .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
      .join(', ')}}`;
    errors.push({
      reason: 'Invalid',
      field: 'spec.template.metadata.labels',
      shown,
      message: '`selector` does not match template `labels`',
    });
  }
  const podSpec = (template['spec'] as Fields | undefined) ?? {};
  const claims = (spec['volumeClaimTemplates'] as KubeObject[] | undefined) ?? [];
  const claimed = claims.map(({ metadata }) => metadata?.name ?? '');
  errors.push(...validatePodSpec(podSpec, 'spec.template.spec', claimed));
  if (podSpec['restartPolicy'] !== 'Always') {
    errors.push({
      reason: 'NotSupported',
      field: 'spec.template.spec.restartPolicy',
      value: podSpec['restartPolicy'],
      message: 'supported values: "Always"',
    });
  }
  if (Number(spec['replicas'] ?? 0) < 0) {
    errors.push({ reason: 'Invalid', field: 'spec.replicas', value: spec['replicas'], message: 'must be greater than or equal to 0' });
  }
  const oldSelector = (old?.['spec'] as Fields | undefined)?.['selector'];
  if (old && !jsonEqual(oldSelector, selector))
    errors.push({ reason: 'Invalid', field: 'spec.selector', value: selector, message: 'field is immutable' });
  return errors;
}

const isEmptySelector = ({ matchLabels, matchExpressions }: LabelSelector): boolean =>
  Object.keys(matchLabels ?? {}).length === 0 && (matchExpressions?.length ?? 0) === 0;

export function validateJob(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const spec = (object['spec'] as Fields | undefined) ?? {};
  const template = (spec['template'] as Fields | undefined) ?? {};
  const podSpec = (template['spec'] as Fields | undefined) ?? {};
  const errors = validatePodSpec(podSpec, 'spec.template.spec');
  if (podSpec['restartPolicy'] === 'Always') {
    errors.push({ reason: 'Required', field: 'spec.template.spec.restartPolicy', message: 'valid values: "OnFailure", "Never"' });
  }
  const oldTemplate = (old?.['spec'] as Fields | undefined)?.['template'];
  if (old && !jsonEqual(oldTemplate, template))
    errors.push({ reason: 'Invalid', field: 'spec.template', value: '', message: 'field is immutable' });
  return errors;
}
