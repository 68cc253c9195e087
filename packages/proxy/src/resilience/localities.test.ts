// Plan I6: localities by weight, their failover and return; zone-aware routing beside them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from '../upstream/host.ts';
import { type Balanced, balanced, type Place } from './balanced.ts';

const zoneOf = (host: Host) => host.locality?.zone ?? '';

function zone(name: string, options: { weight?: number | undefined; priority?: number; healthy?: number; sick?: number }): Place {
  const { priority = 0, healthy = 10, sick = 0 } = options;
  const weight = 'weight' in options ? options.weight : 1;
  const number = name.charCodeAt(0);
  return {
    zone: name,
    region: 'r',
    weight,
    priority,
    endpoints: Array.from({ length: healthy + sick }, (_, i) => ({
      address: `10.${number}.${priority}.${i}`,
      health: i < healthy ? 'HEALTHY' : 'UNHEALTHY',
    })),
  };
}

function assertShares(counts: ReadonlyMap<string, number>, shares: Readonly<Record<string, number>>): void {
  for (const [name, share] of Object.entries(shares)) {
    const percent = (counts.get(name) ?? 0) / 100;
    assert.ok(Math.abs(percent - share) <= 3, `${name}: ${percent} %, not ${share} %`);
  }
  assert.equal([...counts.keys()].filter((name) => !(name in shares)).length, 0, `others: ${[...counts.keys()]}`);
}

type Row = { name: string; places: readonly Place[]; shares: Record<string, number> };

const ROWS: readonly Row[] = [
  { name: 'weights split the traffic', places: [zone('a', { weight: 1 }), zone('b', { weight: 2 })], shares: { a: 33.3, b: 66.7 } },
  {
    name: 'a locality keeps its share while the overprovisioning carries it',
    places: [zone('a', { healthy: 8, sick: 2 }), zone('b', {})],
    shares: { a: 50, b: 50 },
  },
  {
    name: 'a half-sick locality gets less: 70 to 100',
    places: [zone('a', { healthy: 5, sick: 5 }), zone('b', {})],
    shares: { a: 41.2, b: 58.8 },
  },
  {
    name: 'a lost locality gets nothing',
    places: [zone('a', { healthy: 0, sick: 10 }), zone('b', {}), zone('c', {})],
    shares: { b: 50, c: 50 },
  },
  { name: 'a locality without a weight gets nothing', places: [zone('a', { weight: undefined }), zone('b', {})], shares: { b: 100 } },
  {
    name: 'a region that is lost is replaced by the next priority',
    places: [zone('a', { healthy: 0, sick: 10 }), zone('f', { priority: 1 })],
    shares: { f: 100 },
  },
];

for (const { name, places, shares } of ROWS) {
  test(`I6: ${name}`, () => {
    const { split, close } = balanced({
      fields: { lb_policy: 'ROUND_ROBIN', common_lb_config: { locality_weighted_lb_config: {}, healthy_panic_threshold: { value: 0 } } },
      places,
    });
    assertShares(split(zoneOf), shares);
    close();
  });
}

const failover = {
  lb_policy: 'LEAST_REQUEST',
  common_lb_config: { locality_weighted_lb_config: {}, healthy_panic_threshold: { value: 0 } },
  outlier_detection: {
    consecutive_5xx: 1,
    interval: '1s',
    base_ejection_time: '2s',
    max_ejection_percent: 100,
    enforcing_success_rate: 0,
  },
};

/** Every request to zone `sick` fails; a retry goes elsewhere, as a retry policy with previous_hosts does. */
function serve({ cluster }: Balanced, sick: string): { zone: string; failed: boolean } {
  const tried = new Set<Host>();
  for (let attempt = 0; attempt < 3; attempt++) {
    const host = cluster.pick(undefined, { avoid: tried, attempts: 5 });
    if (!host) return { zone: '', failed: true };
    tried.add(host);
    const failed = zoneOf(host) === sick;
    cluster.reportResult(host, failed ? 503 : 200);
    if (!failed) return { zone: zoneOf(host), failed };
  }
  return { zone: sick, failed: true };
}

test('I6: a region that starts to fail is left within two intervals without an error to a client', () => {
  const stage = balanced({ fields: failover, places: [zone('a', { healthy: 2 }), zone('f', { priority: 1, healthy: 2 })] });
  for (let i = 0; i < 20; i++) assert.deepEqual(serve(stage, ''), { zone: 'a', failed: false });
  let errors = 0;
  for (let i = 0; i < 40; i++) {
    if (serve(stage, 'a').failed) errors++;
    stage.clock.advance(50);
  }
  assert.equal(errors, 0);
  assert.equal(serve(stage, 'a').zone, 'f');
  stage.close();
});

