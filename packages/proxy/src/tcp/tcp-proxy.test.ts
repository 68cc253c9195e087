import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import type { ProxyObserver, TcpCounter, TcpProgress } from '../http/observer.ts';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import { RuntimeLayers } from '../overload/runtime-layers.ts';
import { any, cluster, tcpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { openWire } from '../testing/wire.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';

const NETWORK = 'envoy.extensions.filters.network';
const network = (type: string, fields: JsonObject = {}): JsonObject => ({ name: type, typed_config: any(`${NETWORK}.${type}`, fields) });

/** A listener whose chain has `filters` before its TCP proxy. */
function filtered(filters: readonly JsonObject[], tcp: JsonObject = { cluster: 'up' }, fields: JsonObject = {}): JsonObject {
  const listener = tcpListener('in', tcp);
  const [chain] = listener['filter_chains'] as JsonObject[];
  return { ...listener, filter_chains: [{ filters: [...filters, ...((chain as JsonObject)['filters'] as JsonObject[])] }], ...fields };
}

const say = (text: string) => (socket: import('node:net').Socket) => void socket.write(text);

test('weights choose the cluster, filter state overrides them', async () => {
  let random = 0;
  await onStage(
    async ({ upstream, apply, port }) => {
      const [a, b, c] = [await upstream(say('a')), await upstream(say('b')), await upstream(say('c'))];
      const clusters = [cluster('a', [a.port]), cluster('b', [b.port]), cluster('c', [c.port])];
      const weighted = {
        weighted_clusters: {
          clusters: [
            { name: 'a', weight: 9 },
            { name: 'b', weight: 1 },
          ],
        },
      };
      const answer = async () => {
        const wire = await openWire(port());
        wire.send('?');
        await eventually(() => wire.text().length === 1);
        wire.close();
        return wire.text();
      };
      await apply({ listeners: [filtered([], weighted)], clusters });
      assert.equal(await answer(), 'a');
      random = 0.95;
      assert.equal(await answer(), 'b');
      const state = { object_key: 'envoy.tcp_proxy.cluster', format_string: { text_format_source: { inline_string: 'c' } } };
      await apply({ listeners: [filtered([network('set_filter_state.v3.Config', { on_new_connection: [state] })], weighted)], clusters });
      assert.equal(await answer(), 'c');
    },
    { random: () => random },
  );
});

test('the server name is the cluster, and TLS passes through untouched', async () => {
  await onStage(async ({ upstream, apply, port, log }) => {
    const up = await upstream(() => {});
    const inspector = { name: 'tls', typed_config: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') };
    await apply({
      listeners: [filtered([network('sni_cluster.v3.SniCluster')], { cluster: 'none' }, { listener_filters: [inspector] })],
      clusters: [cluster('a.test', [up.port])],
    });
    const { connect: connectTls } = await import('node:tls');
    for (const servername of ['a.test', 'b.test']) {
      const socket = connectTls({ host: '127.0.0.1', port: port(), servername, rejectUnauthorized: false });
      socket.on('error', () => {});
      if (servername === 'a.test') await eventually(() => up.received.some((bytes) => bytes.startsWith('\x16\x03')));
      else await eventually(() => log.some((line) => line.includes('NC')));
      socket.destroy();
    }
    assert.equal(up.received.length, 1);
  });
});

test('a connection limit closes the rest after its delay, and counts', async () => {
  await onStage(async ({ upstream, apply, port, proxy }) => {
    const up = await upstream(say('x'));
    const limit = network('connection_limit.v3.ConnectionLimit', { stat_prefix: 'l', max_connections: 2, delay: '0.05s' });
    await apply({ listeners: [filtered([limit])], clusters: [cluster('up', [up.port])] });
    const wires = [await openWire(port()), await openWire(port())];
    for (const wire of wires) {
      wire.send('?');
      await wire.expect('x');
    }
    const third = await openWire(port());
    await third.closed();
    assert.equal(proxy.counters.value('connection_limit.l.limited_connections'), 1);
    assert.equal(proxy.counters.value('connection_limit.l.active_connections'), 2);
    for (const wire of wires) wire.close();
    await eventually(() => proxy.counters.value('connection_limit.l.active_connections') === 0);
    const again = await openWire(port());
    again.send('?');
    await again.expect('x');
    again.close();
  });
});

test('a key of the runtime turns a limit off while the proxy runs', async () => {
  const keys = new Map<string, string>();
  await onStage(
    async ({ upstream, apply, port, proxy }) => {
      const up = await upstream(say('x'));
      const runtime_enabled = { default_value: true, runtime_key: 'limits' };
      const limit = network('connection_limit.v3.ConnectionLimit', { stat_prefix: 'l', max_connections: 1, runtime_enabled });
      const bucket = { token_bucket: { max_tokens: 2, fill_interval: '60s' }, runtime_enabled };
      const rate = network('local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'r', ...bucket });
      await apply({ listeners: [filtered([limit, rate])], clusters: [cluster('up', [up.port])] });
      const first = await openWire(port());
      first.send('?');
      await first.expect('x');
      await (await openWire(port())).closed();
      keys.set('limits', 'false');
      for (let i = 0; i < 3; i++) {
        const wire = await openWire(port());
        wire.send('?');
        await wire.expect('x');
        wire.close();
      }
      first.close();
      const count = (name: string) => proxy.counters.value(name);
      assert.deepEqual([count('connection_limit.l.limited_connections'), count('local_rate_limit.r.rate_limited')], [1, 0]);
    },
    { runtimeKeys: new RuntimeLayers([{ name: 'test', values: keys, isAdmin: false }]) },
  );
});

test('attempts to connect wait for each other as configured', async () => {
  await onStage(
    async ({ apply, port, log }) => {
      const unused = createServer().listen(0, '127.0.0.1');
      await once(unused, 'listening');
      const { port: closedPort } = unused.address() as { port: number };
      unused.close();
      const tcp = { cluster: 'up', max_connect_attempts: 3, backoff_options: { base_interval: '0.1s', max_interval: '0.15s' } };
      await apply({ listeners: [filtered([], tcp)], clusters: [cluster('up', [closedPort])] });
      const startedMs = performance.now();
      await (await openWire(port())).closed();
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs >= 90 && tookMs < 2000, `${tookMs}`);
      await eventually(() => assert.deepEqual(log, ['0 URX,UF ']));
    },
    { random: () => 0.5 },
  );
});

for (const kind of ['network', 'listener'] as const) {
  test(`a ${kind} rate limit closes what comes too fast, and gives tokens back`, async () => {
    await onStage(async ({ upstream, apply, port, proxy }) => {
      const up = await upstream(say('x'));
      const fields = { stat_prefix: 'r', token_bucket: { max_tokens: 2, tokens_per_fill: 1, fill_interval: '0.5s' } };
      const limit: JsonObject = {
        name: 'rate',
        typed_config: any(`envoy.extensions.filters.${kind}.local_ratelimit.v3.LocalRateLimit`, fields),
      };
      const listener = kind === 'network' ? filtered([limit]) : filtered([], undefined, { listener_filters: [limit] });
      await apply({ listeners: [listener], clusters: [cluster('up', [up.port])] });
      const isServed = async () => {
        const wire = await openWire(port());
        wire.send('?');
        await eventually(() => wire.text() === 'x' || wire.isClosed());
        wire.close();
        return wire.text() === 'x';
      };
      assert.deepEqual([await isServed(), await isServed(), await isServed()], [true, true, false]);
      const counter = kind === 'network' ? 'local_rate_limit.r.rate_limited' : 'listener_local_ratelimit.r.rate_limited';
      assert.equal(proxy.counters.value(counter), 1);
      await eventually(isServed, { intervalMs: 60 });
    });
  });
}

test('echo and direct response end a chain without an upstream', async () => {
  await onStage(async ({ apply, port }) => {
    const only = (filter: JsonObject): JsonObject => ({ ...tcpListener('in', { cluster: 'x' }), filter_chains: [{ filters: [filter] }] });
    await apply({ listeners: [only(network('echo.v3.Echo'))] });
    const wire = await openWire(port());
    wire.send('hello');
    await wire.expect('hello');
    wire.socket.end();
    await wire.closed();
    await apply({ listeners: [only(network('direct_response.v3.Config', { response: { inline_string: 'go away' } }))] });
    const told = await openWire(port());
    assert.equal(await told.closed(), 'go away');
    told.close();
  });
});

test('an idle connection ends, one with a life limit too, and the client sees a close', async () => {
  await onStage(async ({ upstream, apply, port, log }) => {
    const up = await upstream(say('x'));
    const clusters = [cluster('up', [up.port])];
    await apply({ listeners: [filtered([], { cluster: 'up', idle_timeout: '0.1s' })], clusters });
    const idle = await openWire(port());
    idle.send('?');
    await idle.closed();
    await apply({ listeners: [filtered([], { cluster: 'up', max_downstream_connection_duration: '0.1s' })], clusters });
    const old = await openWire(port());
    const talk = setInterval(() => old.send('.'), 10);
    await old.closed();
    clearInterval(talk);
    await eventually(() => log.includes('0 DT '));
    old.close();
    idle.close();
  });
});

const refusals: [what: string, tcp: JsonObject, limits: JsonObject, logged: string, counters: readonly TcpCounter[]][] = [
  ['a cluster that does not exist', { cluster: 'none' }, {}, '0 NC ', ['downstream_cx_no_route']],
  ['a host that does not answer, each time', { cluster: 'up', max_connect_attempts: 2 }, {}, '0 URX,UF ', []],
  ['too many connections', { cluster: 'up' }, { max_connections: 0 }, '0 UO ', []],
  ['too many that wait', { cluster: 'up' }, { max_pending_requests: 0 }, '0 URX ', []],
];
for (const [what, tcp, limits, logged, counters] of refusals) {
  test(`each connection is counted, logged and ended with its flags: ${what}`, async () => {
    const heard: string[] = [];
    const finish = (record: RequestRecord) => void heard.push(`${record.responseCode} ${formatResponseFlags(record.responseFlags)} `);
    const observer: ProxyObserver = {
      http: () => ({ connectionOpened() {}, connectionClosed() {}, requestStarted() {}, finish() {} }),
      tcp: () => ({
        started: () => void heard.push('started'),
        count: (counter) => void heard.push(counter),
        connectionOpened: () => void heard.push('opened'),
        finish,
      }),
    };
    const unused = createServer().listen(0, '127.0.0.1');
    await once(unused, 'listening');
    const { port: closedPort } = unused.address() as { port: number };
    unused.close();
    await onStage(
      async ({ apply, port, proxy }) => {
        const up = cluster('up', [closedPort], { circuit_breakers: { thresholds: [limits] } });
        await apply({ listeners: [filtered([], tcp)], clusters: [up] });
        const wire = await openWire(port());
        await wire.closed();
        await eventually(() => heard.length === 3 + counters.length);
        assert.deepEqual(heard, ['started', ...counters, 'opened', logged]);
        const { stats, breakers } = proxy.clusters()[0] as ClusterState;
        assert.deepEqual([stats.upstream_cx_active, stats.upstream_rq_active, stats.upstream_rq_pending_active], [0, 0, 0]);
        assert.deepEqual([breakers.default.connections, breakers.default.pending], [0, 0]);
      },
      { observer },
    );
  });
}

test('an upstream that never closes does not outlive its client, which had closed its side first', async () => {
  await onStage(async ({ apply, port, proxy, log }) => {
    const silent = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => {}).resume());
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const clusters = [cluster('up', [(silent.address() as { port: number }).port])];
    await apply({ listeners: [filtered([], { cluster: 'up', idle_timeout: '0.1s' })], clusters });
    const wire = await openWire(port());
    wire.socket.end('x');
    await eventually(() => log.length === 1);
    const { stats } = proxy.clusters()[0] as ClusterState;
    await eventually(() => stats.upstream_cx_active === 0);
    wire.close();
    silent.close();
  });
});

