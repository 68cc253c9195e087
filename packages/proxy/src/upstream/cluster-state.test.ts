import assert from 'node:assert/strict';
import test from 'node:test';
import { silentLogger } from '@lateen/base';
import { createVirtualClock } from '@lateen/base/testing';
import { createHostTransport } from '../io/host-transport.ts';
import { createTimeouts } from '../io/timer-wheel.ts';
import type { Runtime } from '../runtime/model.ts';
import { any, assignment, cluster, runtimeOf } from '../testing/runtime.ts';
import { createClusterRegistry } from './cluster-registry.ts';
import type { Resolver, UpstreamContext } from './cluster-state.ts';

function contextWith(resolve: Resolver): UpstreamContext & { clock: ReturnType<typeof createVirtualClock> } {
  const clock = createVirtualClock(1000);
  return { transport: createHostTransport(), clock, timeouts: createTimeouts(clock), random: () => 0, resolve, logger: silentLogger };
}

const noNames: Resolver = () => Promise.reject(new Error('no names here'));
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a host that fails in a row is left out, for longer when it fails again at once, and comes back', () => {
  const context = contextWith(noNames);
  const registry = createClusterRegistry(context);
  const outlier = {
    consecutive_5xx: 3,
    interval: '1s',
    base_ejection_time: '10s',
    max_ejection_percent: 50,
    enforcing_consecutive_5xx: 100,
  };
  registry.apply(runtimeOf({ clusters: [cluster('c', [1, 2, 3], { outlier_detection: outlier })] }));
  const state = registry.get('c')!;
  const [sick, other] = state.listHosts();
  const failThrice = () => {
    for (let i = 0; i < 3; i++) state.reportResult(sick!, 503);
  };
  state.reportResult(sick!, 503);
  state.reportResult(sick!, 503);
  state.reportResult(sick!, 200);
  failThrice();
  assert.equal(sick!.isAvailable, false);
  assert.equal(state.stats.outlier.ejections_active, 1);
  assert.equal(state.stats.membership_healthy, 2);
  for (let i = 0; i < 10; i++) assert.notEqual(state.pick(undefined), sick);
  for (let i = 0; i < 3; i++) state.reportResult(other!, 503);
  assert.equal(other!.isAvailable, true, 'half of the hosts at most');
  context.clock.advance(9000);
  assert.equal(sick!.isAvailable, false);
  context.clock.advance(1000);
  assert.equal(sick!.isAvailable, true);
  failThrice();
  context.clock.advance(15_000);
  assert.equal(sick!.isAvailable, false, 'the second ejection is longer');
  context.clock.advance(10_000);
  assert.equal(sick!.isAvailable, true);
  registry.close();
});

test('hosts by name follow the answers; a failed look-up keeps the last good ones', async () => {
  let answer: readonly string[] | undefined = ['10.0.0.2', '10.0.0.1'];
  const context = contextWith(async () => {
    if (!answer) throw new Error('SERVFAIL');
    return { addresses: answer, ttlMs: 0 };
  });
  const registry = createClusterRegistry(context);
  const named = {
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'db.test', port_value: 5432 } } } }] }],
  };
  const dns = {
    type: 'STRICT_DNS',
    dns_lookup_family: 'V4_ONLY',
    dns_refresh_rate: '5s',
    load_assignment: { cluster_name: 'c', ...named },
  };
  registry.apply(runtimeOf({ clusters: [cluster('c', [], dns)] }));
  const addresses = () =>
    registry
      .get('c')!
      .listHosts()
      .map((host) => host.address)
      .sort();
  await settled();
  assert.deepEqual(addresses(), ['10.0.0.1:5432', '10.0.0.2:5432']);
  assert.equal(registry.get('c')!.listHosts()[0]!.endpoint.hostname, 'db.test');
  answer = undefined;
  context.clock.advance(5000);
  await settled();
  assert.equal(addresses().length, 2);
  answer = ['10.0.0.3'];
  context.clock.advance(5000);
  await settled();
  assert.deepEqual(addresses(), ['10.0.0.3:5432']);
  registry.close();
  assert.equal(context.clock.pendingTimers, 0);
});

