// Plan I3: each limit just below, at and above; what is over it gets 503 UO at once, and every gauge returns to 0.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { ok, openWire, type Wire } from '../testing/wire.ts';
import { LocalBreaker } from '../upstream/circuit-breaker.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';

const LIMIT = 3;
const NO_LIMITS = {
  maxConnections: 1000,
  maxPendingRequests: 1000,
  maxRequests: 1000,
  maxRetries: 1000,
  retryBudget: undefined,
  trackRemaining: false,
};
const OPEN = { max_connections: 1000, max_pending_requests: 1000, max_requests: 1000, max_retries: 1000, track_remaining: true };

type Held = { stage: Stage; state: ClusterState; wires: Wire[]; answer(): void; ask(path?: string): Promise<Wire>; asked(): number };

async function held(thresholds: JsonObject, run: (held: Held) => Promise<void>, more: { route?: JsonObject; cluster?: JsonObject } = {}) {
  await onStage(async (stage) => {
    const waiting: Socket[] = [];
    let asked = 0;
    const up = await stage.upstream((socket, received) => {
      if (!received.endsWith('\r\n\r\n')) return;
      asked++;
      waiting.push(socket);
    });
    await stage.apply({
      listeners: [httpListener('in', [routeTo('up', { timeout: '0s', ...more.route })])],
      clusters: [cluster('up', [up.port], { circuit_breakers: { thresholds: [thresholds] }, ...more.cluster })],
    });
    const state = stage.proxy.clusters().find(({ name }) => name === 'up') as ClusterState;
    const wires: Wire[] = [];
    const ask = async (path = '/') => {
      const wire = await openWire(stage.port());
      wires.push(wire);
      wire.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
      return wire;
    };
    await run({
      stage,
      state,
      wires,
      ask,
      asked: () => asked,
      answer: () => {
        for (const socket of waiting.splice(0)) socket.write(ok('fine'));
      },
    });
    for (const wire of wires) wire.close();
    await eventually(() => {
      const { default: breaker } = state.breakers;
      assert.deepEqual([breaker.requests, breaker.pending, breaker.retries], [0, 0, 0]);
      assert.deepEqual([state.stats.upstream_rq_active, state.stats.upstream_rq_pending_active], [0, 0]);
    });
  });
}

const until = (check: () => boolean) => eventually(check, { intervalMs: 3 });
const OVERFLOW = /^HTTP\/1\.1 503 [\s\S]*\r\nx-envoy-overloaded: true\r\n[\s\S]*reset reason: overflow$/;

for (const count of [LIMIT - 1, LIMIT, LIMIT + 1]) {
  // A connection that was made while the limit was free carries the request that is above it by then.
  test(`I3: ${count} requests with max_requests ${LIMIT}`, async () => {
    await held({ ...OPEN, max_requests: LIMIT }, async ({ stage, state, wires, ask, asked, answer }) => {
      const within = Math.min(count, LIMIT);
      for (let i = 0; i < within; i++) await ask();
      await until(() => asked() === within);
      assert.equal(state.breakers.default.gauges().rq_open, count >= LIMIT ? 1 : 0);
      assert.equal(state.breakers.default.gauges().remaining_rq, LIMIT - within);
      if (count > LIMIT) {
        const last = await ask();
        assert.match(await last.expect('overflow'), OVERFLOW);
        assert.deepEqual(stage.log, ['503 UO upstream_reset_before_response_started{overflow}']);
        assert.equal(state.stats.upstream_rq_active_overflow, 1);
      }
      answer();
      for (const wire of wires.slice(0, within)) assert.match(await wire.expect('fine'), /^HTTP\/1\.1 200 /);
      await until(() => state.breakers.default.gauges().rq_open === 0);
      assert.equal(state.breakers.default.gauges().remaining_rq, LIMIT);
    });
  });
}

for (const count of [LIMIT - 1, LIMIT, LIMIT + 1]) {
  test(`I3: ${count} requests wait with max_connections 1 and max_pending_requests ${LIMIT}`, async () => {
    const thresholds = { ...OPEN, max_connections: 1, max_pending_requests: LIMIT };
    await held(thresholds, async ({ stage, state, wires, ask, asked, answer }) => {
      await ask();
      await until(() => asked() === 1);
      const within = Math.min(count, LIMIT);
      for (let i = 0; i < within; i++) await ask();
      await until(() => state.stats.upstream_rq_pending_active === within);
      const { cx_open, rq_pending_open, remaining_pending } = state.breakers.default.gauges();
      assert.deepEqual([cx_open, rq_pending_open, remaining_pending], [1, count >= LIMIT ? 1 : 0, LIMIT - within]);
      if (count > LIMIT) {
        assert.match(await (await ask()).expect('overflow'), OVERFLOW);
        assert.deepEqual(stage.log, ['503 UO upstream_reset_before_response_started{overflow}']);
      }
      for (let done = 1; done <= within + 1; done++) {
        await until(() => asked() === done);
        answer();
      }
      for (const wire of wires.slice(0, within + 1)) await wire.expect('fine');
      assert.equal(state.stats.upstream_cx_total, 1);
      assert.ok(state.stats.upstream_cx_overflow > 0);
    });
  });
}

