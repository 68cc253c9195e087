// Which controller made a pod, as far as the pod itself tells.

import type { Pod } from '@lateen/kube/types';
import type { Workload } from './templates/context.ts';

/** The Deployment, CronJob or DeploymentConfig behind the pod's direct owner where its name gives that away, else that owner, else the pod. */
export function workloadOf(pod: Pod): Workload {
  const { metadata } = pod;
  const namespace = metadata.namespace ?? '';
  const self = { apiVersion: 'v1', kind: 'Pod', name: metadata.name ?? '', namespace };
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  // Only a generated name says that a controller made the pod.
  if (!metadata.generateName || !owner) return self;
  const direct = { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, namespace };
  const hash = metadata.labels?.['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`)) {
    return { ...direct, kind: 'Deployment', name: owner.name.slice(0, -hash.length - 1) };
  }
  const deploymentConfig = metadata.labels?.['deploymentconfig'];
  if (owner.kind === 'ReplicationController' && deploymentConfig) return { ...direct, kind: 'DeploymentConfig', name: deploymentConfig };
  const cronJob = owner.kind === 'Job' ? /^(.+)-\d{8,10}$/.exec(owner.name)?.[1] : undefined;
  return cronJob === undefined ? direct : { ...direct, apiVersion: 'batch/v1', kind: 'CronJob', name: cronJob };
}
