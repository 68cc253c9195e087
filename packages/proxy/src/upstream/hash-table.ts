// Consistent hashing: the two tables of Envoy, place by place. A key keeps its host while hosts come and go, except for the share that
// must move. A table is built at the first pick, since most clusters are never asked.

import type { LbPolicy } from '../runtime/model.ts';
import { hashMurmur2, hashText } from './hash.ts';
import type { Host } from './host.ts';

/** The weights of a list sum up to 1 (less what empty localities leave over); arithmetic as Envoy's, since rounding decides places. */
export type WeightedHost = { readonly host: Host; readonly weight: number };
export type HashPolicyLb = Extract<LbPolicy, { kind: 'ring_hash' | 'maglev' }>;

/** The host of a hash; `attempt` > 0 asks for another place. */
export type HashLookup = (hash: bigint, attempt: number) => Host | undefined;

/** What was built: places altogether, and of the hosts with the fewest and the most. */
export type TableSize = { readonly size: number; readonly least: number; readonly most: number };

/** A lookup over `hosts` that is built when it is first asked. */
export function createHashLookup(
  lb: HashPolicyLb,
  hosts: readonly WeightedHost[],
  onBuilt: (size: TableSize) => void = () => {},
): HashLookup {
  let built: HashLookup | undefined;
  return (hash, attempt) => {
    built ??=
      hosts.length === 0 ? () => undefined : lb.kind === 'ring_hash' ? ringLookup(lb, hosts, onBuilt) : maglevLookup(lb, hosts, onBuilt);
    return built(hash, attempt);
  };
}

/** `share` of the weight altogether, spread over the hosts. */
export function shareAmong(hosts: readonly Host[], share = 1): WeightedHost[] {
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  return hosts.map((host) => ({ host, weight: (host.weight * share) / total }));
}

function keyOf(host: Host, useHostname: boolean): string {
  const own = host.endpoint.metadata.get('envoy.lb')?.hash_key;
  if (typeof own === 'string' && own !== '') return own;
  return useHostname && host.endpoint.hostname !== '' ? host.endpoint.hostname : host.address;
}

function ringLookup(
  lb: Extract<HashPolicyLb, { kind: 'ring_hash' }>,
  hosts: readonly WeightedHost[],
  onBuilt: (size: TableSize) => void,
): HashLookup {
  const smallest = hosts.reduce((least, { weight }) => Math.min(least, weight), 1);
  // So many points that the smallest host has a whole number of them, within the limits.
  const scale = Math.min(Math.ceil(smallest * lb.minRingSize) / smallest, lb.maxRingSize);
  const hashOf = lb.usesMurmur ? hashMurmur2 : hashText;
  const points: { hash: bigint; host: Host }[] = [];
  let target = 0;
  let least = Math.ceil(scale);
  let most = 0;
  for (const { host, weight } of hosts) {
    target += scale * weight;
    const key = keyOf(host, lb.useHostnameForHashing);
    let count = 0;
    for (; points.length < target; count++) points.push({ hash: hashOf(`${key}_${count}`), host });
    least = Math.min(least, count);
    most = Math.max(most, count);
  }
  onBuilt({ size: points.length, least, most });
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
    return points[((low % points.length) + attempt) % points.length]?.host;
  };
}

function maglevLookup(
  lb: Extract<HashPolicyLb, { kind: 'maglev' }>,
  hosts: readonly WeightedHost[],
  onBuilt: (size: TableSize) => void,
): HashLookup {
  const size = lb.tableSize;
  const wide = BigInt(size);
  const heaviest = hosts.reduce((most, { weight }) => Math.max(most, weight), 0);
  // In the order of their keys' bytes: whoever comes first takes the place that several want.
  const entries = hosts
    .map(({ host, weight }) => ({ host, weight, key: Buffer.from(keyOf(host, lb.useHostnameForHashing)) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ host, weight, key }) => ({
      host,
      weight,
      offset: Number(hashText(key) % wide),
      skip: Number(hashText(key, 1n) % (wide - 1n)) + 1,
      next: 0,
      due: 0,
      count: 0,
    }));
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
      entry.count++;
      if (++filled === size) break;
    }
  }
  const counts = entries.map(({ count }) => count);
  onBuilt({ size, least: Math.min(...counts), most: Math.max(...counts) });
  return (hash, attempt) =>
    entries[table[Number((attempt === 0 ? hash : BigInt.asUintN(64, hash ^ BigInt(-attempt))) % wide)] as number]?.host;
}