for (const check_drain_close of [false, true]) {
  test(`a connection ${check_drain_close ? 'that is to ends' : 'goes on'} with the next bytes once its listener drains`, async () => {
    await onStage(async ({ upstream, apply, port, proxy, log }) => {
      const up = await upstream((socket, received) => void socket.write(received.slice(-1)));
      await apply({ listeners: [filtered([], { cluster: 'up', check_drain_close })], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send('a');
      await wire.expect('a');
      proxy.drain();
      wire.send('b');
      if (check_drain_close) assert.equal(await wire.closed(), 'a');
      else await wire.expect('ab');
      wire.close();
      await eventually(() => log.length === 1);
    });
  });
}

test('progress is reported while the connection lives, each byte once', async () => {
  const reports: [received: number, sent: number][] = [];
  const note = (record: TcpProgress) => {
    const { received, sent } = record.takeUnreported();
    if (received + sent > 0) reports.push([received, sent]);
  };
  const observer: ProxyObserver = {
    http: () => ({ connectionOpened() {}, connectionClosed() {}, requestStarted() {}, finish() {} }),
    tcp: () => ({ connectionOpened() {}, progress: { intervalMs: 30, report: note }, finish: note }),
  };
  await onStage(
    async ({ upstream, apply, port }) => {
      const up = await upstream((socket, received) => void (received === 'one' && socket.write('answer')));
      await apply({ listeners: [filtered([])], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send('one');
      await wire.expect('answer');
      await eventually(() => reports.length === 1);
      wire.send('two!');
      await eventually(() => reports.length === 2);
      wire.close();
      await eventually(() => reports.length === 2);
      assert.deepEqual(reports, [
        [3, 6],
        [4, 0],
      ]);
    },
    { observer },
  );
});

test('a large transfer to a slow reader keeps memory bounded and arrives whole', async () => {
  await onStage(async ({ apply, port, proxy }) => {
    const total = 64 * 1024 * 1024;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      const block = Buffer.alloc(256 * 1024, 1);
      let left = total;
      const push = () => {
        while (left > 0) {
          left -= block.length;
          if (!socket.write(block)) return;
        }
        socket.end();
      };
      socket.on('drain', push);
      push();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await apply({ listeners: [filtered([])], clusters: [cluster('up', [(server.address() as { port: number }).port])] });
    const client = connect({ host: '127.0.0.1', port: port() });
    let received = 0;
    let most = 0;
    client.on('data', (bytes: Buffer) => {
      received += bytes.length;
      for (const listener of proxy.listeners())
        for (const connection of listener.connections()) most = Math.max(most, connection.queuedBytes);
      client.pause();
      setImmediate(() => client.resume());
    });
    await once(client, 'end');
    assert.equal(received, total);
    assert.ok(most < 4 * 1024 * 1024, `${most} bytes queued`);
    client.destroy();
    server.close();
  });
});
