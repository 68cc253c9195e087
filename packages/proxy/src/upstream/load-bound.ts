// Consistent hashing with bounded loads: a host that already carries its share of the active requests is passed over, in an order that
// depends on the request's hash alone. The order is Envoy's, which takes it from the Mersenne twister.

import type { WeightedHost } from './hash-table.ts';
import type { Host } from './host.ts';

/** `factorPercent` of its fair share is what a host may carry. The result gives `host`, or who stands in for it. */
export function createLoadBound(
  hosts: readonly WeightedHost[],
  factorPercent: number,
  activeRequests: () => number,
): (host: Host, hash: bigint) => Host {
  const weights = new Map(hosts.map(({ host, weight }) => [host, weight]));
  const loadOf = (host: Host) => {
    const slots = Math.floor(((activeRequests() + 1) * factorPercent + 99) / 100);
    return host.stats.rq_active / Math.max(1, Math.ceil(slots * (weights.get(host) ?? 0)));
  };
  return (host, hash) => {
    let least = loadOf(host);
    if (least <= 1) return host;
    let best = host;
    const order = hosts.map(({ host: one }) => one);
    const next = createTwister(Number(hash & 0xffff_ffffn));
    for (let i = 0; i < order.length; i++) {
      const at = i + below(next, order.length - i);
      const other = order[at] as Host;
      order[at] = order[i] as Host;
      order[i] = other;
      if (other === host) continue;
      const load = loadOf(other);
      if (load <= 1) return other;
      if (load < least) {
        best = other;
        least = load;
      }
    }
    return best;
  };
}

function below(next: () => number, limit: number): number {
  const width = Math.floor(2 ** 32 / limit);
  for (;;) {
    const value = Math.floor(next() / width);
    if (value < limit) return value;
  }
}

const WORDS = 624;
const MIDDLE = 397;

/** MT19937 (Matsumoto, Nishimura 1998): words of 32 bits. */
export function createTwister(seed: number): () => number {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let i = 1; i < WORDS; i++) {
    const before = state[i - 1] as number;
    state[i] = Math.imul(before ^ (before >>> 30), 1_812_433_253) + i;
  }
  let at = WORDS;
  const refill = () => {
    for (let i = 0; i < WORDS; i++) {
      const joined = ((state[i] as number) & 0x8000_0000) | ((state[(i + 1) % WORDS] as number) & 0x7fff_ffff);
      state[i] = (state[(i + MIDDLE) % WORDS] as number) ^ (joined >>> 1) ^ (joined & 1 ? 0x9908_b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === WORDS) refill();
    let word = state[at++] as number;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    return (word ^ (word >>> 18)) >>> 0;
  };
}
