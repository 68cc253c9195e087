// How traffic is split between priorities: Envoy's rules of overprovisioning, degraded hosts and panic, in whole percents.

/** Hosts of one priority (or their weights); hosts that wait for their first health check are not counted at all. */
export type PriorityHealth = { readonly total: number; readonly healthy: number; readonly degraded: number };

export type PriorityLoad = {
  /** Percent of all traffic that goes to the healthy hosts of the priority. Together with `degraded` they sum up to 100. */
  healthy: number;
  degraded: number;
  /** All hosts are used, whatever their health. */
  panicking: boolean;
};

/** How much traffic a priority could take, in percent of all, by healthy and by degraded hosts. */
export type PriorityCapacity = { readonly healthy: number; readonly degraded: number };

export function capacityOf({ total, healthy, degraded }: PriorityHealth, overprovisioningPercent: number): PriorityCapacity {
  const capacity = (part: number) => (total === 0 ? 0 : Math.min(100, Math.floor((part * overprovisioningPercent + 1e-9) / total)));
  return { healthy: capacity(healthy), degraded: capacity(degraded) };
}

/** One load per priority, in the same order. */
export function sharePriorities(
  levels: readonly PriorityHealth[],
  overprovisioningPercent: number,
  panicThresholdPercent: number,
): PriorityLoad[] {
  const capacities = levels.map((level) => capacityOf(level, overprovisioningPercent));
  const healthy = capacities.map((one) => one.healthy);
  const degraded = capacities.map((one) => one.degraded);
  const available = Math.min(100, sum(healthy) + sum(degraded));
  const loads = levels.map((): PriorityLoad => ({ healthy: 0, degraded: 0, panicking: false }));
  if (loads.length === 0) return loads;
  if (available > 0) {
    const left = distribute(100, healthy, available, (i, load) => {
      (loads[i] as PriorityLoad).healthy = load;
    });
    const rest = distribute(left, degraded, available, (i, load) => {
      (loads[i] as PriorityLoad).degraded = load;
    });
    // What rounding left over goes to the first that can take it.
    const first = healthy.findIndex((one) => one > 0);
    if (first >= 0) (loads[first] as PriorityLoad).healthy += rest;
    else (loads[degraded.findIndex((one) => one > 0)] as PriorityLoad).degraded += rest;
  }
  // Enough hosts somewhere: no panic, however bad a single priority looks.
  if (available < 100) {
    for (const [i, { total, healthy: well, degraded: half }] of levels.entries()) {
      (loads[i] as PriorityLoad).panicking = (total === 0 ? 0 : ((well + half) * 100) / total) < panicThresholdPercent;
    }
  }
  if (loads.every((load) => load.panicking)) shareByNumber(loads, levels);
  else if (available === 0) (loads[0] as PriorityLoad).healthy = 100;
  return loads;
}

/** With every priority in panic, each gets traffic by how many hosts it has. */
function shareByNumber(loads: PriorityLoad[], levels: readonly PriorityHealth[]): void {
  const total = sum(levels.map((level) => level.total));
  let left = 100;
  for (const [i, load] of loads.entries()) {
    load.healthy = total === 0 ? 0 : Math.floor(((levels[i] as PriorityHealth).total * 100) / total);
    load.degraded = 0;
    left -= load.healthy;
  }
  const first = levels.findIndex((level) => level.total > 0);
  (loads[Math.max(0, first)] as PriorityLoad).healthy += left;
}

function distribute(load: number, capacities: readonly number[], available: number, give: (i: number, load: number) => void): number {
  let left = load;
  for (const [i, capacity] of capacities.entries()) {
    const part = Math.min(left, Math.floor((capacity * 100) / available));
    give(i, part);
    left -= part;
  }
  return left;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
