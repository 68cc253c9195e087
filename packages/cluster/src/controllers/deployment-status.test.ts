import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, DeploymentStatus, ReplicaSet } from '@lateen/kube/types';
import { deploymentStatus } from './deployment-status.ts';

const template = { spec: { containers: [] } };
const selector = { matchLabels: { app: 'web' } };

function deployment(status: DeploymentStatus = {}, extra: Partial<Deployment['spec']> = {}): Deployment {
  const spec = { replicas: 2, selector, template, progressDeadlineSeconds: 60, ...extra };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', generation: 3 }, spec, status };
}

function replicaSet(name: string, replicas: number, available: number): ReplicaSet {
  const status = { replicas, readyReplicas: available, availableReplicas: available };
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name }, spec: { replicas, selector, template }, status };
}

const limits = { maxSurge: 1, maxUnavailable: 0 };
const at = (seconds: number) => new Date(seconds * 1000).toISOString();

/** The Progressing condition `seconds` after a rollout began that has two new pods, `available` of them available. */
function progress(seconds: number, available: number, given: Deployment = deployment()) {
  const current = replicaSet('web-1', 2, available);
  const first = deploymentStatus({ deployment: given, current: replicaSet('web-1', 2, 0), old: [], limits, now: at(0) });
  const later = deploymentStatus({ deployment: { ...given, status: first }, current, old: [], limits, now: at(seconds) });
  return later.conditions?.find(({ type }) => type === 'Progressing');
}

test('a rollout progresses until its deadline', () => {
  assert.equal(progress(30, 0)?.reason, 'ReplicaSetUpdated');
  assert.deepEqual([progress(61, 0)?.status, progress(61, 0)?.reason], ['False', 'ProgressDeadlineExceeded']);
});

test('a pod that becomes available moves the deadline on', () => {
  const condition = progress(61, 1);
  assert.deepEqual([condition?.reason, condition?.lastUpdateTime], ['ReplicaSetUpdated', at(61)]);
});

test('a complete rollout stays complete when a pod is lost later', () => {
  const complete = deploymentStatus({ deployment: deployment(), current: replicaSet('web-1', 2, 2), old: [], limits, now: at(0) });
  const lost = deploymentStatus({ deployment: deployment(complete), current: replicaSet('web-1', 2, 1), old: [], limits, now: at(999) });
  const reason = (status: DeploymentStatus, type: string) => status.conditions?.find((one) => one.type === type)?.reason;
  assert.equal(reason(complete, 'Progressing'), 'NewReplicaSetAvailable');
  assert.equal(reason(lost, 'Progressing'), 'NewReplicaSetAvailable');
  assert.equal(reason(lost, 'Available'), 'MinimumReplicasUnavailable');
});

test('a paused deployment says so', () => assert.equal(progress(999, 0, deployment({}, { paused: true }))?.reason, 'DeploymentPaused'));

test('counts come from all replica sets, updated ones from the current', () => {
  const status = deploymentStatus({
    deployment: deployment(),
    current: replicaSet('web-2', 1, 1),
    old: [replicaSet('web-1', 2, 1)],
    limits,
    now: at(0),
  });
  const { replicas, updatedReplicas, availableReplicas, unavailableReplicas, observedGeneration } = status;
  assert.deepEqual([replicas, updatedReplicas, availableReplicas, unavailableReplicas, observedGeneration], [3, 1, 2, 1, 3]);
});
