// Which hosts of which priority and locality get what share of a cluster's traffic (Envoy's rules: overprovisioning, failover by
// priority, panic).

import type { ClusterRuntime } from '../runtime/model.ts';
import type { WeightedHost } from './hash-table.ts';
import type { Host } from './host.ts';
import { createHashPicker, createPicker, type Picker, type PickerServices, type PickOptions } from './picker.ts';

export type LocalityHosts = { readonly priority: number; readonly weight: number; readonly hosts: readonly Host[] };

type Level = { readonly load: number; readonly isPanicking: boolean; readonly picker: Picker };

export type LoadAssignment = Picker & {
  /** Some level serves its unhealthy hosts, too. */
  readonly isPanicking: boolean;
};

/** Builds the picker for the current hosts and their health. */
export function assignLoad(
  cluster: ClusterRuntime,
  localities: readonly LocalityHosts[],
  overprovisioningPercent: number,
  services: PickerServices,
): LoadAssignment {
  const priorities = [...new Set(localities.map((one) => one.priority))].sort((a, b) => a - b);
  const groups = priorities.map((priority) => localities.filter((one) => one.priority === priority));
  const loads = shareLoad(groups, overprovisioningPercent);
  const levels = groups.map((group, i) => createLevel(cluster, group, loads[i] as number, services)).filter((level) => level.load > 0);
  const isPanicking = levels.some((level) => level.isPanicking);
  const only = levels.length === 1 ? levels[0] : undefined;
  if (only) return { isPanicking, pick: (options) => only.picker.pick(options) };
  return {
    isPanicking,
    pick(options) {
      let point = share(options, services.random) * 100;
      for (const level of levels) {
        point -= level.load;
        if (point < 0) return level.picker.pick(options);
      }
      return levels[levels.length - 1]?.picker.pick(options);
    },
  };
}

/** Percent of the traffic for each priority: each takes what its health carries, the next one the rest. */
function shareLoad(groups: readonly (readonly LocalityHosts[])[], overprovisioningPercent: number): number[] {
  const health = groups.map((group) => {
    const hosts = group.flatMap((locality) => locality.hosts);
    const available = hosts.filter((host) => host.isAvailable).length;
    return hosts.length === 0 ? 0 : Math.min(100, (available / hosts.length) * overprovisioningPercent);
  });
  const total = Math.min(
    100,
    health.reduce((sum, one) => sum + one, 0),
  );
  let left = 100;
  const loads = health.map((one) => {
    const load = total === 0 ? 0 : Math.min(left, (one * 100) / total);
    left -= load;
    return load;
  });
  // Nobody is healthy: the first priority gets the traffic, and panic decides what it does with it.
  if (total === 0) {
    const first = groups.findIndex((group) => group.some((locality) => locality.hosts.length > 0));
    if (first >= 0) loads[first] = 100;
  }
  return loads;
}

function createLevel(cluster: ClusterRuntime, group: readonly LocalityHosts[], load: number, services: PickerServices): Level {
  const all = group.flatMap((locality) => locality.hosts);
  const available = all.filter((host) => host.isAvailable);
  const isPanicking = (available.length * 100) / Math.max(1, all.length) < cluster.healthyPanicThresholdPercent;
  const usable = (hosts: readonly Host[]) => (isPanicking ? hosts : hosts.filter((host) => host.isAvailable));
  if (!cluster.localityWeighted) return { load, isPanicking, picker: createPicker(cluster.lb, usable(all), services) };
  if (cluster.lb.kind === 'ring_hash' || cluster.lb.kind === 'maglev') {
    // One table for all localities, so that a key has one host.
    const hosts = group.flatMap((locality) => shareOfLocality(usable(locality.hosts), locality.weight));
    return { load, isPanicking, picker: createHashPicker(cluster.lb, hosts, services.random) };
  }
  const localities = group
    .map((locality) => ({
      weight: locality.weight,
      picker: createPicker(cluster.lb, usable(locality.hosts), services),
      size: usable(locality.hosts).length,
    }))
    .filter((locality) => locality.weight > 0 && locality.size > 0);
  const total = localities.reduce((sum, locality) => sum + locality.weight, 0);
  const picker: Picker = {
    pick() {
      let point = services.random() * total;
      for (const locality of localities) {
        point -= locality.weight;
        if (point < 0) return locality.picker.pick();
      }
      return localities[localities.length - 1]?.picker.pick();
    },
  };
  return { load, isPanicking, picker };
}

function shareOfLocality(hosts: readonly Host[], weight: number): WeightedHost[] {
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  return weight === 0 ? [] : hosts.map((host) => ({ host, weight: (weight * host.weight) / total }));
}

/** Which share of the traffic a request belongs to, 0 to 1: fixed for a hash, so that its priority is. */
const share = (options: PickOptions | undefined, random: () => number): number =>
  options?.hash === undefined ? random() : (options.hash % 10_000) / 10_000;
