// Load balancing policies over a fixed list of hosts. A picker is made anew whenever the list changes; it keeps no reference
// to anything but the hosts.

import type { LbMetadata, LbPolicy, SlowStart } from '../runtime/model.ts';
import type { ClusterStats } from './cluster-stats.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import { createHashLookup, type HashPolicyLb, shareAmong, type WeightedHost } from './hash-table.ts';
import type { Host } from './host.ts';
import { createLoadBound } from './load-bound.ts';
import type { PreviousPriorities } from './previous-priorities.ts';

export type PickOptions = {
  /** Of the request; only consistent hashing looks at it, and picks at random without. */
  readonly hash?: bigint | undefined;
  /** How many picks for the same request came before. */
  readonly attempt?: number;
  /** Only hosts of the subset with these values; only clusters with subsets look at it. */
  readonly metadataMatch?: LbMetadata | undefined;
  /** Of a retry that leaves priorities out. */
  readonly priorities?: PreviousPriorities | undefined;
};

export type Picker = {
  /** A host of the list; undefined only when it is empty. */
  pick(options?: PickOptions): Host | undefined;
};

export type PickerServices = {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly monotonicMs: () => number;
  /** Requests under way in the whole cluster, for the bound of consistent hashing. */
  readonly activeRequests?: () => number;
  readonly stats?: ClusterStats;
};
type Random = () => number;

/** Picks by `policy`, hosts in proportion to their weights. */
export function createPicker(policy: LbPolicy, hosts: readonly Host[], services: PickerServices): Picker {
  if (hosts.length <= 1) return { pick: () => hosts[0] };
  const { random } = services;
  switch (policy.kind) {
    case 'round_robin':
      return slowStarting(hosts, services, { slowStart: policy.slowStart, weightOf: ownWeight, usual: roundRobin(hosts, random) });
    case 'least_request': {
      const weightOf = (host: Host) => host.weight / (host.stats.rq_active + 1) ** policy.activeRequestBias;
      return slowStarting(hosts, services, { slowStart: policy.slowStart, weightOf, usual: leastRequest(hosts, random, policy) });
    }
    case 'ring_hash':
    case 'maglev':
      return createHashPicker(policy, shareAmong(hosts), services);
    default:
      // Weights are for the other policies, as in Envoy.
      return { pick: () => hosts[Math.floor(random() * hosts.length)] };
  }
}

/** Picks by consistent hashing; the weights may differ from the hosts' own. */
export function createHashPicker(policy: HashPolicyLb, hosts: readonly WeightedHost[], services: PickerServices): Picker {
  const { random, activeRequests, stats } = services;
  const table = stats && (policy.kind === 'ring_hash' ? stats.ringHash : stats.maglev);
  const lookup = createHashLookup(policy, hosts, (size) => table?.set(size));
  const bounded = policy.hashBalanceFactorPercent > 0 && activeRequests;
  const bound = bounded ? createLoadBound(hosts, policy.hashBalanceFactorPercent, activeRequests) : undefined;
  return {
    pick({ hash = BigInt(Math.floor(random() * 2 ** 53)) << 11n, attempt = 0 } = {}) {
      const host = lookup(hash, attempt);
      return bound && host ? bound(host, hash) : host;
    },
  };
}

const ownWeight = (host: Host): number => host.weight;
const sameWeights = (hosts: readonly Host[]): boolean => hosts.every((host) => host.weight === hosts[0]!.weight);

type SlowStarting = { slowStart: SlowStart | undefined; weightOf: (host: Host) => number; usual: Picker };

/** While some host is newer than the window, hosts are picked by weights that grow with their age; then by `usual`. */
function slowStarting(hosts: readonly Host[], services: PickerServices, { slowStart, weightOf, usual }: SlowStarting): Picker {
  if (!slowStart || slowStart.windowMs === 0) return usual;
  const { windowMs, aggression, minWeightPercent } = slowStart;
  const { random, monotonicMs } = services;
  const warmAtMs = Math.max(...hosts.map((host) => host.warmSinceMs)) + windowMs;
  const grown = (host: Host) => {
    const age = Math.min(1, Math.max(1, monotonicMs() - host.warmSinceMs) / windowMs);
    return weightOf(host) * Math.max(minWeightPercent / 100, age ** (1 / aggression));
  };
  let scheduler: EdfScheduler<Host> | undefined;
  return {
    pick() {
      if (monotonicMs() >= warmAtMs) return usual.pick();
      scheduler ??= new EdfScheduler(hosts, grown, random());
      return scheduler.pick();
    },
  };
}

function roundRobin(hosts: readonly Host[], random: Random): Picker {
  // Proxies that start together must not all begin with the same host.
  if (!sameWeights(hosts)) return new EdfScheduler(hosts, ownWeight, random());
  let next = Math.floor(random() * hosts.length);
  return {
    pick() {
      const host = hosts[next];
      next = next + 1 < hosts.length ? next + 1 : 0;
      return host;
    },
  };
}

function leastRequest(hosts: readonly Host[], random: Random, policy: Extract<LbPolicy, { kind: 'least_request' }>): Picker {
  const { activeRequestBias: bias, fullScan } = policy;
  if (!sameWeights(hosts)) {
    return new EdfScheduler(hosts, (host) => host.weight / (host.stats.rq_active + 1) ** bias, random());
  }
  if (fullScan) return { pick: () => leastOf(hosts, random) };
  const choices = Math.max(2, policy.choiceCount);
  return {
    pick() {
      let best = hosts[Math.floor(random() * hosts.length)];
      for (let i = 1; i < choices; i++) {
        const other = hosts[Math.floor(random() * hosts.length)];
        if (other && best && other.stats.rq_active < best.stats.rq_active) best = other;
      }
      return best;
    },
  };
}

/** The least busy of all; one of them by chance when several are. */
function leastOf(hosts: readonly Host[], random: Random): Host | undefined {
  let best: Host | undefined;
  let equals = 0;
  for (const host of hosts) {
    if (!best || host.stats.rq_active < best.stats.rq_active) {
      best = host;
      equals = 1;
    } else if (host.stats.rq_active === best.stats.rq_active && random() * ++equals < 1) best = host;
  }
  return best;
}
