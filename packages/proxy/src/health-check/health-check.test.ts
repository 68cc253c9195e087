// Health checks against real servers, on virtual time.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { type createVirtualClock, eventually, freePort } from '@lateen/base/testing';
import { startClusters } from '../testing/clusters.ts';
import { assignment, cluster, httpListener, routeTo, tcpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire, startRawServer } from '../testing/wire.ts';
import type { ClusterRegistry } from '../upstream/cluster-registry.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';

const TIMES = { timeout: '1s', interval: '10s', unhealthy_threshold: 2, healthy_threshold: 2 };
const HTTP = { ...TIMES, http_health_check: { path: '/healthz' } };

type Checked = {
  state: ClusterState;
  host: Host;
  clock: ReturnType<typeof createVirtualClock>;
  /** Waits for the answer to the question number `attempt`. */
  answered(attempt: number): Promise<void>;
  /** Lets the time pass until the next question, and waits for its answer. Gives the milliseconds. */
  next(): Promise<number>;
  apply(clusters: readonly JsonObject[], endpoints?: readonly JsonObject[]): ClusterRegistry;
};

function checked(
  t: TestContext,
  ports: readonly number[],
  check: JsonObject,
  fields: JsonObject = {},
  context: Parameters<typeof startClusters>[2] = {},
): Checked {
  const { clock, registry, apply } = startClusters(t, undefined, context);
  apply([cluster('c', ports, { health_checks: [check], ...fields })]);
  const state = (registry.get('c') ?? registry.warming()[0]) as ClusterState;
  const { healthCheck } = state.stats;
  const answered = async (attempt: number) => {
    await eventually(() => healthCheck.success + healthCheck.failure >= attempt, { intervalMs: 2 });
  };
  return {
    state,
    host: state.listHosts()[0] as Host,
    clock,
    apply,
    answered,
    async next() {
      const attempt = healthCheck.attempt + 1;
      let waitedMs = 0;
      while (healthCheck.attempt < attempt) {
        assert.ok(waitedMs < 1_000_000);
        clock.advance(500);
        waitedMs += 500;
      }
      await answered(attempt);
      return waitedMs;
    },
  };
}

type Answer = { status: number; headers?: string; body?: string };

async function server(t: TestContext, answer: () => Answer) {
  const raw = await startRawServer(
    answering(() => {
      const { status, headers = '', body = '' } = answer();
      return `HTTP/1.1 ${status} x\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`;
    }),
  );
  t.after(() => raw.close());
  return raw;
}

test('a host is down until its first check, which is asked at once and counts at once', async (t) => {
  const up = await server(t, () => ({ status: 200 }));
  const { host, state, answered } = checked(t, [up.port], HTTP);
  assert.deepEqual([host.health, host.awaitsFirstCheck], ['unhealthy', true]);
  await answered(1);
  assert.deepEqual([host.health, host.awaitsFirstCheck], ['healthy', false]);
  assert.equal(state.stats.membership_healthy, 1);
  assert.deepEqual(
    { ...state.stats.healthCheck },
    {
      attempt: 1,
      success: 1,
      failure: 0,
      passive_failure: 0,
      network_failure: 0,
      verify_cluster: 0,
      healthy: 1,
      degraded: 0,
    },
  );
  assert.equal(up.received[0], 'GET /healthz HTTP/1.1\r\nhost: c\r\nuser-agent: Envoy/HC\r\n\r\n');
});

test('what health checks find goes into the event log, as Envoy writes it', async (t) => {
  let answer: Answer = { status: 200 };
  const up = await server(t, () => answer);
  const lines: Record<string, unknown>[] = [];
  const openLog = (path: string) => ({ write: (line: string) => void lines.push({ path, ...JSON.parse(line) }) });
  const check = { ...HTTP, event_log_path: '/log', healthy_threshold: 1, always_log_health_check_failures: true };
  const { next, answered, state } = checked(t, [up.port], check, {}, { openLog });
  state.stats.upstream_cx_total = 1;
  await answered(1);
  for (answer of [{ status: 200, headers: 'x-envoy-degraded: 1\r\n' }, { status: 503 }, { status: 200 }]) await next();
  assert.deepEqual(
    lines.map(({ path, host, timestamp, locality, health_checker_type, cluster_name, ...event }) => event),
    [
      { add_healthy_event: { first_check: true } },
      { degraded_healthy_host: {} },
      { eject_unhealthy_event: { failure_type: 'ACTIVE', http_status_code: 503 } },
      { health_check_failure_event: { failure_type: 'ACTIVE', first_check: false, http_status_code: 503 } },
      { add_healthy_event: { first_check: false } },
      { no_longer_degraded_host: {} },
    ],
  );
  const [{ path, health_checker_type, cluster_name, locality } = {}] = lines;
  assert.deepEqual([path, health_checker_type, cluster_name, locality], ['/log', 'HTTP', 'c', { region: '', zone: '', sub_zone: '' }]);
});

