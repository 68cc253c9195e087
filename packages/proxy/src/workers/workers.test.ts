import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { type RunningProxy, runProxy } from '../agent/run-proxy.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { any, cluster, httpListener, ROUTER, routeTo } from '../testing/runtime.ts';

/** Of this thread. */
const frontRequests = ({ source }: RunningProxy): number =>
  [...source.observer.httpStats.values()].find(({ prefix }) => prefix === 'front')?.stats.downstream_rq_total ?? 0;

async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((_request, response) => response.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function start(t: TestContext, listener: JsonObject = {}) {
  const manager = {
    access_log: [{ name: 'file', typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path: '/log' }) }],
    http_filters: [{ name: 'istio.stats', typed_config: any('stats.PluginConfig') }, ROUTER],
  };
  const resources = {
    listeners: [httpListener('front', [routeTo('back')], manager, listener)],
    clusters: [cluster('back', [await startUpstream(t)])],
  };
  let log = '';
  const running = await runProxy({
    bootstrap: bootstrapOf(resources),
    logger: silentLogger,
    logLevel: 'none',
    appendLog: (_path, text) => {
      log += text;
    },
    concurrency: 2,
  });
  t.after(() => running.close());
  const admin = async (path: string, method = 'GET') =>
    (await fetch(`http://127.0.0.1:${running.adminAddress?.port}${path}`, { method })).text();
  return { running, port: running.proxy.addressOf('front')!.port, admin, log: () => log };
}

/** Each on a connection of its own, so that the kernel spreads them over the threads. */
async function ask(port: number, count: number): Promise<IncomingMessage[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const agent = new Agent({ keepAlive: true });
      const [response] = (await once(httpGet({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage];
      for await (const _ of response);
      agent.destroy();
      return response;
    }),
  );
}

test('two threads share the port; their numbers and logs are one', async (t) => {
  const { running, port, admin, log } = await start(t);
  for (const response of await ask(port, 60)) assert.equal(response.statusCode, 200);
  const own = frontRequests(running);
  assert.ok(own > 0 && own < 60, `the main thread served ${own} of 60`);
  assert.equal(await admin('/stats?filter=^http.front.downstream_rq_total$'), 'http.front.downstream_rq_total: 60\n');
  assert.equal(await admin('/stats?filter=^cluster.back.membership_total$'), 'cluster.back.membership_total: 1\n');
  assert.equal(await admin('/stats?filter=^server.concurrency$'), 'server.concurrency: 2\n');
  const exposition = await admin('/stats/prometheus');
  assert.match(exposition, /^istio_requests_total\{.*response_code="200".*\} 60$/m);
  assert.match(exposition, /^envoy_cluster_upstream_rq_total\{envoy_cluster_name="back"\} 60$/m);
  await eventually(() => assert.equal(log().split('\n').length - 1, 60));
});

test('admin commands reach every thread', async (t) => {
  const { port, admin } = await start(t);
  await ask(port, 40);
  await admin('/reset_counters', 'POST');
  await eventually(async () =>
    assert.equal(await admin('/stats?filter=^http.front.downstream_rq_total$'), 'http.front.downstream_rq_total: 0\n'),
  );
  await admin('/drain_listeners?skip_exit', 'POST');
  await eventually(async () => {
    for (const response of await ask(port, 20)) assert.equal(response.headers.connection, 'close');
  });
});

test('a listener that must not share its port is served by the main thread alone', async (t) => {
  const { running, port } = await start(t, { enable_reuse_port: false });
  for (const response of await ask(port, 20)) assert.equal(response.statusCode, 200);
  assert.equal(frontRequests(running), 20);
});

test('the limits of a circuit breaker hold for all threads together', async (t) => {
  const waiting: (() => void)[] = [];
  const server = createServer((_request, response) => void waiting.push(() => response.end('late')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const resources = {
    listeners: [httpListener('front', [routeTo('back')])],
    clusters: [cluster('back', [(server.address() as AddressInfo).port], { circuit_breakers: { thresholds: [{ max_requests: 3 }] } })],
  };
  const running = await runProxy({
    bootstrap: bootstrapOf(resources),
    logger: silentLogger,
    logLevel: 'none',
    appendLog() {},
    concurrency: 2,
  });
  t.after(() => running.close());
  const port = running.proxy.addressOf('front')!.port;
  const asked = ask(port, 40);
  const refusals = () => frontRequests(running);
  await eventually(() => assert.ok(waiting.length >= 3 && refusals() > 0));
  // Threads may look at the same moment, so one more for each is as exact as Envoy is; 40 requests on two threads must not get 6.
  await eventually(async () => {
    const { port: adminPort } = running.adminAddress!;
    const total = await (await fetch(`http://127.0.0.1:${adminPort}/stats?filter=^http.front.downstream_rq_total$`)).text();
    assert.equal(total, 'http.front.downstream_rq_total: 40\n');
  });
  assert.ok(waiting.length >= 3 && waiting.length <= 4, `${waiting.length} requests at once`);
  for (const answer of waiting) answer();
  const statuses = (await asked).map(({ statusCode }) => statusCode);
  assert.equal(statuses.filter((status) => status === 200).length, waiting.length);
  assert.equal(statuses.filter((status) => status === 503).length, 40 - waiting.length);
});