test('I6: and is used again within two intervals after it has recovered', () => {
  const stage = balanced({ fields: failover, places: [zone('a', { healthy: 2 }), zone('f', { priority: 1, healthy: 2 })] });
  for (let i = 0; i < 10; i++) serve(stage, 'a');
  assert.equal(serve(stage, '').zone, 'f');
  // Two seconds of ejection, then at most one sweep.
  stage.clock.advance(3000);
  for (let i = 0; i < 20; i++) assert.deepEqual(serve(stage, ''), { zone: 'a', failed: false });
  stage.close();
});

const peers = (counts: Readonly<Record<string, number>>) => ({
  name: 'peers',
  type: 'STATIC',
  load_assignment: {
    cluster_name: 'peers',
    endpoints: Object.entries(counts).map(([name, count]) => ({
      locality: { region: 'r', zone: name },
      lb_endpoints: Array.from({ length: count }, (_, i) => ({
        endpoint: { address: { socket_address: { address: `10.200.${name.charCodeAt(0)}.${i}`, port_value: 80 } } },
      })),
    })),
  },
});

const zoneAware = (upstream: Readonly<Record<string, number>>, proxies: Readonly<Record<string, number>>, config: object | undefined) =>
  balanced({
    fields: {
      lb_policy: 'ROUND_ROBIN',
      ...(config && { common_lb_config: { zone_aware_lb_config: { min_cluster_size: '2', ...config } } }),
    },
    places: Object.entries(upstream).map(([name, healthy]) => zone(name, { healthy })),
    local: { locality: { region: 'r', zone: 'a', subZone: '' }, clusterName: 'peers' },
    others: [peers(proxies)],
  });

test('zone-aware: a zone with its fair share of hosts keeps all its requests', () => {
  const { split, cluster, close } = zoneAware({ a: 5, b: 5 }, { a: 3, b: 3 }, {});
  assertShares(split(zoneOf), { a: 100 });
  assert.equal(cluster.stats.lb_zone_routing_all_directly, 10_000);
  close();
});

test('zone-aware: a zone with too few hosts sends away what they cannot take, to zones with capacity left', () => {
  // 20 % of the hosts for 50 % of the requests: 40 % stay.
  const { split, close } = zoneAware({ a: 2, b: 5, c: 3 }, { a: 5, b: 5 }, {});
  assertShares(split(zoneOf), { a: 40, c: 60 });
  close();
});

test('zone-aware: without a host in the own zone, the others take what they can beyond their own proxies', () => {
  // Zone b has 60 % of the hosts and 40 % of the proxies: 20 to spare; zone c 40 % and none.
  const { split, close } = zoneAware({ b: 6, c: 4 }, { a: 3, b: 2 }, {});
  assertShares(split(zoneOf), { b: 33.3, c: 66.7 });
  close();
});

test('zone-aware: it needs no configuration beyond the name of the own cluster', () => {
  const { split, close } = zoneAware({ a: 5, b: 5 }, { a: 3, b: 3 }, undefined);
  assertShares(split(zoneOf), { a: 100 });
  close();
});

test('zone-aware: a proxy that its own cluster does not name is balanced over all zones', () => {
  const { split, cluster, close } = zoneAware({ a: 5, b: 5 }, { b: 3, c: 3 }, { fail_traffic_on_panic: true });
  assertShares(split(zoneOf), { a: 50, b: 50 });
  assert.equal(cluster.stats.lb_local_cluster_not_ok, 1);
  close();
});

test('localities of one name are one, with the last weight', () => {
  const { split, close } = balanced({
    fields: { lb_policy: 'ROUND_ROBIN', common_lb_config: { locality_weighted_lb_config: {} } },
    places: [
      zone('a', { weight: 1, healthy: 2 }),
      { ...zone('a', { weight: 3, healthy: 2 }), region: 'r' },
      zone('b', { weight: 1, healthy: 2 }),
    ],
  });
  assertShares(split(zoneOf), { a: 75, b: 25 });
  close();
});

test('zone-aware: small clusters, and a share of the requests, are balanced over all zones', () => {
  const small = zoneAware({ a: 1, b: 1 }, { a: 1, b: 1 }, { min_cluster_size: '6' });
  assertShares(small.split(zoneOf), { a: 50, b: 50 });
  assert.equal(small.cluster.stats.lb_zone_cluster_too_small, 1);
  small.close();
  const part = zoneAware({ a: 5, b: 5 }, { a: 3, b: 3 }, { routing_enabled: { value: 50 } });
  assertShares(part.split(zoneOf), { a: 75, b: 25 });
  part.close();
});
