// The workload around the pod as Kubernetes' Go types would write it: some zero values always stand there, others never do.

import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import { overlayValues } from './values.ts';

type Fields = Record<string, unknown>;

const ZERO_STATUS: Readonly<Record<string, Fields>> = {
  ReplicaSet: { replicas: 0 },
  ReplicationController: { replicas: 0 },
  StatefulSet: { availableReplicas: 0, replicas: 0 },
  DaemonSet: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
  DeploymentConfig: {
    availableReplicas: 0,
    latestVersion: 0,
    observedGeneration: 0,
    replicas: 0,
    unavailableReplicas: 0,
    updatedReplicas: 0,
  },
};
const ZERO_SPEC: Readonly<Record<string, Fields>> = {
  Deployment: { strategy: {} },
  StatefulSet: { updateStrategy: {} },
  DaemonSet: { updateStrategy: {} },
  DeploymentConfig: { strategy: { resources: {} }, test: false, triggers: null },
};

/** Adds and drops the zero values of the kind. The input is not changed. */
export function completeWorkload(object: KubeObject): KubeObject {
  const spec = isObject(object['spec']) ? completeSpec(object.kind, object['spec']) : object['spec'];
  const status = isObject(object['status']) ? object['status'] : {};
  return {
    ...object,
    metadata: withoutCreation(object.metadata) as KubeObject['metadata'],
    ...(spec === undefined ? {} : { spec }),
    status: { ...ZERO_STATUS[object.kind], ...status },
  };
}

function completeSpec(kind: string, spec: Fields): Fields {
  const { paused, minReadySeconds, ...rest } = spec;
  return overlayValues(ZERO_SPEC[kind] ?? {}, { ...rest, ...(paused ? { paused } : {}), ...(minReadySeconds ? { minReadySeconds } : {}) });
}

/** Metadata without the creation time, which manifests have as null. */
export function withoutCreation<T extends { creationTimestamp?: unknown }>(metadata: T): Omit<T, 'creationTimestamp'> {
  const { creationTimestamp: _, ...rest } = metadata;
  return rest;
}
