import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { startClusters } from '../testing/clusters.ts';
import { assignment, cluster } from '../testing/runtime.ts';
import { startRawServer } from '../testing/wire.ts';

const settle = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

type Answer = readonly string[] | 'NXDOMAIN' | 'hang';

function setup(t: TestContext, names: Record<string, Answer> = {}) {
  const { clock, registry, apply } = startClusters(t, async (name) => {
    const answer = names[name] ?? 'NXDOMAIN';
    if (answer === 'hang') return new Promise(() => {});
    if (typeof answer === 'string') throw new Error(answer);
    return { addresses: answer, ttlMs: 0 };
  });
  const hosts = () =>
    registry
      .get('c')
      ?.listHosts()
      .map(({ address }) => address);
  return { clock, names, registry, apply, hosts };
}

const named = (name: string, fields: JsonObject = {}): JsonObject =>
  cluster('c', [], {
    type: 'STRICT_DNS',
    dns_lookup_family: 'V4_ONLY',
    load_assignment: {
      cluster_name: 'c',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: name, port_value: 80 } } } }] }],
    },
    ...fields,
  });

const TCP_CHECK = { timeout: '1s', interval: '10s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} };
const eds = (serviceName: string, fields: JsonObject = {}): JsonObject => ({
  name: 'c',
  type: 'EDS',
  eds_cluster_config: { service_name: serviceName, eds_config: { ads: {} } },
  health_checks: [TCP_CHECK],
  ignore_health_on_host_removal: true,
  ...fields,
});

test('other names serve once they were resolved, whatever came of it; the names before serve till then', async (t) => {
  const { apply, hosts, registry } = setup(t, { 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.2'] });
  apply([named('a.test')]);
  assert.equal(hosts(), undefined);
  await registry.warmed();
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
  apply([named('b.test')]);
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
  await registry.warmed();
  assert.deepEqual(hosts(), ['10.0.0.2:80']);
  apply([named('gone.test')]);
  await registry.warmed();
  assert.deepEqual(hosts(), []);
});

test('the last good addresses stay when only the way of asking changes', async (t) => {
  const { apply, hosts, names, registry } = setup(t, { 'a.test': ['10.0.0.1'] });
  apply([named('a.test')]);
  await registry.warmed();
  names['a.test'] = 'NXDOMAIN';
  apply([named('a.test', { dns_refresh_rate: '7s' })]);
  await registry.warmed();
  assert.deepEqual(hosts(), ['10.0.0.1:80']);
});

test('a resolver that hangs holds a cluster up for its time, and not at all with wait_for_warm_on_init false', async (t) => {
  const { apply, hosts, registry, clock } = setup(t, { 'a.test': 'hang', 'b.test': 'hang' });
  apply([named('a.test')]);
  await settle();
  assert.deepEqual([registry.warming().length, registry.warming()[0]?.stats.warming_state], [1, 1]);
  clock.advance(20_000);
  await registry.warmed();
  assert.deepEqual(hosts(), []);
  apply([named('b.test', { wait_for_warm_on_init: false, alt_stat_name: 'now' })]);
  assert.deepEqual([registry.get('c')?.runtime.statName, registry.warming().length], ['now', 0]);
});

test('hosts under another name of endpoints are asked before they replace those that serve; one that leaves is not waited for', async (t) => {
  const silent: string[] = [];
  const [up, other] = [await startRawServer(() => {}), await startRawServer((_socket, text) => void silent.push(text))];
  t.after(() => Promise.all([up.close(), other.close()]));
  const { apply, hosts, registry, clock } = setup(t);
  const a = assignment('a', [up.port]);
  apply([eds('a')], [a]);
  await registry.warmed();
  const before = registry.get('c')!;
  assert.deepEqual([before.stats.membership_healthy, before.stats.healthCheck.attempt], [1, 1]);
  // A question that is never answered.
  const asks = { health_checks: [{ ...TCP_CHECK, tcp_health_check: { send: { text: '00' }, receive: [{ text: '01' }] } }] };
  apply([eds('b', asks)], [a, assignment('b', [other.port, up.port])]);
  await eventually(() => silent.length > 0);
  assert.deepEqual(hosts(), [`127.0.0.1:${up.port}`]);
  apply([eds('b', asks)], [assignment('b', [other.port])]);
  assert.equal(registry.get('c'), before, 'one host still owes its answer');
  apply([eds('b', asks)], [assignment('b', [])]);
  assert.notEqual(registry.get('c'), before);
  assert.deepEqual([hosts(), registry.get('c')?.stats.membership_total], [[], 0]);
  apply([eds('b', { ...asks, alt_stat_name: 'x' })], [assignment('b', [other.port])]);
  clock.advance(1000);
  await registry.warmed();
  assert.equal(registry.get('c')?.listHosts()[0]?.health, 'unhealthy');
});

test('a change that hosts need not be asked about is made in place, also while the cluster warms', async (t) => {
  const up = await startRawServer(() => {});
  t.after(() => up.close());
  const { apply, registry } = setup(t);
  const first = assignment('a', [up.port]);
  apply([eds('a')], [first]);
  const [warming] = registry.warming();
  apply([eds('a', { lb_policy: 'LEAST_REQUEST' })], [first]);
  assert.equal(registry.warming()[0], warming);
  await registry.warmed();
  assert.equal(registry.get('c'), warming);
  apply([eds('a', { lb_policy: 'RANDOM' })], [first]);
  assert.deepEqual([registry.get('c'), registry.warming().length], [warming, 0]);
  assert.equal(warming?.stats.healthCheck.attempt, 1);
});

test('who was ejected from the cluster before is not counted against its successor', async (t) => {
  const { apply, registry } = setup(t);
  const outlier_detection = { consecutive_5xx: 1, max_ejection_percent: 100 };
  apply([cluster('c', [1, 2], { outlier_detection })]);
  const before = registry.get('c')!;
  before.reportResult(before.listHosts()[0]!, 503);
  assert.equal(before.stats.outlier.ejections_active, 1);
  apply([{ ...eds('a', { outlier_detection, health_checks: [] }) }], [assignment('a', [3])]);
  assert.notEqual(registry.get('c'), before);
  assert.deepEqual([before.stats.outlier.ejections_active, registry.get('c')?.stats.membership_total], [0, 1]);
});
