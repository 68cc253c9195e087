// Plan J2 in small: nothing that ends within the drain is lost, and the exit comes when it should.

import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { parseBootstrap } from '../ads/bootstrap.ts';
import { openWire, startRawServer } from '../testing/wire.ts';
import { runProxy } from './run-proxy.ts';
import type { ShutdownPlan } from './shutdown.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n';
const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

const httpListener = (name: string, direction: string, extra = '') => `
  - name: ${name}
    traffic_direction: ${direction}
    ${extra}
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": ${HCM}
          stat_prefix: ${name}
          drain_timeout: 0.1s
          upgrade_configs: [{upgrade_type: websocket}]
          route_config: {name: r, virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}
          http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]`;

const bootstrap = (upstreamPort: number) => `
static_resources:
  listeners:${httpListener('in', 'INBOUND')}${httpListener('out', 'OUTBOUND')}${httpListener('modify', 'INBOUND', 'drain_type: MODIFY_ONLY')}
  - name: tcp
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [{name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: up}}]}]
  clusters:
  - name: up
    type: STATIC
    connect_timeout: 1s
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${upstreamPort}}}}}]}]}
`;

/** An upstream that answers each request after `delayMs`; WebSocket handshakes and other bytes at once. */
async function start(t: import('node:test').TestContext, delayMs = 0) {
  const up = await startRawServer((socket, received) => {
    if (received.includes('upgrade: websocket')) {
      socket.write(
        received.endsWith('\r\n\r\n') ? 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n' : 'pong',
      );
    } else if (received.endsWith('\r\n\r\n')) setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'), delayMs);
    else socket.write('raw');
  });
  t.after(() => up.close());
  const running = await runProxy({ bootstrap: parseBootstrap(bootstrap(up.port), 'test'), logger: silentLogger, appendLog() {} });
  t.after(() => running.close());
  const port = (name: string) => running.proxy.addressOf(name)?.port ?? 0;
  /** What the agent does when it must stop; resolves with how long it took. */
  const stop = async (plan: ShutdownPlan, hurry?: AbortSignal) => {
    const startMs = performance.now();
    running.drainListeners({ graceful: true, skipExit: true });
    await running.shutDown(plan, hurry);
    return performance.now() - startMs;
  };
  return { running, port, stop, up };
}

const WHEN_IDLE: ShutdownPlan = { kind: 'when_idle', minimumMs: 100, limitMs: 20_000 };

test('keep-alive connections end with their next answer, and what is under way is answered', async (t) => {
  const { port, stop, running } = await start(t, 300);
  const [busy, idle] = [await openWire(port('in')), await openWire(port('in'))];
  busy.send(GET);
  const stopped = stop(WHEN_IDLE);
  assert.equal(running.state(), 'DRAINING');
  idle.send(GET);
  const fresh = await openWire(port('in'));
  fresh.send(GET);
  for (const wire of [busy, idle, fresh]) assert.match(await wire.closed(), /200 OK[\s\S]*connection: close[\s\S]*ok$/);
  for (const wire of [busy, idle, fresh]) wire.close();
  assert.ok((await stopped) < 3000);
});

test('HTTP/2 streams end after GOAWAY, and new requests find no connection', async (t) => {
  const { port, stop } = await start(t, 300);
  const session = connectHttp2(`http://127.0.0.1:${port('in')}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/', ':authority': 'a.test' });
  let status = 0;
  stream.on('response', (headers) => {
    status = Number(headers[':status']);
  });
  stream.resume();
  const ended = new Promise((resolve) => stream.on('close', resolve));
  await new Promise((resolve) => stream.on('ready', resolve));
  const closed = new Promise((resolve) => session.on('close', resolve));
  const stopped = stop(WHEN_IDLE);
  await ended;
  assert.equal(status, 200);
  await closed;
  await stopped;
});

test('a WebSocket and a TCP connection are waited for, and cut when patience ends', async (t) => {
  const { port, stop, running } = await start(t);
  const socket = await openWire(port('in'));
  socket.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  await socket.expect('101');
  const tcp = await openWire(port('tcp'));
  tcp.send('x');
  await tcp.expect('raw');
  let isStopped = false;
  const hurry = new AbortController();
  const stopped = stop(WHEN_IDLE, hurry.signal).then(() => {
    isStopped = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(isStopped, false);
  socket.send('ping');
  await socket.expect('pong');
  hurry.abort();
  await stopped;
  await running.close();
  await socket.closed();
  await tcp.closed();
  socket.close();
  tcp.close();
});

const plans: [name: string, plan: ShutdownPlan, minMs: number, maxMs: number][] = [
  ['a fixed drain lasts as long as it says, though nobody is there', { kind: 'fixed', drainMs: 300 }, 295, 5000],
  ['without connections the wait is the minimum', { kind: 'when_idle', minimumMs: 200, limitMs: 9000 }, 195, 5000],
];
for (const [name, plan, minMs, maxMs] of plans) {
  test(name, async (t) => {
    const { stop } = await start(t);
    const tookMs = await stop(plan);
    assert.ok(tookMs >= minMs && tookMs < maxMs, `${tookMs} ms`);
  });
}

test('a second signal ends a fixed drain', async (t) => {
  const { stop } = await start(t);
  const tookMs = await stop({ kind: 'fixed', drainMs: 20_000 }, AbortSignal.timeout(50));
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
});

test('an inbound drain leaves outbound traffic alone; failing health checks spare listeners that drain on change only', async (t) => {
  const { port, running } = await start(t);
  const ask = async (name: string) => {
    const wire = await openWire(port(name));
    wire.send(GET);
    const text = await wire.expect('ok');
    wire.close();
    return text.includes('connection: close');
  };
  running.proxy.setFailingHealthChecks(true);
  assert.deepEqual([await ask('in'), await ask('out'), await ask('modify')], [true, true, false]);
  running.proxy.setFailingHealthChecks(false);
  running.drainListeners({ inboundOnly: true, skipExit: true });
  assert.deepEqual([await ask('in'), await ask('out'), await ask('modify')], [true, false, true]);
  running.drainListeners({ inboundOnly: true });
  await eventually(() => running.proxy.listenerSet.get('in')?.sockets.length === 0);
  await assert.rejects(ask('in'));
  assert.equal(await ask('out'), false);
});
