// Load balancing policies over a fixed list of hosts. A picker is made anew whenever the list changes; it keeps no reference
// to anything but the hosts.

import type { LbPolicy } from '../runtime/model.ts';
import type { Host } from './host.ts';

export type Picker = {
  /** A host of the list; undefined only when it is empty. */
  pick(): Host | undefined;
};

type Random = () => number;

/** Picks by `policy`. Hash policies need a key and are not served: random stands in only where the caller allows it. */
export function createPicker(policy: LbPolicy, hosts: readonly Host[], random: Random): Picker {
  if (hosts.length <= 1) return { pick: () => hosts[0] };
  switch (policy.kind) {
    case 'round_robin':
      return roundRobin(hosts, random);
    case 'least_request':
      return leastRequest(hosts, random, policy.choiceCount, policy.activeRequestBias);
    default:
      return weightedRandom(hosts, random);
  }
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
