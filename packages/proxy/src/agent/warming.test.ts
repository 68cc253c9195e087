// Clusters that come by the bootstrap and by CDS, as clients and the admin interface see them.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { silentLogger } from '@lateen/base';
import { eventually, freePort } from '@lateen/base/testing';
import { ClusterSchema } from '@lateen/xds/messages/proxy';
import { TYPE_URLS } from '../ads/live-config.ts';
import { messageRegistry } from '../ads/registry.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { type RunProxyOptions, runProxy } from './run-proxy.ts';

const CHECK = { timeout: '5s', interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: '/healthz' } };
const checkedCluster = (port: number, fields: JsonObject = {}) => cluster('back', [port], { health_checks: [CHECK], ...fields });

type Upstream = { readonly port: number; readonly asked: () => boolean; answer(): void };

/** Answers health checks only when told to. */
async function startUpstream(t: TestContext, name: string): Promise<Upstream> {
  let answer: (() => void) | undefined;
  const server: Server = createServer((request, response) => {
    if (request.url === '/healthz') answer = () => response.end();
    else response.end(name);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked: () => answer !== undefined, answer: () => answer?.() };
}

/** Routes may name clusters that come later. */
const ANY_CLUSTER = {
  route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [routeTo('back')] }], validate_clusters: false },
};

/** Starts, but does not wait for the end of the start. */
async function start(t: TestContext, clusters: readonly JsonObject[], options: Partial<RunProxyOptions> = {}) {
  const [adminPort, frontPort] = [await freePort(), await freePort()];
  const address = (port: number) => ({ address: { socket_address: { address: '127.0.0.1', port_value: port } } });
  const bootstrap = bootstrapOf(
    { listeners: [httpListener('front', [routeTo('back')], ANY_CLUSTER, address(frontPort))], clusters },
    { admin: address(adminPort) },
  );
  const started = runProxy({ bootstrap, logger: silentLogger, appendLog() {}, ...options });
  t.after(async () => (await started).close());
  const read = async (port: number, path = '/') => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  const push = async (clusters: readonly JsonObject[], removed: readonly string[] = []) => {
    const messages = clusters.map((json) => fromJson(ClusterSchema, json, { registry: messageRegistry() }));
    const changed = messages.map((one) => [one.name, { resource: anyPack(ClusterSchema, one), version: '1' }] as const);
    const { source } = await started;
    assert.equal(source.config.update({ typeUrl: TYPE_URLS.cluster, version: '1', changed: new Map(changed), removed }).ok, true);
  };
  const admin = (path: string) => read(adminPort, path);
  const dumped = async (field: string) => {
    const { configs = [] } = JSON.parse(await admin(`/config_dump?resource=${field}`));
    return configs.map((one: { cluster: { load_assignment: { endpoints: { lb_endpoints: { endpoint: { address: unknown } }[] }[] } } }) =>
      JSON.stringify(one.cluster.load_assignment).replace(/^.*"port_value":(\d+).*$/, '$1'),
    );
  };
  return { started, push, admin, dumped, front: () => read(frontPort) };
}

test('listeners of the bootstrap open when each host of its clusters was asked for its health; /ready tells', async (t) => {
  const up = await startUpstream(t, 'up');
  const { started, admin, front } = await start(t, [checkedCluster(up.port)]);
  await eventually(up.asked);
  assert.equal(await admin('/ready'), 'PRE_INITIALIZING\n');
  await assert.rejects(front());
  assert.match(await admin('/clusters'), /^back::127\.0\.0\.1:\d+::health_flags::\/failed_active_hc/m);
  assert.match(await admin('/init_dump'), /cluster back/);
  up.answer();
  await started;
  assert.equal(await admin('/ready'), 'LIVE\n');
  assert.equal(await front(), 'up');
});

test('a host that never answers holds the start up for the time of one check', async (t) => {
  const up = await startUpstream(t, 'up');
  const hasty = checkedCluster(up.port, { health_checks: [{ ...CHECK, timeout: '0.1s' }] });
  const { started, admin, front } = await start(t, [hasty]);
  await started;
  assert.equal(await admin('/ready'), 'LIVE\n');
  assert.equal(await front(), 'up', 'panic: no host is known to be well');
});

test('a changed cluster serves once its hosts were asked; till then the one before does, and the admin interface shows both', async (t) => {
  const [old, fresh] = [await startUpstream(t, 'old'), await startUpstream(t, 'fresh')];
  const { started, push, admin, dumped, front } = await start(t, []);
  await started;
  await push([cluster('back', [old.port])]);
  assert.equal(await front(), 'old');
  await push([checkedCluster(fresh.port)]);
  await eventually(fresh.asked);
  assert.equal(await front(), 'old');
  assert.match(await admin('/stats'), /^cluster_manager\.warming_clusters: 1$/m);
  assert.match(await admin('/clusters'), new RegExp(`^back::127\\.0\\.0\\.1:${old.port}::`, 'm'));
  assert.deepEqual(await dumped('dynamic_active_clusters'), [String(old.port)]);
  assert.deepEqual(await dumped('dynamic_warming_clusters'), [String(fresh.port)]);
  fresh.answer();
  await eventually(async () => (await front()) === 'fresh');
  const stats = await admin('/stats');
  assert.match(stats, /^cluster_manager\.warming_clusters: 0$/m);
  assert.match(stats, /^cluster_manager\.cluster_modified: 1$/m);
  assert.match(stats, /^cluster\.back\.membership_total: 1$/m);
  assert.ok(Number(/^cluster\.back\.upstream_rq_total: (\d+)$/m.exec(stats)?.[1]) >= 3, 'counters go on');
  assert.deepEqual(await dumped('dynamic_active_clusters'), [String(fresh.port)]);
});

test('a new cluster is not found until it is warm; one that is taken back while it warms leaves nothing behind', async (t) => {
  const up = await startUpstream(t, 'up');
  const { started, push, admin, front } = await start(t, []);
  const { proxy } = await started;
  await push([checkedCluster(up.port)]);
  await eventually(up.asked);
  assert.equal(await front(), '');
  await push([], ['back']);
  assert.deepEqual([proxy.clusters().length, proxy.warmingClusters().length], [0, 0]);
  assert.match(await admin('/stats'), /^cluster_manager\.warming_clusters: 0$/m);
});
