// The arithmetic of a rolling update, without any object: how many replicas the new and the old replica sets get next.

import type { IntOrString } from '@lateen/kube/types';

export type RolloutLimits = { maxSurge: number; maxUnavailable: number };

/** Percentages of `replicas`: surge rounded up, unavailable rounded down; never both zero. */
export function rolloutLimits(
  replicas: number,
  { maxSurge = '25%', maxUnavailable = '25%' }: { maxSurge?: IntOrString; maxUnavailable?: IntOrString },
): RolloutLimits {
  const surge = absolute(maxSurge, replicas, Math.ceil);
  const unavailable = Math.min(replicas, absolute(maxUnavailable, replicas, Math.floor));
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** A number, or a percentage of `total` rounded by `round`. Malformed values count as 0. */
export function absolute(value: IntOrString, total: number, round: (value: number) => number): number {
  if (typeof value === 'number') return Math.max(0, value);
  const percent = /^(\d{1,9})%$/.exec(value);
  return percent ? round((Number(percent[1]) * total) / 100) : Number(value) || 0;
}

export type SetSize = { name: string; replicas: number; available: number };

export type RolloutStep = { newReplicas: number; old: Map<string, number> };

/** The next sizes. `old` is in order of age, oldest first; unhealthy old pods go before healthy ones. */
export function rolloutStep(replicas: number, limits: RolloutLimits, sets: { current: SetSize; old: readonly SetSize[] }): RolloutStep {
  const { current, old } = sets;
  const oldTotal = old.reduce((sum, set) => sum + set.replicas, 0);
  const room = replicas + limits.maxSurge - current.replicas - oldTotal;
  const newReplicas = current.replicas > replicas ? replicas : Math.min(replicas, current.replicas + Math.max(0, room));
  const sizes = new Map(old.map((set) => [set.name, set.replicas]));
  // What may go: everything above the minimum, where the new pods that are not available yet do not count.
  const minAvailable = replicas - limits.maxUnavailable;
  const newUnavailable = current.replicas - current.available;
  let mayGo = Math.max(0, current.replicas + oldTotal - minAvailable - newUnavailable);
  for (const set of old) {
    const unhealthy = Math.min(mayGo, set.replicas - set.available);
    sizes.set(set.name, set.replicas - unhealthy);
    mayGo -= unhealthy;
  }
  const available = current.available + old.reduce((sum, set) => sum + set.available, 0);
  let surplus = Math.min(mayGo, Math.max(0, available - minAvailable));
  for (const set of old) {
    const size = sizes.get(set.name) ?? 0;
    const less = Math.min(size, surplus);
    sizes.set(set.name, size - less);
    surplus -= less;
  }
  return { newReplicas, old: sizes };
}

/** Spreads a changed total over sets in proportion to their sizes; the last (newest) takes what rounding leaves. */
export function proportionalSizes(sets: readonly SetSize[], total: number): Map<string, number> {
  const sum = sets.reduce((all, set) => all + set.replicas, 0);
  const sizes = new Map<string, number>();
  let left = total;
  sets.forEach((set, i) => {
    const share = i === sets.length - 1 ? left : sum === 0 ? 0 : Math.min(left, Math.round((set.replicas / sum) * total));
    sizes.set(set.name, share);
    left -= share;
  });
  return sizes;
}
