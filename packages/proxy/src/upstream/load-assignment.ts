// Which hosts of which priority and locality get what share of a cluster's traffic.

import type { ClusterRuntime } from '../runtime/model.ts';
import type { ClusterStats } from './cluster-stats.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import { shareAmong } from './hash-table.ts';
import type { Host } from './host.ts';
import { createHashPicker, createPicker, type Picker, type PickerServices, type PickOptions } from './picker.ts';
import type { PriorityView } from './previous-priorities.ts';
import { capacityOf, type PriorityHealth, type PriorityLoad, sharePriorities } from './priority-load.ts';
import { createZoneChooser } from './zone-routing.ts';

export type LocalityHosts = {
  readonly priority: number;
  readonly weight: number;
  /** Identity of the place: "region/zone/sub_zone". */
  readonly name?: string;
  readonly hosts: readonly Host[];
};

/** The proxy's own place and the cluster of its peers, for zone-aware routing. */
export type LocalZone = { readonly name: string; readonly peers: readonly LocalityHosts[] };

export type LoadServices = PickerServices & { readonly stats?: ClusterStats; readonly local?: () => LocalZone | undefined };

export type LoadSettings = Pick<ClusterRuntime, 'lb' | 'localityWeighted' | 'zoneAware' | 'healthyPanicThresholdPercent'> & {
  readonly overprovisioningPercent: number;
  readonly weightedPriorityHealth?: boolean;
};

/** Builds the picker for the current hosts and their health. Lists of hosts are prepared when they are first picked from. */
export function assignLoad(settings: LoadSettings, localities: readonly LocalityHosts[], services: LoadServices): Picker {
  const priorities = [...new Set([...localities.map((one) => one.priority), ...(localities.length > 0 ? [] : [0])])].sort((a, b) => a - b);
  const groups = priorities.map((priority) => localities.filter((one) => one.priority === priority));
  const health = groups.map((group) => healthOf(group, settings.weightedPriorityHealth === true));
  const loads = sharePriorities(health, settings.overprovisioningPercent, settings.healthyPanicThresholdPercent);
  const levels = groups.map(
    (group, i) => new Level(settings, group, { load: loads[i] as PriorityLoad, services, isFirst: priorities[i] === 0 }),
  );
  const [only] = levels;
  const whole = loads.findIndex((load) => load.healthy === 100);
  const usual = whole >= 0 ? (levels[whole]?.healthy ?? NOBODY) : only ? split(levels, only, services) : NOBODY;
  if (levels.length < 2) return usual;
  const views = groups.map((group, i): PriorityView => {
    const capacity = capacityOf(health[i] as PriorityHealth, settings.overprovisioningPercent);
    return { ...capacity, has: (host) => group.some(({ hosts }) => hosts.includes(host)) };
  });
  return {
    pick(options) {
      const shares = options?.priorities?.shares(views);
      if (!shares) return usual.pick(options);
      let point = percentile(options, services.random);
      let at = 0;
      while (at < shares.length - 1 && point >= (shares[at] as number)) point -= shares[at++] as number;
      return levels[at]?.healthy.pick(options) ?? levels[at]?.degraded.pick(options);
    },
  };
}

/** Among all priorities, by their loads. */
function split(levels: readonly Level[], only: Level, services: LoadServices): Picker {
  return {
    pick(options) {
      let point = percentile(options, services.random);
      for (const level of levels) {
        point -= level.load.healthy;
        if (point < 0) return level.healthy.pick(options);
      }
      for (const level of levels) {
        point -= level.load.degraded;
        if (point < 0) return level.degraded.pick(options);
      }
      return only.healthy.pick(options);
    },
  };
}

const NOBODY: Picker = { pick: () => undefined };

function healthOf(group: readonly LocalityHosts[], byWeight: boolean) {
  const health = { total: 0, healthy: 0, degraded: 0 };
  for (const { hosts } of group) {
    for (const host of hosts) {
      if (host.isExcluded) continue;
      const part = byWeight ? host.weight : 1;
      health.total += part;
      if (host.health !== 'unhealthy') health[host.health] += part;
    }
  }
  return health;
}

type LevelOptions = { load: PriorityLoad; services: LoadServices; isFirst: boolean };
type Hosts = (locality: LocalityHosts) => readonly Host[];

/** One priority. */
class Level {
  readonly load: PriorityLoad;
  private readonly settings: LoadSettings;
  private readonly group: readonly LocalityHosts[];
  private readonly services: LoadServices;
  private readonly isFirst: boolean;
  private healthyPicker: Picker | undefined;
  private degradedPicker: Picker | undefined;

  constructor(settings: LoadSettings, group: readonly LocalityHosts[], { load, services, isFirst }: LevelOptions) {
    this.settings = settings;
    this.group = group;
    this.load = load;
    this.services = services;
    this.isFirst = isFirst;
  }

  get healthy(): Picker {
    this.healthyPicker ??= this.load.panicking ? this.panicking() : this.pickerFor('healthy');
    return this.healthyPicker;
  }

  get degraded(): Picker {
    this.degradedPicker ??= this.load.panicking ? this.panicking() : this.pickerFor('degraded');
    return this.degradedPicker;
  }

  private panicking(): Picker {
    const { settings, services, group } = this;
    const everyone =
      settings.zoneAware?.failTrafficOnPanic && !isHashing(settings.lb) ? NOBODY : this.plain((locality) => locality.hosts, group);
    return {
      pick(options) {
        if (services.stats) services.stats.lb_healthy_panic++;
        return everyone.pick(options);
      },
    };
  }

