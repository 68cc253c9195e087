// Every timeout of a request's way, each with what it answers and what it says of itself in the log.

import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { createVirtualClock, eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire } from '../testing/wire.ts';

type Case = {
  name: string;
  /** Of the connection manager, of the route. */
  hcm?: JsonObject;
  route?: JsonObject;
  /** What the client sends; default a whole GET. */
  send?: string;
  status: number;
  log: string;
  /** The timeout that is expected. */
  afterMs: number;
};

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const HALF_POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf';

const CASES: readonly Case[] = [
  { name: 'the whole request', route: { timeout: '0.1s' }, status: 504, log: '504 UT response_timeout', afterMs: 100 },
  {
    name: 'one try, without retries left',
    route: { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.05s' } },
    status: 504,
    log: '504 URX,UT upstream_per_try_timeout',
    afterMs: 100,
  },
  {
    name: 'a quiet stream, by the connection manager',
    hcm: { stream_idle_timeout: '0.1s' },
    route: { timeout: '0s' },
    status: 504,
    log: '504 SI stream_idle_timeout',
    afterMs: 100,
  },
  {
    name: 'a quiet stream, by the route',
    hcm: { stream_idle_timeout: '10s' },
    route: { timeout: '0s', idle_timeout: '0.1s' },
    status: 504,
    log: '504 SI stream_idle_timeout',
    afterMs: 100,
  },
  {
    name: 'a quiet request',
    hcm: { stream_idle_timeout: '0.1s' },
    route: { timeout: '0s' },
    send: HALF_POST,
    status: 408,
    log: '408 SI stream_idle_timeout',
    afterMs: 100,
  },
  {
    name: 'a long stream',
    route: { timeout: '0s', max_stream_duration: { max_stream_duration: '0.1s' } },
    status: 504,
    log: '504 - max_duration_timeout',
    afterMs: 100,
  },
  {
    name: 'a request whose body does not end',
    hcm: { request_timeout: '0.1s' },
    send: HALF_POST,
    status: 408,
    log: '408 - request_overall_timeout',
    afterMs: 100,
  },
  {
    name: 'a head that does not end',
    hcm: { request_headers_timeout: '0.1s' },
    send: 'GET / HTTP/1.1\r\nhost',
    status: 408,
    log: '408 - request_header_timeout',
    afterMs: 100,
  },
];

for (const { name, hcm = {}, route = {}, send = GET, status, log: expected, afterMs } of CASES) {
  test(`timeout of ${name}`, async () => {
    await onStage(async ({ upstream, apply, port, log }) => {
      const up = await upstream(() => {});
      await apply({ listeners: [httpListener('in', [routeTo('up', route)], hcm)], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      const before = performance.now();
      wire.send(send);
      assert.match(await wire.expect('\r\n\r\n'), new RegExp(`^HTTP/1\\.1 ${status} `));
      const took = performance.now() - before;
      assert.ok(took >= afterMs - 5 && took < afterMs + 5000, `${took} ms`);
      await eventually(() => assert.deepEqual(log, [expected]));
      wire.close();
    });
  });
}

test('a stream that moves is not idle', async () => {
  const clock = createVirtualClock(1_000_000);
  await onStage(
    async ({ upstream, apply, port }) => {
      const up = await upstream((socket, received) => {
        if (received.endsWith('slowly')) socket.write(ok('whole'));
      });
      const listener = httpListener('in', [routeTo('up', { timeout: '0s' })], { stream_idle_timeout: '3s' });
      await apply({ listeners: [listener], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n');
      await eventually(() => up.received.length === 1, { intervalMs: 2 });
      for (const [i, byte] of [...'slowly'].entries()) {
        clock.advance(2000);
        wire.send(byte);
        await eventually(() => assert.ok(up.received[0]?.endsWith('slowly'.slice(0, i + 1)), wire.text()), { intervalMs: 2 });
      }
      assert.match(await wire.expect('whole'), /^HTTP\/1\.1 200 /);
      wire.close();
    },
    { clock },
  );
});

test('a kept connection without requests is closed by the connection manager', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('x')));
    const listener = httpListener('in', [routeTo('up')], { common_http_protocol_options: { idle_timeout: '0.5s' } });
    await apply({ listeners: [listener], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(GET);
    await wire.expect('x');
    assert.equal(wire.isClosed(), false);
    await wire.closed();
    wire.close();
  });
});

test('a kept connection to the upstream is closed by its cluster', async () => {
  await onStage(async ({ upstream, apply, port, proxy }) => {
    const up = await upstream(answering(() => ok('x')));
    const fields = { common_http_protocol_options: { idle_timeout: '0.5s' } };
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port], fields)] });
    const wire = await openWire(port());
    wire.send(GET);
    await wire.expect('x');
    const stats = () => [...proxy.clusters()].find(({ name }) => name === 'up')?.stats;
    assert.equal(stats()?.upstream_cx_active, 1);
    await eventually(() => assert.equal(stats()?.upstream_cx_active, 0));
    wire.send(GET);
    await eventually(() => assert.equal(up.received.length, 2));
    wire.close();
  });
});
