import assert from 'node:assert/strict';
import test from 'node:test';
import type { EndpointRuntime } from '../runtime/model.ts';
import { hashText } from './hash.ts';
import { createHashLookup, type HashPolicyLb, shareAmong } from './hash-table.ts';
import { Host } from './host.ts';
import { createTwister } from './load-bound.ts';
import { createPicker } from './picker.ts';

const POLICIES: readonly HashPolicyLb[] = [
  { kind: 'ring_hash', usesMurmur: false, minRingSize: 1024, maxRingSize: 8192, useHostnameForHashing: false, hashBalanceFactorPercent: 0 },
  { kind: 'maglev', tableSize: 1009, useHostnameForHashing: false, hashBalanceFactorPercent: 0 },
];

const endpoint = (weight: number, hostname = ''): EndpointRuntime => ({
  host: '10.0.0.1',
  port: 80,
  hostname,
  weight,
  health: 'healthy',
  metadata: new Map(),
  istioWorkload: undefined,
});
const host = (i: number, weight = 1, hostname = ''): Host => new Host(`10.0.0.${i}:80`, `10.0.0.${i}`, 80, endpoint(weight, hostname));
const KEYS = Array.from({ length: 4000 }, (_, i) => hashText(`user-${i}`));

test('hashes are those of xxHash64', () => {
  assert.equal(hashText(''), 0xef46db3751d8e999n);
  assert.equal(hashText('a'), 0xd24ec4f1a98c6e5bn);
  assert.equal(hashText('abc'), 0x44bc2cf5ad770999n);
  assert.equal(hashText('Nobody inspects the spammish repetition'), 0xfbcea83c8a378bf1n);
});

for (const policy of POLICIES) {
  test(`${policy.kind}: a key has one host, in every proxy`, () => {
    const hosts = [1, 2, 3, 4, 5].map((i) => host(i));
    const here = createHashLookup(policy, shareAmong(hosts));
    const there = createHashLookup(policy, shareAmong(hosts));
    for (const key of KEYS) assert.equal(here(key, 0), there(key, 0));
  });

  test(`${policy.kind}: when a host leaves, most keys of the others stay`, () => {
    const hosts = [1, 2, 3, 4, 5].map((i) => host(i));
    const before = createHashLookup(policy, shareAmong(hosts));
    const after = createHashLookup(policy, shareAmong(hosts.slice(0, 4)));
    const moved = KEYS.filter((key) => before(key, 0) !== hosts[4] && before(key, 0) !== after(key, 0)).length;
    // The others' points grow in number, so a ring moves a few more keys than had to.
    assert.ok(moved < KEYS.length * 0.2, `${moved} of ${KEYS.length}`);
  });

  test(`${policy.kind}: shares follow the weights`, () => {
    const hosts = [host(1, 1), host(2, 3)];
    const lookup = createHashLookup(policy, shareAmong(hosts));
    const share = KEYS.filter((key) => lookup(key, 0) === hosts[1]).length / KEYS.length;
    assert.ok(Math.abs(share - 0.75) < 0.06, `${share}`);
  });

  test(`${policy.kind}: another attempt finds another host for most keys`, () => {
    const hosts = [1, 2, 3].map((i) => host(i));
    const lookup = createHashLookup(policy, shareAmong(hosts));
    const others = KEYS.filter((key) => lookup(key, 0) !== lookup(key, 1)).length;
    assert.ok(others > KEYS.length / 3, `${others}`);
  });

  test(`${policy.kind}: names can stand for addresses`, () => {
    const byName = { ...policy, useHostnameForHashing: true };
    const before = createHashLookup(byName, shareAmong([host(1, 1, 'a'), host(2, 1, 'b'), host(3, 1, 'c')]));
    const moved = createHashLookup(byName, shareAmong([host(7, 1, 'a'), host(8, 1, 'b'), host(9, 1, 'c')]));
    for (const key of KEYS) assert.equal(before(key, 0)?.endpoint.hostname, moved(key, 0)?.endpoint.hostname);
  });

  test(`${policy.kind}: a request without a hash goes anywhere`, () => {
    const hosts = [1, 2, 3].map((i) => host(i));
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const picker = createPicker(policy, hosts, { random, monotonicMs: () => 0 });
    const seen = new Set(Array.from({ length: 100 }, () => picker.pick()));
    assert.deepEqual(seen, new Set(hosts));
  });
}

