// Load balancing policies over a fixed list of hosts. A picker is made anew whenever the list changes; it keeps no reference
// to anything but the hosts.

import type { LbPolicy, SlowStart } from '../runtime/model.ts';
import { createHashLookup, type WeightedHost } from './hash-table.ts';
import type { Host } from './host.ts';

export type PickOptions = {
  /** Of the request; only consistent hashing looks at it, and picks at random without. */
  readonly hash?: number | undefined;
  /** How many picks for the same request came before. */
  readonly attempt?: number;
};

export type Picker = {
  /** A host of the list; undefined only when it is empty. */
  pick(options?: PickOptions): Host | undefined;
};

export type PickerServices = {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly monotonicMs: () => number;
};
type Random = () => number;

/** Picks by `policy`, hosts in proportion to their weights. */
export function createPicker(policy: LbPolicy, hosts: readonly Host[], services: PickerServices): Picker {
  if (hosts.length <= 1) return { pick: () => hosts[0] };
  const { random } = services;
  switch (policy.kind) {
    case 'round_robin':
      return slowStarting(policy.slowStart, hosts, services, roundRobin(hosts, random));
    case 'least_request':
      return slowStarting(policy.slowStart, hosts, services, leastRequest(hosts, random, policy.choiceCount, policy.activeRequestBias));
    case 'ring_hash':
    case 'maglev':
      return createHashPicker(
        policy,
        hosts.map((host) => ({ host, weight: host.weight })),
        random,
      );
    default:
      return weightedRandom(hosts, random);
  }
}

/** Picks by consistent hashing; the weights may differ from the hosts' own. */
export function createHashPicker(policy: Parameters<typeof createHashLookup>[0], hosts: readonly WeightedHost[], random: Random): Picker {
  const lookup = createHashLookup(policy, hosts);
  return {
    pick: ({ hash, attempt = 0 } = {}) => (hosts.length === 0 ? undefined : lookup(hash ?? Math.floor(random() * 2 ** 32), attempt)),
  };
}

const sameWeights = (hosts: readonly Host[]): boolean => hosts.every((host) => host.weight === hosts[0]!.weight);

function weightedRandom(hosts: readonly Host[], random: Random): Picker {
  if (sameWeights(hosts)) return { pick: () => hosts[Math.floor(random() * hosts.length)] };
  return { pick: () => byWeight(hosts, random, (host) => host.weight) };
}

function byWeight(hosts: readonly Host[], random: Random, weightOf: (host: Host) => number): Host | undefined {
  let total = 0;
  for (const host of hosts) total += weightOf(host);
  let point = random() * total;
  for (const host of hosts) {
    point -= weightOf(host);
    if (point < 0) return host;
  }
  return hosts[hosts.length - 1];
}

/** While some host is newer than the window, hosts are picked by weights that grow with their age; then by `usual`. */
function slowStarting(slowStart: SlowStart | undefined, hosts: readonly Host[], services: PickerServices, usual: Picker): Picker {
  if (!slowStart || slowStart.windowMs === 0) return usual;
  const { windowMs, aggression, minWeightPercent } = slowStart;
  const { random, monotonicMs } = services;
  const warmAtMs = Math.max(...hosts.map((host) => host.addedMs)) + windowMs;
  return {
    pick() {
      const nowMs = monotonicMs();
      if (nowMs >= warmAtMs) return usual.pick();
      return byWeight(hosts, random, (host) => {
        const age = Math.min(1, Math.max(1, nowMs - host.addedMs) / windowMs);
        return host.weight * Math.max(minWeightPercent / 100, age ** (1 / aggression));
      });
    },
  };
}
function roundRobin(hosts: readonly Host[], random: Random): Picker {
  // Proxies that start together must not all begin with the same host.
  let next = Math.floor(random() * hosts.length);
  if (sameWeights(hosts)) {
    return {
      pick() {
        const host = hosts[next];
        next = (next + 1) % hosts.length;
        return host;
      },
    };
  }
  return smoothWeighted(hosts);
}

/** Smooth weighted round robin: each turn everyone gains its weight, the richest is served and pays the total. */
function smoothWeighted(hosts: readonly Host[]): Picker {
  const credit = new Float64Array(hosts.length);
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  return {
    pick() {
      let best = 0;
      for (let i = 0; i < hosts.length; i++) {
        credit[i] = (credit[i] as number) + hosts[i]!.weight;
        if ((credit[i] as number) > (credit[best] as number)) best = i;
      }
      credit[best] = (credit[best] as number) - total;
      return hosts[best];
    },
  };
}

function leastRequest(hosts: readonly Host[], random: Random, choiceCount: number, bias: number): Picker {
  if (!sameWeights(hosts)) {
    return { pick: () => byWeight(hosts, random, (host) => host.weight / (host.stats.rq_active + 1) ** bias) };
  }
  const choices = Math.max(2, choiceCount);
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
