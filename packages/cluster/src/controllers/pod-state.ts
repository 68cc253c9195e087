// What controllers ask about a pod.

import type { Pod } from '@lateen/kube/types';

export const isPodTerminating = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;

/** Neither finished nor going. */
export const isPodActive = (pod: Pod): boolean =>
  pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && !isPodTerminating(pod);

export const isPodReady = ({ status }: Pod): boolean => status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

/** Milliseconds until a ready pod counts as available; 0 when it does, undefined when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  if (!isPodReady(pod)) return undefined;
  const since = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
  if (minReadySeconds === 0 || since === undefined) return 0;
  return Math.max(0, Date.parse(since) + minReadySeconds * 1000 - nowMs);
}

/**
 * Orders pods by how little is lost with them: unassigned, then not running, then not ready, then the younger ones; the first
 * are deleted first.
 */
export function compareForDeletion(a: Pod, b: Pod): number {
  const rank = (pod: Pod) => {
    const cost = Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0;
    return [pod.spec.nodeName ? 1 : 0, pod.status?.phase === 'Running' ? 1 : 0, isPodReady(pod) ? 1 : 0, cost];
  };
  const [left, right] = [rank(a), rank(b)];
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
  return Date.parse(b.metadata.creationTimestamp ?? '') - Date.parse(a.metadata.creationTimestamp ?? '');
}