test('an endpoint that stays keeps its host; only what changed is touched', () => {
  const context = contextWith(noNames);
  const registry = createClusterRegistry(context);
  const eds = { name: 'c', type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } } };
  const first = runtimeOf({ clusters: [eds], endpoints: [assignment('c', [1, 2])] });
  registry.apply(first);
  const [kept] = registry.get('c')!.listHosts();
  const changes = registry.get('c')!.stats.membership_change;
  registry.apply({ ...first });
  assert.equal(registry.get('c')!.stats.membership_change, changes, 'the same endpoints by identity are not applied again');
  const second: Runtime = { ...first, endpoints: runtimeOf({ endpoints: [assignment('c', [1, 3])] }).endpoints };
  registry.apply(second);
  assert.deepEqual(
    registry
      .get('c')!
      .listHosts()
      .map((host) => host.port),
    [1, 3],
  );
  assert.equal(registry.get('c')!.listHosts()[0], kept);
  registry.apply({ ...second, clusters: new Map() });
  assert.equal(registry.get('c'), undefined);
  registry.close();
});

test('with auto_sni each name that requests ask for has a pool of its own, up to a bound', () => {
  const context = contextWith(noNames);
  const registry = createClusterRegistry(context);
  const options = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
      explicit_http_config: { http_protocol_options: {} },
      upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true },
    }),
  };
  registry.apply(runtimeOf({ clusters: [cluster('c', [1], { typed_extension_protocol_options: options })] }));
  const state = registry.get('c')!;
  const [host] = state.listHosts();
  const poolFor = (authority: string) =>
    state.poolOf(host!, { protocol: 'HTTP/1.1', header: (name) => (name === 'host' ? authority : undefined) });
  assert.equal(poolFor('A.test:8443'), poolFor('a.test'));
  assert.notEqual(poolFor('a.test'), poolFor('b.test'));
  assert.equal(poolFor('10.0.0.1:443'), poolFor('[::1]'), 'addresses are no server names');
  for (let i = 0; i < 2000; i++) poolFor(`${i}.test`);
  assert.equal(host!.pools.size, 1000);
  registry.close();
});

test('a cluster with many hosts does no work per host and change of health beyond counting', () => {
  const context = contextWith(noNames);
  const registry = createClusterRegistry(context);
  const ports = Array.from({ length: 5000 }, (_, i) => i + 1);
  const eds = { name: 'c', type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } }, lb_policy: 'RANDOM' };
  const runtime = runtimeOf({ clusters: [eds], endpoints: [assignment('c', ports)] });
  registry.apply(runtime);
  const state = registry.get('c')!;
  const before = process.cpuUsage().user;
  for (let i = 0; i < 1000; i++) state.rebuild();
  const cpuMs = (process.cpuUsage().user - before) / 1000;
  // 5 million visits; strings and lists per host would take a minute.
  assert.ok(cpuMs < 2000, `${cpuMs} ms`);
  assert.ok(state.pick(undefined));
  registry.close();
});

test('connections to a host that failed are drained, those to a set of hosts that changed when the cluster asks for it', () => {
  const context = contextWith(noNames);
  const registry = createClusterRegistry(context);
  const outlier_detection = { consecutive_5xx: 1, max_ejection_percent: 100 };
  const eds = { type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } } };
  const clusters = [
    { name: 'fails', ...eds, outlier_detection },
    { name: 'stays', ...eds },
    { name: 'changes', ...eds, common_lb_config: { close_connections_on_host_set_change: true } },
  ];
  const endpoints = (ports: readonly number[]) => clusters.map(({ name }) => assignment(name, ports));
  registry.apply(runtimeOf({ clusters, endpoints: endpoints([1, 2]) }));
  const poolsAfter = (name: string, happens: (state: NonNullable<ReturnType<typeof registry.get>>) => void) => {
    const state = registry.get(name)!;
    const [host] = state.listHosts();
    state.poolOf(host!, { protocol: 'HTTP/1.1' });
    happens(state);
    return host!.pools.size;
  };
  assert.equal(
    poolsAfter('fails', (state) => state.reportResult(state.listHosts()[0]!, 500)),
    0,
  );
  assert.equal(
    poolsAfter('stays', () => registry.apply(runtimeOf({ clusters, endpoints: endpoints([1, 2, 4]) }))),
    1,
  );
  assert.equal(
    poolsAfter('changes', () => registry.apply(runtimeOf({ clusters, endpoints: endpoints([1, 2, 3]) }))),
    0,
  );
  registry.close();
});
