// Consistent hashing: the two tables of Envoy. A key keeps its host while hosts come and go, except for the share that must move.
// Weights are relative; a table is built at the first pick, since most clusters are never asked.

import type { LbPolicy } from '../runtime/model.ts';
import { hashText } from './hash.ts';
import type { Host } from './host.ts';

export type WeightedHost = { readonly host: Host; readonly weight: number };
export type HashPolicyLb = Extract<LbPolicy, { kind: 'ring_hash' | 'maglev' }>;

/** The host of a hash; `attempt` > 0 asks for another place. */
export type HashLookup = (hash: bigint, attempt: number) => Host | undefined;

/** A lookup over `hosts` that is built when it is first asked. */
export function createHashLookup(lb: HashPolicyLb, hosts: readonly WeightedHost[]): HashLookup {
  let built: HashLookup | undefined;
  return (hash, attempt) => {
    built ??= lb.kind === 'ring_hash' ? ringLookup(lb, hosts) : maglevLookup(lb, hosts);
    return built(hash, attempt);
  };
}

function keyOf(host: Host, useHostname: boolean): string {
  const own = host.endpoint.metadata.get('envoy.lb')?.hash_key;
  if (typeof own === 'string' && own !== '') return own;
  return useHostname && host.endpoint.hostname !== '' ? host.endpoint.hostname : host.address;
}

function ringLookup(lb: Extract<HashPolicyLb, { kind: 'ring_hash' }>, hosts: readonly WeightedHost[]): HashLookup {
  const total = hosts.reduce((sum, { weight }) => sum + weight, 0);
  const smallest = Math.min(...hosts.map(({ weight }) => weight)) / total;
  // So many points that the smallest host has a whole number of them, within the limits.
  const scale = Math.min(Math.ceil(smallest * lb.minRingSize) / smallest, lb.maxRingSize);
  const points: { hash: bigint; host: Host }[] = [];
  let target = 0;
  for (const { host, weight } of hosts) {
    target += (weight / total) * scale;
    const key = keyOf(host, lb.useHostnameForHashing);
    // At least one point each would break the proportions that the configuration asked for with its maximum.
    for (let i = 0; points.length < target - 1e-6; i++) points.push({ hash: hashText(`${key}_${i}`), host });
  }
  points.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
  const hashes = BigUint64Array.from(points, (point) => point.hash);
  return (hash, attempt) => {
    let low = 0;
    let high = hashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((hashes[middle] as bigint) < hash) low = middle + 1;
      else high = middle;
    }
    return points[(low + attempt) % points.length]?.host;
  };
}

function maglevLookup(lb: Extract<HashPolicyLb, { kind: 'maglev' }>, hosts: readonly WeightedHost[]): HashLookup {
  const size = lb.tableSize;
  const wide = BigInt(size);
  const heaviest = Math.max(...hosts.map(({ weight }) => weight));
  const entries = hosts.map(({ host, weight }) => {
    const key = keyOf(host, lb.useHostnameForHashing);
    return { weight, offset: Number(hashText(key) % wide), skip: Number(hashText(key, 1n) % (wide - 1n)) + 1, next: 0, due: 0 };
  });
  const table = new Int32Array(size).fill(-1);
  let filled = 0;
  // Everyone in turn takes the next free place of its own permutation; lighter hosts miss turns.
  for (let turn = 1; filled < size; turn++) {
    for (const [i, entry] of entries.entries()) {
      if (turn * entry.weight < entry.due) continue;
      entry.due += heaviest;
      let place: number;
      do place = (entry.offset + entry.skip * entry.next++) % size;
      while (table[place] !== -1);
      table[place] = i;
      if (++filled === size) break;
    }
  }
  return (hash, attempt) =>
    hosts[table[Number((attempt === 0 ? hash : BigInt.asUintN(64, hash ^ BigInt(-attempt))) % wide)] as number]?.host;
}