test('I3: retries beyond max_retries are given up, and the gauge closes again', async () => {
  const route = { retry_policy: { retry_on: '5xx', num_retries: 5, retry_back_off: { base_interval: '0.2s', max_interval: '0.2s' } } };
  await onStage(async ({ upstream, apply, port, proxy, log }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    });
    await apply({
      listeners: [httpListener('in', [routeTo('up', route)])],
      clusters: [cluster('up', [up.port], { circuit_breakers: { thresholds: [{ ...OPEN, max_retries: 1 }] } })],
    });
    const state = proxy.clusters().find(({ name }) => name === 'up') as ClusterState;
    const wires = [await openWire(port()), await openWire(port())];
    wires[0]?.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until(() => state.breakers.default.retries === 1);
    assert.equal(state.breakers.default.gauges().rq_retry_open, 1);
    wires[1]?.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until(() => log.length >= 1);
    assert.equal(log[0], '503 UO via_upstream');
    assert.ok(state.stats.upstream_rq_retry_overflow >= 1);
    for (const wire of wires) wire.close();
    await until(() => state.breakers.default.retries === 0);
    assert.equal(state.breakers.default.gauges().rq_retry_open, 0);
    await until(() => state.breakers.default.requests === 0);
  });
});

test('I3: the high priority has limits of its own', async () => {
  const thresholds = { ...OPEN, max_requests: 1 };
  await onStage(async ({ upstream, apply, port, proxy }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('\r\n\r\n') && received.includes('/high')) socket.write(ok('fine'));
    });
    await apply({
      listeners: [httpListener('in', [routeTo('up', { priority: 'HIGH' }, '/high'), routeTo('up')])],
      clusters: [cluster('up', [up.port], { circuit_breakers: { thresholds: [thresholds] } })],
    });
    const state = proxy.clusters().find(({ name }) => name === 'up') as ClusterState;
    const slow = await openWire(port());
    slow.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until(() => state.breakers.default.requests === 1);
    const high = await openWire(port());
    high.send('GET /high HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await high.expect('fine'), /^HTTP\/1\.1 200 /);
    slow.socket.resetAndDestroy();
    high.close();
    await until(() => state.breakers.default.requests === 0 && state.breakers.high.requests === 0);
  });
});

test('per_host_thresholds bound the connections to one host; further requests wait', async () => {
  const circuit_breakers = { thresholds: [OPEN], per_host_thresholds: [{ max_connections: 1 }] };
  const run = async ({ state, wires, ask, asked, answer }: Held) => {
    await ask();
    await until(() => asked() === 1);
    await ask();
    await until(() => state.stats.upstream_rq_pending_active === 1);
    assert.equal(state.stats.upstream_cx_total, 1);
    answer();
    await until(() => asked() === 2);
    answer();
    for (const wire of wires) await wire.expect('fine');
    assert.equal(state.stats.upstream_cx_total, 1);
  };
  await held(OPEN, run, { cluster: { circuit_breakers } });
});

test('a budget for retries is a whole number of them', () => {
  const breaker = new LocalBreaker({ ...NO_LIMITS, retryBudget: { percent: 20, minConcurrency: 3 } });
  breaker.requests = 19;
  breaker.retries = 3;
  assert.equal(breaker.canRetry, false, '20 % of 19 is 3.8');
  breaker.requests = 20;
  assert.equal(breaker.canRetry, true);
});

test('with a preconnect ratio, connections come ahead of requests', async () => {
  await held(
    OPEN,
    async ({ state, ask, asked }) => {
      await ask();
      await until(() => asked() === 1);
      await until(() => state.stats.upstream_cx_active === 2);
      await ask();
      await until(() => asked() === 2);
      await until(() => state.stats.upstream_cx_active === 4);
    },
    { cluster: { preconnect_policy: { per_upstream_preconnect_ratio: 2 } } },
  );
});

test('a pool for each downstream connection shares nothing', async () => {
  await held(
    OPEN,
    async ({ state, ask, asked, answer }) => {
      await ask();
      await until(() => asked() === 1);
      answer();
      await until(() => state.stats.upstream_rq_active === 0);
      await ask();
      await until(() => asked() === 2);
      assert.equal(state.stats.upstream_cx_total, 2);
    },
    { cluster: { connection_pool_per_downstream_connection: true } },
  );
});