test('a host that wants to be left out does not count against its priority, and its checks are not its traffic', async (t) => {
  const answer: Answer = { status: 200 };
  const up = await server(t, () => answer);
  const { host, state, next, answered } = checked(t, [up.port], HTTP);
  await answered(1);
  Object.assign(answer, { status: 503, headers: 'x-envoy-immediate-health-check-fail: 1\r\n' });
  await next();
  assert.deepEqual([host.health, host.isExcluded, state.stats.membership_excluded], ['unhealthy', true, 1]);
  assert.deepEqual(state.stats.upstream_cx_connect_ms.counts(), []);
  assert.deepEqual(Object.values(state.bytes.named('x')), [0, 0]);
});

test('a wrong status condemns at once, two right ones are needed to come back', async (t) => {
  let status = 200;
  const up = await server(t, () => ({ status }));
  const { host, state, next, answered } = checked(t, [up.port], HTTP);
  state.stats.upstream_cx_total = 1;
  await answered(1);
  status = 500;
  await next();
  assert.equal(host.health, 'unhealthy');
  assert.equal(state.stats.healthCheck.failure, 1);
  status = 200;
  await next();
  assert.equal(host.health, 'unhealthy');
  await next();
  assert.equal(host.health, 'healthy');
});

test('retriable statuses and broken connections are forgiven up to the threshold', async (t) => {
  let status = 200;
  const up = await server(t, () => ({ status }));
  const check = { ...TIMES, http_health_check: { path: '/', retriable_statuses: [{ start: 503, end: 504 }] } };
  const { host, state, next, answered } = checked(t, [up.port], check);
  await answered(1);
  status = 503;
  await next();
  assert.equal(host.health, 'healthy');
  await next();
  assert.equal(host.health, 'unhealthy');
  assert.equal(state.stats.healthCheck.network_failure, 0);
  const port = await freePort();
  const dead = checked(t, [port], HTTP);
  await dead.answered(1);
  assert.equal(dead.host.health, 'unhealthy');
  assert.equal(dead.state.stats.healthCheck.network_failure, 1);
});

test('intervals: without traffic, usual, after a change that is pending, unhealthy', async (t) => {
  let status = 200;
  const up = await server(t, () => ({ status }));
  const check = {
    ...TIMES,
    no_traffic_interval: '60s',
    no_traffic_healthy_interval: '40s',
    unhealthy_interval: '20s',
    unhealthy_edge_interval: '3s',
    healthy_edge_interval: '5s',
    http_health_check: { path: '/', retriable_statuses: [{ start: 503, end: 504 }] },
  };
  const { state, next, answered } = checked(t, [up.port], check);
  await answered(1);
  assert.equal(await next(), 40_000);
  state.stats.upstream_cx_total = 1;
  await next();
  assert.equal(await next(), 10_000);
  status = 503;
  await next();
  assert.equal(await next(), 3000);
  assert.equal(await next(), 20_000);
  status = 200;
  await next();
  assert.equal(await next(), 5000);
  assert.equal(await next(), 10_000);
});

test('jitter is added to the interval, and once before the first question', async (t) => {
  const up = await server(t, () => ({ status: 200 }));
  const check = { ...HTTP, initial_jitter: '4s', interval_jitter: '2s', interval_jitter_percent: 20, no_traffic_interval: '10s' };
  const { state, next } = checked(t, [up.port], check);
  assert.equal(state.stats.healthCheck.attempt, 0);
  assert.equal(await next(), 2000);
  assert.equal(await next(), 12_000);
});

