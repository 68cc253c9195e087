// HorizontalPodAutoscalers are stored as autoscaling/v2; v1 knows only one target, the CPU utilization.

import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';

type Fields = Record<string, unknown>;
const asFields = (value: unknown): Fields => (isObject(value) ? value : {});

export function autoscalerFromStorage(object: KubeObject): KubeObject {
  const { metrics, behavior: _behavior, ...spec } = asFields(object['spec']);
  const cpu = (Array.isArray(metrics) ? metrics : [])
    .map((one) => asFields(asFields(one)['resource']))
    .find((one) => one['name'] === 'cpu');
  const percentage = asFields(cpu?.['target'])['averageUtilization'];
  const { currentReplicas, desiredReplicas, lastScaleTime } = asFields(object['status']);
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    spec: { ...spec, ...(percentage === undefined ? {} : { targetCPUUtilizationPercentage: percentage }) },
    status: { currentReplicas: currentReplicas ?? 0, desiredReplicas: desiredReplicas ?? 0, ...(lastScaleTime ? { lastScaleTime } : {}) },
  };
}

export function autoscalerToStorage(object: KubeObject): KubeObject {
  const { targetCPUUtilizationPercentage: percentage, ...spec } = asFields(object['spec']);
  const target = { type: 'Utilization', averageUtilization: percentage };
  const metrics = percentage === undefined ? {} : { metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }] };
  return { ...object, apiVersion: 'autoscaling/v2', spec: { ...spec, ...metrics } };
}