  private pickerFor(health: 'healthy' | 'degraded'): Picker {
    const { settings, group } = this;
    const chosen: Hosts = (locality) => hostsOf(locality, health);
    // The tables of Envoy have healthy hosts only, whatever share of the load is for degraded ones. (Without any healthy host it serves
    // nobody; here the degraded ones do.)
    const well: Hosts = (locality) => hostsOf(locality, 'healthy');
    if (isHashing(settings.lb)) return this.plain(group.some((locality) => well(locality).length > 0) ? well : chosen, group);
    if (settings.localityWeighted) return this.byLocality(chosen) ?? this.plain(chosen, group);
    if (settings.zoneAware && this.isFirst && health === 'healthy') return this.byZone(chosen) ?? this.plain(chosen, group);
    return this.plain(chosen, group);
  }

  private plain(chosen: Hosts, group: readonly LocalityHosts[]): Picker {
    const { settings, services } = this;
    const { lb } = settings;
    if (isHashing(lb) && settings.localityWeighted) {
      // One table for all localities, so that a key has one host.
      const total = group.reduce((sum, { hosts, weight }) => (hosts.length > 0 ? sum + weight : sum), 0);
      const hosts = group.flatMap((locality) => (locality.weight === 0 ? [] : shareAmong(chosen(locality), locality.weight / total)));
      return createHashPicker(lb, hosts, services);
    }
    return createPicker(lb, group.flatMap(chosen), services);
  }

  /** By the localities' weights, less where hosts are missing. undefined: no locality has a weight. */
  private byLocality(chosen: Hosts): Picker | undefined {
    const { services, settings } = this;
    const localities = this.group.flatMap((locality) => {
      const hosts = chosen(locality);
      const total = locality.hosts.filter((host) => !host.isExcluded).length;
      const weight = locality.weight * Math.min(1, (hosts.length / total) * (settings.overprovisioningPercent / 100));
      return weight > 0 ? [{ weight, picker: createPicker(settings.lb, hosts, services) }] : [];
    });
    if (localities.length === 0) return undefined;
    if (localities.length === 1) return localities[0]?.picker;
    const scheduler = new EdfScheduler(localities, (locality) => locality.weight, services.random());
    return { pick: (options) => scheduler.pick()?.picker.pick(options) };
  }

  private byZone(chosen: Hosts): Picker | undefined {
    const { services, settings, group } = this;
    const { zoneAware } = settings;
    const local = services.local?.();
    if (!zoneAware || !local) return undefined;
    const { stats } = services;
    if (stats) stats.lb_recalculate_zone_structures++;
    const peers = local.peers.filter((one) => one.priority === 0 && one.hosts.length > 0);
    const zones = group.filter(({ hosts }) => hosts.length > 0);
    if (zones.length < 2 || peers.length < 2) return undefined;
    if (!peers.some(({ name }) => name === local.name)) {
      if (stats) stats.lb_local_cluster_not_ok++;
      return undefined;
    }
    const hosts = zones.map(chosen);
    if (hosts.reduce((sum, list) => sum + list.length, 0) < zoneAware.minClusterSize) {
      if (stats) stats.lb_zone_cluster_too_small++;
      return undefined;
    }
    const anywhere = this.plain(chosen, group);
    const isInZone = createDraw(zoneAware.routingEnabledPercent, services.random);
    if (isPanicking(peers, settings.healthyPanicThresholdPercent)) {
      return {
        pick(options) {
          if (!isInZone()) return anywhere.pick(options);
          if (stats) stats.lb_local_cluster_not_ok++;
          return zoneAware.failTrafficOnPanic ? undefined : anywhere.pick(options);
        },
      };
    }
    const wellPeers = new Map(peers.map((one) => [one.name, hostsOf(one, 'healthy').length]));
    const counts = zones.map(({ name }, i) => ({ upstream: (hosts[i] as readonly Host[]).length, local: wellPeers.get(name) ?? 0 }));
    const own = zones.findIndex(({ name }) => name === local.name);
    const choose = createZoneChooser(counts, {
      own: own < 0 ? undefined : own,
      locals: [...wellPeers.values()].reduce((sum, count) => sum + count, 0),
      random: services.random,
    });
    const pickers = hosts.map((list) => createPicker(settings.lb, list, services));
    return {
      pick(options) {
        if (!isInZone()) return anywhere.pick(options);
        const { zone, how } = choose();
        if (stats) stats.countZoneChoice(how);
        return pickers[zone]?.pick(options) ?? anywhere.pick(options);
      },
    };
  }
}

const createDraw = (percent: number, random: () => number): (() => boolean) =>
  percent >= 100 ? () => true : () => random() * 100 < percent;

function isPanicking(group: readonly LocalityHosts[], thresholdPercent: number): boolean {
  const { total, healthy, degraded } = healthOf(group, false);
  return (total === 0 ? 0 : ((healthy + degraded) * 100) / total) < thresholdPercent;
}

const hostsOf = ({ hosts }: LocalityHosts, health: 'healthy' | 'degraded'): Host[] =>
  hosts.filter((host) => host.health === health && !host.isExcluded);

const isHashing = (lb: LoadSettings['lb']): lb is Extract<LoadSettings['lb'], { kind: 'ring_hash' | 'maglev' }> =>
  lb.kind === 'ring_hash' || lb.kind === 'maglev';

/** Which percent of the traffic a request belongs to, 0 to 99: fixed for a hash, so that its priority is. */
const percentile = (options: PickOptions | undefined, random: () => number): number =>
  options?.hash === undefined ? Math.floor(random() * 100) : Number(options.hash % 100n);