test('an answer that does not come in time is a network failure', async (t) => {
  const up = await startRawServer(() => {});
  t.after(() => up.close());
  const { host, state, clock, answered } = checked(t, [up.port], HTTP);
  await eventually(() => up.received.join('').includes('GET'), { intervalMs: 2 });
  clock.advance(999);
  assert.equal(state.stats.healthCheck.failure, 0);
  clock.advance(1);
  await answered(1);
  assert.deepEqual([host.health, state.stats.healthCheck.network_failure], ['unhealthy', 1]);
});

test('the request and what is expected of the answer are configurable', async (t) => {
  let body = 'all is well';
  const up = await server(t, () => ({ status: 299, headers: 'x-envoy-upstream-healthchecked-cluster: db-1\r\n', body }));
  const check = {
    ...TIMES,
    http_health_check: {
      host: 'probe.test',
      path: '/ping?deep',
      method: 'POST',
      send: { text: '70696e67' },
      receive: [{ text: Buffer.from('all').toString('hex') }, { text: Buffer.from('well').toString('hex') }],
      request_headers_to_add: [{ header: { key: 'X-Probe', value: 'yes' } }],
      request_headers_to_remove: ['user-agent'],
      expected_statuses: [{ start: 299, end: 300 }],
      service_name_matcher: { prefix: 'db' },
    },
  };
  const { host, next, state, answered } = checked(t, [up.port], check);
  await answered(1);
  assert.equal(host.health, 'healthy');
  assert.equal(up.received[0], 'POST /ping?deep HTTP/1.1\r\nhost: probe.test\r\nx-probe: yes\r\ncontent-length: 4\r\n\r\nping');
  assert.equal(state.stats.healthCheck.verify_cluster, 1);
  body = 'well, all';
  await next();
  assert.equal(host.health, 'unhealthy');
});

test('x-envoy-degraded makes a host second choice', async (t) => {
  let headers = 'x-envoy-degraded: 1\r\n';
  const up = await server(t, () => ({ status: 200, headers }));
  const { host, next, state, answered } = checked(t, [up.port], HTTP);
  await answered(1);
  assert.deepEqual([host.health, state.stats.healthCheck.degraded, state.stats.membership_degraded], ['degraded', 1, 1]);
  headers = '';
  await next();
  assert.deepEqual([host.health, state.stats.healthCheck.degraded], ['healthy', 0]);
});

for (const reuse of [true, false]) {
  test(`the connection is ${reuse ? 'kept' : 'closed'} between questions with reuse_connection ${reuse}`, async (t) => {
    const up = await server(t, () => ({ status: 200 }));
    const { next, answered } = checked(t, [up.port], { ...HTTP, reuse_connection: reuse });
    await answered(1);
    await next();
    await next();
    assert.equal(up.received.length, reuse ? 1 : 3);
  });
}

test('an endpoint may name another port and host name for its checks, or have none', async (t) => {
  const serving = await server(t, () => ({ status: 500 }));
  const probed = await server(t, () => ({ status: 200 }));
  const endpoint = (health: JsonObject) => ({
    load_assignment: {
      cluster_name: 'c',
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: {
                address: { socket_address: { address: '127.0.0.1', port_value: serving.port } },
                health_check_config: health,
              },
            },
          ],
        },
      ],
    },
  });
  const own = checked(t, [], HTTP, endpoint({ port_value: probed.port, hostname: 'me.test' }));
  await own.answered(1);
  assert.equal(own.host.health, 'healthy');
  assert.match(probed.received[0] ?? '', /\r\nhost: me\.test\r\n/);
  const alternative = checked(t, [serving.port], { ...HTTP, alt_port: probed.port });
  await alternative.answered(1);
  assert.equal(alternative.host.health, 'healthy');
  const none = checked(t, [], HTTP, endpoint({ disable_active_health_check: true }));
  assert.equal(none.host.health, 'healthy');
  assert.equal(none.state.stats.healthCheck.attempt, 0);
});

