// READY, STATUS and RESTARTS of a pod: the summary that kubectl users read first.

import type { ContainerStatus, KubeObject, Pod } from '@lateen/kube/types';
import type { Column } from '../registry/resource.ts';
import { age, ageColumn, column, nameColumn, wide } from './columns.ts';

/** The one word for a pod's state, e.g. Running, Init:0/1, CrashLoopBackOff, Terminating. */
export function podStatus(pod: Pod): string {
  const { spec, status, metadata } = pod;
  let reason: string = status?.reason || status?.phase || 'Unknown';
  if (status?.conditions?.some((one) => one.type === 'PodScheduled' && one.reason === 'SchedulingGated')) reason = 'SchedulingGated';
  const initialising = initStatus(pod);
  if (initialising !== undefined) reason = initialising;
  else reason = containersStatus(status?.containerStatuses ?? [], reason, status?.conditions ?? []);
  if (metadata.deletionTimestamp) return status?.reason === 'NodeLost' ? 'Unknown' : isOver(status?.phase) ? reason : 'Terminating';
  return spec ? reason : 'Unknown';
}

const isOver = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

const isSidecar = (pod: Pod, name: string): boolean =>
  pod.spec?.initContainers?.some((one) => one.name === name && (one as { restartPolicy?: string }).restartPolicy === 'Always') ?? false;

function initStatus(pod: Pod): string | undefined {
  const statuses = pod.status?.initContainerStatuses ?? [];
  const total = pod.spec?.initContainers?.length ?? 0;
  for (const [i, one] of statuses.entries()) {
    if (one.state?.terminated?.exitCode === 0) continue;
    if (isSidecar(pod, one.name) && one.started) continue;
    const { terminated, waiting } = one.state ?? {};
    if (terminated)
      return `Init:${terminated.reason || (terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`)}`;
    if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
    return `Init:${i}/${total}`;
  }
  return undefined;
}

function containersStatus(statuses: ContainerStatus[], initial: string, conditions: { type: string; status: string }[]): string {
  let reason = initial;
  let hasRunning = false;
  for (const one of [...statuses].reverse()) {
    const { waiting, terminated, running } = one.state ?? {};
    if (waiting?.reason) reason = waiting.reason;
    else if (terminated)
      reason = terminated.reason || (terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`);
    else if (one.ready && running) hasRunning = true;
  }
  if (reason === 'Completed' && hasRunning)
    return conditions.some((one) => one.type === 'Ready' && one.status === 'True') ? 'Running' : 'NotReady';
  return reason;
}

function readyText(pod: Pod): string {
  const sidecars = (pod.spec?.initContainers ?? []).filter((one) => isSidecar(pod, one.name));
  const all = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []).filter((one) => isSidecar(pod, one.name)),
  ];
  return `${all.filter((one) => one.ready).length}/${(pod.spec?.containers?.length ?? 0) + sidecars.length}`;
}

function restartsText(pod: Pod, nowMs: number): string {
  const isInitialising = initStatus(pod) !== undefined;
  const counted = isInitialising
    ? (pod.status?.initContainerStatuses ?? [])
    : [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? []).filter((one) => isSidecar(pod, one.name))];
  const restarts = counted.reduce((sum, one) => sum + (one.restartCount ?? 0), 0);
  const last = counted
    .map((one) => one.lastState?.terminated?.finishedAt ?? '')
    .sort()
    .at(-1);
  return restarts > 0 && last ? `${restarts} (${age(last, nowMs)} ago)` : String(restarts);
}

const asPod = (object: KubeObject): Pod => object as unknown as Pod;
const gates = (pod: Pod): string => {
  const wanted = (pod.spec as { readinessGates?: { conditionType: string }[] } | undefined)?.readinessGates ?? [];
  if (wanted.length === 0) return '<none>';
  const met = wanted.filter((gate) => pod.status?.conditions?.some((one) => one.type === gate.conditionType && one.status === 'True'));
  return `${met.length}/${wanted.length}`;
};

export const POD_COLUMNS: readonly Column[] = [
  nameColumn,
  column('Ready', (object) => readyText(asPod(object))),
  column('Status', (object) => podStatus(asPod(object))),
  column('Restarts', (object, nowMs) => restartsText(asPod(object), nowMs)),
  ageColumn,
  wide('IP', (object) => asPod(object).status?.podIP || '<none>'),
  wide('Node', (object) => asPod(object).spec?.nodeName || '<none>'),
  wide('Nominated Node', () => '<none>'),
  wide('Readiness Gates', (object) => gates(asPod(object))),
];
