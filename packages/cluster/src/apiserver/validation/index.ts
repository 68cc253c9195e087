// Semantic validation of the built-in kinds, with Kubernetes' messages.

import { isObject, jsonEqual } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { FieldError } from '../status.ts';
import { validateDefinition } from './definition.ts';
import { configKeyFault } from './names.ts';
import { validatePod } from './pod.ts';
import { validateService } from './service.ts';
import { validateWebhooks } from './webhooks.ts';
import { validateJob, validateWorkload } from './workload.ts';

export type Validator = (object: KubeObject, old: KubeObject | undefined) => FieldError[];

function validateData(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['data', 'binaryData']) {
    for (const [key, value] of Object.entries((object[field] as Record<string, unknown> | undefined) ?? {})) {
      const fault = configKeyFault(key);
      if (fault) errors.push({ reason: 'Invalid', field: `${field}[${key}]`, value: key, message: fault });
      const isBinary = field === 'binaryData' || object.kind === 'Secret';
      if (isBinary && typeof value === 'string' && !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
        errors.push({ reason: 'Invalid', field: `${field}[${key}]`, value: '<value omitted>', message: 'illegal base64 data' });
      }
    }
  }
  if (old?.['immutable'] === true) {
    for (const field of ['data', 'binaryData']) {
      if (!jsonEqual(object[field] ?? {}, old[field] ?? {}))
        errors.push({ reason: 'Forbidden', field, message: 'field is immutable when `immutable` is set' });
    }
    if (object['immutable'] !== true)
      errors.push({ reason: 'Forbidden', field: 'immutable', message: 'field is immutable when `immutable` is set' });
  }
  if (object.kind === 'Secret' && old && object['type'] !== old['type']) {
    errors.push({ reason: 'Invalid', field: 'type', value: object['type'], message: 'field is immutable' });
  }
  return errors;
}

function validateRoleRef(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const ref = object['roleRef'];
  if (!isObject(ref) || !ref['name']) return [{ reason: 'Required', field: 'roleRef.name' }];
  if (old && !jsonEqual(ref, old['roleRef']))
    return [{ reason: 'Invalid', field: 'roleRef', value: ref, message: 'cannot change roleRef' }];
  return [];
}

export const VALIDATORS: Readonly<Record<string, Validator>> = {
  Pod: validatePod,
  Service: validateService,
  ConfigMap: validateData,
  Secret: validateData,
  Deployment: validateWorkload,
  ReplicaSet: validateWorkload,
  StatefulSet: validateWorkload,
  DaemonSet: validateWorkload,
  Job: validateJob,
  RoleBinding: validateRoleRef,
  ClusterRoleBinding: validateRoleRef,
  CustomResourceDefinition: validateDefinition,
  MutatingWebhookConfiguration: validateWebhooks,
  ValidatingWebhookConfiguration: validateWebhooks,
};
