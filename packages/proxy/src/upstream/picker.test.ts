import assert from 'node:assert/strict';
import test from 'node:test';
import type { EndpointRuntime, LbPolicy } from '../runtime/model.ts';
import { Host } from './host.ts';
import { assignLoad } from './load-assignment.ts';
import { createPicker } from './picker.ts';

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const services = (seed: number) => ({ random: seeded(seed), monotonicMs: () => 0 });

const endpoint = (weight: number, health: EndpointRuntime['health'] = 'healthy'): EndpointRuntime => ({
  host: '10.0.0.1',
  port: 80,
  hostname: '',
  weight,
  health,
  metadata: new Map(),
  istioWorkload: undefined,
});
const hosts = (...weights: number[]): Host[] => weights.map((weight, i) => new Host(`10.0.0.${i}:80`, `10.0.0.${i}`, 80, endpoint(weight)));

const LEAST_REQUEST: Extract<LbPolicy, { kind: 'least_request' }> = {
  kind: 'least_request',
  choiceCount: 2,
  activeRequestBias: 1,
  fullScan: false,
  slowStart: undefined,
};

const POLICIES: readonly LbPolicy[] = [
  { kind: 'round_robin', slowStart: undefined },
  LEAST_REQUEST,
  { kind: 'random' },
  { kind: 'ring_hash', usesMurmur: false, minRingSize: 4096, maxRingSize: 8192, useHostnameForHashing: false, hashBalanceFactorPercent: 0 },
  { kind: 'maglev', tableSize: 65_537, useHostnameForHashing: false, hashBalanceFactorPercent: 0 },
];

for (const policy of POLICIES) {
  test(`${policy.kind}: picks from the list, everyone in proportion to its weight`, () => {
    assert.equal(createPicker(policy, [], services(1)).pick(), undefined);
    const [only] = hosts(1);
    assert.equal(createPicker(policy, [only!], services(1)).pick(), only);
    for (const weights of [
      [1, 1, 1],
      [1, 2, 5],
    ]) {
      const list = hosts(...weights);
      const picker = createPicker(policy, list, services(7));
      const counts = new Map<Host, number>();
      const rounds = 24_000;
      for (let i = 0; i < rounds; i++) {
        const host = picker.pick()!;
        counts.set(host, (counts.get(host) ?? 0) + 1);
      }
      // The random policy has no eye for weights.
      const shares = policy.kind === 'random' ? weights.map(() => 1) : weights;
      const total = shares.reduce((sum, weight) => sum + weight, 0);
      for (const [i, host] of list.entries()) {
        const share = (counts.get(host) ?? 0) / rounds;
        assert.ok(Math.abs(share - shares[i]! / total) < 0.02, `${weights} host ${i}: ${share}`);
      }
    }
  });
}

test('least_request prefers the host with fewer active requests', () => {
  const list = hosts(1, 1);
  list[0]!.stats.rq_active = 10;
  const picker = createPicker(POLICIES[1]!, list, services(3));
  let idle = 0;
  for (let i = 0; i < 1000; i++) if (picker.pick() === list[1]) idle++;
  assert.ok(idle > 700 && idle < 800, `${idle}`);
});

test('with nobody healthy: none without panic, everyone with it', () => {
  const list = hosts(1, 1);
  for (const host of list) host.endpoint = endpoint(1, 'unhealthy');
  const pick = (healthyPanicThresholdPercent: number) =>
    assignLoad(
      { lb: POLICIES[2]!, localityWeighted: false, zoneAware: undefined, healthyPanicThresholdPercent, overprovisioningPercent: 140 },
      [{ priority: 0, weight: 1, hosts: list }],
      services(1),
    ).pick();
  assert.equal(pick(0), undefined);
  assert.ok(list.includes(pick(50)!));
});

test('least_request with a full scan finds the one idle host among many', () => {
  const list = hosts(...Array<number>(50).fill(1));
  for (const host of list) host.stats.rq_active = 3;
  list[37]!.stats.rq_active = 0;
  const picker = createPicker({ ...LEAST_REQUEST, fullScan: true }, list, services(5));
  for (let i = 0; i < 20; i++) assert.equal(picker.pick(), list[37]);
});

test('least_request that looks at every host counts weights, too', () => {
  const list = hosts(1, 9);
  const picker = createPicker({ ...LEAST_REQUEST, fullScan: true }, list, services(5));
  const picked = Array.from({ length: 1000 }, () => picker.pick());
  assert.equal(picked.filter((host) => host === list[1]).length, 900);
});

test('weighted least_request counts weight against what is active', () => {
  const list = hosts(1, 4);
  list[1]!.stats.rq_active = 3;
  const picker = createPicker(LEAST_REQUEST, list, services(5));
  const counts = [0, 0];
  for (let i = 0; i < 1000; i++) counts[list.indexOf(picker.pick()!)]!++;
  assert.ok(Math.abs(counts[0]! - 500) <= 10, String(counts));
});
