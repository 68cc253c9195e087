import type { KubeObject } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { subdomainFault } from './names.ts';

type Fields = Record<string, unknown>;

/** Mutating and validating webhook configurations. */
export function validateWebhooks(object: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  ((object['webhooks'] as Fields[] | undefined) ?? []).forEach((webhook, i) => {
    const path = `webhooks[${i}]`;
    const name = String(webhook['name'] ?? '');
    if (name === '') errors.push({ reason: 'Required', field: `${path}.name` });
    else if (subdomainFault(name) || name.split('.').length < 3) {
      errors.push({
        reason: 'Invalid',
        field: `${path}.name`,
        value: name,
        message: 'should be a domain with at least three segments separated by dots',
      });
    }
    if (names.has(name)) errors.push({ reason: 'Duplicate', field: `${path}.name`, value: name });
    names.add(name);
    validateOne(webhook, path, errors);
  });
  return errors;
}

function validateOne(webhook: Fields, path: string, errors: FieldError[]): void {
  const effects = webhook['sideEffects'];
  if (effects === undefined)
    errors.push({ reason: 'Required', field: `${path}.sideEffects`, message: 'must specify one of None, NoneOnDryRun' });
  else if (effects !== 'None' && effects !== 'NoneOnDryRun') {
    errors.push({
      reason: 'NotSupported',
      field: `${path}.sideEffects`,
      value: effects,
      message: 'supported values: "None", "NoneOnDryRun"',
    });
  }
  const versions = webhook['admissionReviewVersions'] as string[] | undefined;
  if (!versions?.length)
    errors.push({ reason: 'Required', field: `${path}.admissionReviewVersions`, message: 'must specify one of v1, v1beta1' });
  else if (!versions.includes('v1'))
    errors.push({
      reason: 'Invalid',
      field: `${path}.admissionReviewVersions`,
      value: versions,
      message: 'must include at least one of v1',
    });
  const timeout = Number(webhook['timeoutSeconds'] ?? 10);
  if (timeout < 1 || timeout > 30) {
    errors.push({
      reason: 'Invalid',
      field: `${path}.timeoutSeconds`,
      value: timeout,
      message: 'the timeout value must be between 1 and 30 seconds',
    });
  }
  const config = webhook['clientConfig'] as Fields | undefined;
  if (!config || (config['url'] === undefined) === (config['service'] === undefined)) {
    errors.push({ reason: 'Required', field: `${path}.clientConfig`, message: 'exactly one of url or service is required' });
  }
  const policy = webhook['failurePolicy'];
  if (policy !== 'Fail' && policy !== 'Ignore')
    errors.push({ reason: 'NotSupported', field: `${path}.failurePolicy`, value: policy, message: 'supported values: "Fail", "Ignore"' });
}