test('slow start: a new host gets a growing share, then its own', () => {
  let now = 0;
  const old = new Host('10.0.0.1:80', '10.0.0.1', 80, endpoint(1), -100_000);
  const fresh = new Host('10.0.0.2:80', '10.0.0.2', 80, endpoint(1), 0);
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const slowStart = { windowMs: 10_000, minWeightPercent: 10, aggression: 1 };
  const picker = createPicker({ kind: 'round_robin', slowStart }, [old, fresh], { random, monotonicMs: () => now });
  const shareAt = (ms: number) => {
    now = ms;
    return Array.from({ length: 6000 }, () => picker.pick()).filter((picked) => picked === fresh).length / 6000;
  };
  // Weights 0.1, 0.5 and 1 beside the other's 1.
  assert.ok(Math.abs(shareAt(0) - 0.1 / 1.1) < 0.03);
  assert.ok(Math.abs(shareAt(5000) - 0.5 / 1.5) < 0.03);
  assert.ok(Math.abs(shareAt(10_000) - 0.5) < 0.01);
});

// Recorded from Envoy 1.40: the host of "user-0", "user-1" ... among five with hash_key d, b, e, a, c and (but for murmur) weights 2, 1, 3, 1, 1.
const PLACES: readonly { name: string; policy: HashPolicyLb; weights: readonly number[]; expected: string }[] = [
  {
    name: 'maglev',
    policy: { kind: 'maglev', tableSize: 31, useHostnameForHashing: false, hashBalanceFactorPercent: 0 },
    weights: [2, 1, 3, 1, 1],
    expected: '220222200402012022002122022234244322224202214022242002214222',
  },
  {
    name: 'ring',
    policy: {
      kind: 'ring_hash',
      usesMurmur: false,
      minRingSize: 20,
      maxRingSize: 8192,
      useHostnameForHashing: false,
      hashBalanceFactorPercent: 0,
    },
    weights: [2, 1, 3, 1, 1],
    expected: '000330224004424400200240302221012220402002444222022420202201',
  },
  {
    name: 'ring with MurmurHash2',
    policy: {
      kind: 'ring_hash',
      usesMurmur: true,
      minRingSize: 20,
      maxRingSize: 8192,
      useHostnameForHashing: false,
      hashBalanceFactorPercent: 0,
    },
    weights: [1, 1, 1, 1, 1],
    expected: '303433231301321332433243333003313303334302313232323203332333',
  },
];

for (const { name, policy, weights, expected } of PLACES) {
  test(`${name}: every key has the host that Envoy gives it`, () => {
    const hosts = weights.map((weight, i) => {
      const metadata = new Map([['envoy.lb', { hash_key: `key-${'dbeac'[i]}` }]]);
      return new Host(`10.0.0.${i}:80`, `10.0.0.${i}`, 80, { ...endpoint(weight), metadata });
    });
    const lookup = createHashLookup(policy, shareAmong(hosts));
    const picked = Array.from(expected, (_, i) => hosts.indexOf(lookup(hashText(`user-${i}`), 0) as Host)).join('');
    assert.equal(picked, expected);
  });
}

test('bounded loads: the order of stand-ins is that of the Mersenne twister', () => {
  const next = createTwister(5489);
  assert.equal(next(), 3_499_211_612);
  for (let i = 2; i < 10_000; i++) next();
  assert.equal(next(), 4_123_659_995);
});