test('TCP: a connection is enough, unless an answer is asked for', async (t) => {
  const up = await startRawServer((socket, received) => {
    if (received === 'PING\n') socket.write('+PO');
    if (received === 'PING\n') socket.write('NG\n');
  });
  t.after(() => up.close());
  const plain = checked(t, [up.port], { ...TIMES, tcp_health_check: {} });
  await plain.answered(1);
  assert.equal(plain.host.health, 'healthy');
  const ping = { send: { text: '50494e470a' }, receive: [{ text: '2b504f4e47' }] };
  const asking = checked(t, [up.port], { ...TIMES, tcp_health_check: ping });
  await asking.answered(1);
  assert.equal(asking.host.health, 'healthy');
  const other = checked(t, [up.port], { ...TIMES, tcp_health_check: { ...ping, receive: [{ text: 'ffff' }] } });
  await eventually(() => up.received.filter((text) => text === 'PING\n').length === 2, { intervalMs: 2 });
  other.clock.advance(1000);
  await other.answered(1);
  assert.equal(other.host.health, 'unhealthy');
  const refused = checked(t, [await freePort()], { ...TIMES, tcp_health_check: {} });
  await refused.answered(1);
  assert.equal(refused.host.health, 'unhealthy');
});

async function http2Server(t: TestContext, answer: Parameters<Http2Server['on']>[1]): Promise<number> {
  const up = createHttp2Server();
  const sessions = new Set<{ destroy(): void }>();
  up.on('session', (session) => void sessions.add(session));
  up.on('stream', answer);
  up.listen(0, '127.0.0.1');
  await once(up, 'listening');
  t.after(async () => {
    for (const session of sessions) session.destroy();
    up.close();
    await once(up, 'close');
  });
  return (up.address() as AddressInfo).port;
}

test('HTTP/2: the codec of the check is the configured one, on one connection', async (t) => {
  const paths: string[] = [];
  const port = await http2Server(t, (stream, headers) => {
    paths.push(`${headers[':method']} ${headers[':authority']} ${headers[':path']}`);
    stream.respond({ ':status': 200 });
    stream.end();
  });
  const { host, next, answered } = checked(t, [port], {
    ...TIMES,
    http_health_check: { path: '/healthz', codec_client_type: 'HTTP2' },
  });
  await answered(1);
  await next();
  assert.equal(host.health, 'healthy');
  assert.deepEqual(paths, ['GET c /healthz', 'GET c /healthz']);
});

test('gRPC: what one host says is not taken for what another said while its answer was under way', async (t) => {
  const answering = (serving: number, waitMs: number) =>
    http2Server(t, (stream) => {
      stream.resume();
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      setTimeout(() => stream.write(Buffer.of(0, 0, 0, 0, 2, 0x08, serving)), waitMs);
      setTimeout(() => stream.end(), waitMs + 40);
    });
  const ports = [await answering(1, 0), await answering(2, 20)];
  const { state, answered } = checked(t, ports, { ...TIMES, timeout: '100s', grpc_health_check: {} }, { http2_protocol_options: {} });
  await answered(2);
  assert.deepEqual(
    state.listHosts().map((host) => host.health),
    ['healthy', 'unhealthy'],
  );
});

test('gRPC: serving is healthy; anything else, and an error, is not', async (t) => {
  let reply: { status: number; serving: number } = { status: 0, serving: 1 };
  const asked: string[] = [];
  const port = await http2Server(t, (stream, headers) => {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => void pieces.push(piece));
    stream.on('end', () => {
      asked.push(`${headers[':authority']} ${headers[':path']} ${Buffer.concat(pieces).toString('hex')}`);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(reply.status) }));
      stream.end(reply.status === 0 ? Buffer.of(0, 0, 0, 0, 2, 0x08, reply.serving) : undefined);
    });
  });
  const check = { ...TIMES, healthy_threshold: 1, grpc_health_check: { service_name: 'db', authority: 'grpc.test' } };
  const { host, next, answered } = checked(t, [port], check, { http2_protocol_options: {} });
  await answered(1);
  assert.equal(host.health, 'healthy');
  assert.equal(asked[0], 'grpc.test /grpc.health.v1.Health/Check 00000000040a026462');
  reply = { status: 0, serving: 2 };
  await next();
  assert.equal(host.health, 'unhealthy');
  reply = { status: 0, serving: 1 };
  await next();
  assert.equal(host.health, 'healthy');
  reply = { status: 14, serving: 1 };
  await next();
  assert.equal(host.health, 'unhealthy');
});

