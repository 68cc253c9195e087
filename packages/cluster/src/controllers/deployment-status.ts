// The status of a deployment as a value; `kubectl rollout status` and `kubectl wait` read it.

import type { Deployment, DeploymentStatus, ReplicaSet, WorkloadCondition } from '@lateen/kube/types';
import type { RolloutLimits } from './rollout.ts';

const DEFAULT_DEADLINE_SECONDS = 600;

export type DeploymentStatusInput = {
  deployment: Deployment;
  current: ReplicaSet | undefined;
  old: readonly ReplicaSet[];
  limits: RolloutLimits;
  now: string;
};

export function deploymentStatus(input: DeploymentStatusInput): DeploymentStatus {
  const { deployment, current, old } = input;
  const sets = current ? [...old, current] : old;
  const total = (pick: (set: ReplicaSet) => number | undefined) => sets.reduce((sum, set) => sum + (pick(set) ?? 0), 0);
  const replicas = deployment.spec.replicas ?? 1;
  const available = total((set) => set.status?.availableReplicas);
  const counts = {
    replicas: total((set) => set.status?.replicas),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: total((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(
      0,
      Math.max(
        replicas,
        total((set) => set.spec.replicas),
      ) - available,
    ),
    terminatingReplicas: total((set) => set.status?.terminatingReplicas),
  };
  const { generation } = deployment.metadata;
  const { collisionCount } = deployment.status ?? {};
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    ...counts,
    ...(collisionCount !== undefined && { collisionCount }),
    conditions: conditions(input, counts),
  };
}

/** Whether every replica is of the current template and available, and nothing old is left. */
export function isComplete({ deployment }: DeploymentStatusInput, counts: DeploymentStatus): boolean {
  const replicas = deployment.spec.replicas ?? 1;
  return counts.updatedReplicas === replicas && counts.replicas === replicas && counts.availableReplicas === replicas;
}

function conditions(input: DeploymentStatusInput, counts: DeploymentStatus): WorkloadCondition[] {
  const { deployment, limits, current, old } = input;
  const enough = (counts.availableReplicas ?? 0) >= (deployment.spec.replicas ?? 1) - limits.maxUnavailable;
  const wanted = [
    enough
      ? condition('Available', 'True', ['MinimumReplicasAvailable', 'Deployment has minimum availability.'])
      : condition('Available', 'False', ['MinimumReplicasUnavailable', 'Deployment does not have minimum availability.']),
    progressing(input, counts),
  ];
  const failure = [...old, ...(current ? [current] : [])]
    .flatMap((set) => set.status?.conditions ?? [])
    .find(({ type }) => type === 'ReplicaFailure');
  if (failure) wanted.push(condition('ReplicaFailure', 'True', [failure.reason ?? '', failure.message ?? '']));
  return wanted.map((one) => withTimes(one, input, counts));
}

function progressing(input: DeploymentStatusInput, counts: DeploymentStatus): WorkloadCondition {
  const { deployment, current, now } = input;
  const set = `ReplicaSet ${JSON.stringify(current?.metadata.name ?? '')}`;
  const before = deployment.status?.conditions?.find(({ type }) => type === 'Progressing');
  if (deployment.spec.paused) return condition('Progressing', 'Unknown', ['DeploymentPaused', 'Deployment is paused']);
  if (current && isComplete(input, counts)) {
    return condition('Progressing', 'True', ['NewReplicaSetAvailable', `${set} has successfully progressed.`]);
  }
  const deadlineMs = (deployment.spec.progressDeadlineSeconds ?? DEFAULT_DEADLINE_SECONDS) * 1000;
  const sameRollout = before?.message?.includes(set) ?? false;
  const stalled = before?.lastUpdateTime !== undefined && Date.parse(now) - Date.parse(before.lastUpdateTime) > deadlineMs;
  // A finished rollout that lost a pod later is not a stalled one.
  if (before?.reason === 'NewReplicaSetAvailable' && sameRollout)
    return condition('Progressing', 'True', [before.reason, before.message ?? '']);
  if (sameRollout && !hasProgressed(deployment, counts) && (stalled || before?.reason === 'ProgressDeadlineExceeded')) {
    return condition('Progressing', 'False', ['ProgressDeadlineExceeded', `${set} has timed out progressing.`]);
  }
  if (!current)
    return condition('Progressing', 'True', [
      'ReplicaSetUpdated',
      `Deployment ${JSON.stringify(deployment.metadata.name)} is progressing.`,
    ]);
  return condition('Progressing', 'True', ['ReplicaSetUpdated', `${set} is progressing.`]);
}

const condition = (type: string, status: WorkloadCondition['status'], [reason, message]: [string, string]): WorkloadCondition => ({
  type,
  status,
  reason,
  message,
});

function hasProgressed({ status: before = {} }: Deployment, counts: DeploymentStatus): boolean {
  const oldBefore = (before.replicas ?? 0) - (before.updatedReplicas ?? 0);
  const oldNow = (counts.replicas ?? 0) - (counts.updatedReplicas ?? 0);
  return (
    (counts.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    oldNow < oldBefore ||
    (counts.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (counts.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function withTimes(wanted: WorkloadCondition, { deployment, now }: DeploymentStatusInput, counts: DeploymentStatus): WorkloadCondition {
  const before = deployment.status?.conditions?.find(({ type }) => type === wanted.type);
  const same = before?.status === wanted.status && before?.reason === wanted.reason && before?.message === wanted.message;
  const progressed = wanted.type === 'Progressing' && wanted.reason === 'ReplicaSetUpdated' && hasProgressed(deployment, counts);
  return {
    ...wanted,
    lastUpdateTime: same && !progressed ? (before?.lastUpdateTime ?? now) : now,
    lastTransitionTime: before?.status === wanted.status ? (before.lastTransitionTime ?? now) : now,
  };
}
