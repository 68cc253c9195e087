// The status of a pod as a value, from what its containers are doing.

import { jsonEqual } from '@lateen/base';
import type { Container, ContainerStatus, Pod, PodCondition, PodPhase, PodStatus } from '@lateen/kube/types';
import type { ContainerKind } from './container-history.ts';

export type ContainerView = {
  name: string;
  kind: ContainerKind;
  status: ContainerStatus;
  /** Ended, and the restart policy leaves it so. */
  finished: boolean;
  started: boolean;
  ready: boolean;
};

export type PodStatusInput = {
  pod: Pod;
  /** The conditions so far: what stays as it was keeps its transition time. */
  conditions: readonly PodCondition[];
  containers: readonly ContainerView[];
  /** Undefined until the pod has its network. */
  podIP: string | undefined;
  hostIP: string;
  startTime: string;
  now: string;
  /** The pod was ended from outside, e.g. DeadlineExceeded. */
  failed: { reason: string; message: string } | undefined;
};

/** Whether all init containers are done and the sidecars among them have started. */
export const isInitialized = (containers: readonly ContainerView[]): boolean =>
  containers.every(({ kind, finished, started, status }) =>
    kind === 'init' ? finished && status.state?.terminated?.exitCode === 0 : kind === 'app' || started,
  );

export function podPhase(containers: readonly ContainerView[]): PodPhase {
  const failedInit = containers.some(
    ({ kind, finished, status }) => kind === 'init' && finished && status.state?.terminated?.exitCode !== 0,
  );
  if (failedInit) return 'Failed';
  const apps = containers.filter(({ kind }) => kind === 'app');
  if (apps.every(({ finished }) => finished)) {
    return apps.every(({ status }) => status.state?.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';
  }
  const neverRan = apps.some(({ status }) => !status.state?.running && !status.state?.terminated && !status.lastState?.terminated);
  return neverRan ? 'Pending' : 'Running';
}

export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, containers, podIP, hostIP, failed } = input;
  const phase = failed ? 'Failed' : podPhase(containers);
  const statusesOf = (specs: readonly { name: string }[] = []) =>
    specs.flatMap(({ name }) => containers.filter((container) => container.name === name).map(({ status }) => status));
  return {
    phase,
    conditions: podConditions(input, phase),
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(podIP !== undefined && { podIP, podIPs: [{ ip: podIP }] }),
    startTime: input.startTime,
    ...(failed && { reason: failed.reason, message: failed.message }),
    ...(pod.spec.initContainers?.length && { initContainerStatuses: statusesOf(pod.spec.initContainers) }),
    containerStatuses: statusesOf(pod.spec.containers),
    ...(pod.spec.ephemeralContainers?.length && { ephemeralContainerStatuses: pod.spec.ephemeralContainers.map(refusedStatus) }),
  };
}

export const EPHEMERAL_REFUSAL = 'ephemeral containers are not supported on this node; use kubectl exec';

const refusedStatus = ({ name, image = '' }: Container): ContainerStatus => ({
  name,
  image,
  imageID: '',
  ready: false,
  restartCount: 0,
  state: { terminated: { exitCode: 1, reason: 'NotSupported', message: EPHEMERAL_REFUSAL } },
});

type Verdict = { ok: boolean; reason?: string; message?: string };

function podConditions(input: PodStatusInput, phase: PodPhase): PodCondition[] {
  const { pod, containers } = input;
  const over = phase === 'Succeeded' || phase === 'Failed';
  const done = { ok: false, reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' };
  const containersReady = over ? done : readyVerdict(containers);
  const verdicts: Record<string, Verdict> = {
    PodReadyToStartContainers: { ok: input.podIP !== undefined && !over },
    Initialized: initializedVerdict(containers, phase),
    Ready: containersReady.ok ? gateVerdict(pod) : containersReady,
    ContainersReady: containersReady,
    PodScheduled: { ok: true },
  };
  return Object.entries(verdicts).map(([type, { ok, reason, message }]): PodCondition => {
    const before = input.conditions.find((condition) => condition.type === type);
    const status = ok ? 'True' : 'False';
    const lastTransitionTime = before?.status === status && before.lastTransitionTime ? before.lastTransitionTime : input.now;
    return { type, status, lastTransitionTime, ...(reason && { reason }), ...(message && { message }) };
  });
}

function readyVerdict(containers: readonly ContainerView[]): Verdict {
  const unready = containers.filter(({ kind, ready }) => kind !== 'init' && !ready).map(({ name }) => name);
  if (unready.length === 0) return { ok: true };
  return { ok: false, reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
}

function initializedVerdict(containers: readonly ContainerView[], phase: PodPhase): Verdict {
  if (phase === 'Succeeded') return { ok: true, reason: 'PodCompleted' };
  if (isInitialized(containers)) return { ok: true };
  const incomplete = containers.filter((container) => !isInitialized([container])).map(({ name }) => name);
  return { ok: false, reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${incomplete.join(' ')}]` };
}

function gateVerdict(pod: Pod): Verdict {
  const closed = (pod.spec.readinessGates ?? [])
    .map(({ conditionType }) => conditionType)
    .filter((type) => pod.status?.conditions?.find((condition) => condition.type === type)?.status !== 'True');
  if (closed.length === 0) return { ok: true };
  const message = closed.map((type) => `the status of pod readiness gate ${JSON.stringify(type)} is not "True"`).join(', ');
  return { ok: false, reason: 'ReadinessGatesNotReady', message };
}

/** Fields that this node owns and that can go away again. */
const PASSING_FIELDS = ['reason', 'message', 'podIP', 'podIPs', 'initContainerStatuses'] as const;

/** Whether the stored status says everything that `wanted` says, and nothing of this node's beyond it. */
export function saysStatus(stored: PodStatus | undefined, wanted: PodStatus): boolean {
  const fields = new Set([...PASSING_FIELDS, ...Object.keys(wanted)]) as Set<keyof PodStatus>;
  fields.delete('conditions');
  const conditions = wanted.conditions ?? [];
  return (
    [...fields].every((key) => jsonEqual(stored?.[key], wanted[key])) &&
    conditions.every((own) =>
      sameCondition(
        own,
        stored?.conditions?.find(({ type }) => type === own.type),
      ),
    )
  );
}

// Others may have put a probe time into it.
const sameCondition = (a: PodCondition, b: PodCondition | undefined): boolean =>
  (['status', 'reason', 'message', 'lastTransitionTime'] as const).every((key) => (a[key] ?? '') === (b?.[key] ?? ''));

/** A strategic merge patch of the status subresource; conditions of others stay, fields that are gone become null. */
export function statusPatch(wanted: PodStatus): Record<string, unknown> {
  const gone = Object.fromEntries(PASSING_FIELDS.filter((key) => wanted[key] === undefined).map((key) => [key, null]));
  const replaced = (list: { ip: string }[] | undefined) => list && [...list, { $patch: 'replace' }];
  const { podIPs, hostIPs } = wanted;
  const conditions = wanted.conditions?.map((condition) => ({ reason: null, message: null, ...condition }));
  return { ...gone, ...wanted, conditions, ...(podIPs && { podIPs: replaced(podIPs) }), ...(hostIPs && { hostIPs: replaced(hostIPs) }) };
}