test('a host that discovery no longer names serves on until its check fails, unless its health is ignored', async (t) => {
  let status = 200;
  const up = await server(t, () => ({ status }));
  const other = await server(t, () => ({ status: 200 }));
  const stage = checked(t, [], HTTP);
  for (const ignored of [false, true]) {
    const eds = {
      name: ignored ? 'e' : 'd',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {} } },
      health_checks: [HTTP],
      ignore_health_on_host_removal: ignored,
    };
    const [state] = stage.apply([eds], [assignment(eds.name, [up.port])]).warming() as [ClusterState];
    await eventually(() => state.stats.membership_healthy === 1, { intervalMs: 2 });
    stage.apply([eds], [assignment(eds.name, [other.port])]);
    const ports = () => state.listHosts().map((host) => host.port);
    if (ignored) {
      assert.deepEqual(ports(), [other.port]);
      continue;
    }
    assert.deepEqual(ports(), [up.port, other.port]);
    assert.equal(state.listHosts()[0]?.pendingRemoval, true);
    assert.equal(state.pick(undefined)?.port, up.port);
    await eventually(() => state.stats.membership_healthy === 2, { intervalMs: 2 });
    status = 500;
    stage.clock.advance(60_000);
    await eventually(() => ports().length === 1, { intervalMs: 2 });
    assert.deepEqual(ports(), [other.port]);
    status = 200;
  }
});

test('with another check the cluster that was serves until its successor has asked; without one its hosts are healthy', async (t) => {
  const up = await server(t, () => ({ status: 404 }));
  const stage = checked(t, [up.port], HTTP);
  await stage.answered(1);
  assert.equal(stage.host.health, 'unhealthy');
  const registry = stage.apply([cluster('c', [up.port], { health_checks: [HTTP] })]);
  const health = () => registry.get('c')?.listHosts()[0]?.health;
  assert.equal(registry.get('c'), stage.state);
  assert.equal(stage.state.stats.healthCheck.attempt, 1, 'the same check goes on');
  const lenient = { ...TIMES, http_health_check: { path: '/', expected_statuses: [{ start: 404, end: 405 }] } };
  stage.apply([cluster('c', [up.port], { health_checks: [lenient] })]);
  assert.equal(registry.get('c'), stage.state);
  await stage.answered(2);
  assert.notEqual(registry.get('c'), stage.state);
  assert.equal(health(), 'healthy');
  stage.apply([cluster('c', [up.port], { health_checks: [HTTP] })]);
  assert.equal(health(), 'healthy', 'a host in use is in use until its new check says otherwise');
  await stage.answered(3);
  assert.equal(health(), 'unhealthy');
  stage.apply([cluster('c', [up.port])]);
  assert.deepEqual([health(), stage.state.stats.membership_healthy], ['healthy', 1]);
});

test('x-envoy-immediate-health-check-fail of an answer condemns the host until its checks pass again', async () => {
  await onStage(async ({ upstream, apply, port, proxy }) => {
    const up = await upstream(
      answering((request) => (request.includes('/healthz') ? ok('') : ok('last', 'x-envoy-immediate-health-check-fail: true\r\n'))),
    );
    const check = { ...HTTP, interval: '60s', no_traffic_interval: '60s' };
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port], { health_checks: [check] })] });
    const state = proxy.clusters()[0]!;
    const [host] = state.listHosts();
    await eventually(() => host!.health === 'healthy');
    const wire = await openWire(port());
    wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await wire.expect('last');
    assert.deepEqual([host!.health, state.stats.healthCheck.passive_failure], ['unhealthy', 1]);
    wire.close();
  });
});

for (const closes of [true, false]) {
  test(`byte streams to a host that fails ${closes ? 'are closed' : 'stay'} with close_connections_on_host_health_failure ${closes}`, async () => {
    await onStage(async ({ upstream, apply, port, proxy }) => {
      let status = 200;
      const up = await upstream(
        (socket, received) =>
          void socket.write(received.includes('/healthz') ? `HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n` : 'pong'),
      );
      const check = { ...HTTP, interval: '0.03s', no_traffic_interval: '0.03s', unhealthy_threshold: 1 };
      const fields = { health_checks: [check], close_connections_on_host_health_failure: closes };
      await apply({ listeners: [tcpListener('in', { cluster: 'up' })], clusters: [cluster('up', [up.port], fields)] });
      const [host] = proxy.clusters()[0]!.listHosts();
      await eventually(() => host!.health === 'healthy');
      const wire = await openWire(port());
      wire.send('ping');
      await wire.expect('pong');
      status = 503;
      await eventually(() => host!.health === 'unhealthy');
      if (closes) await eventually(() => proxy.connectionCount === 0);
      else assert.equal(proxy.connectionCount, 1);
      wire.close();
    });
  });
}
