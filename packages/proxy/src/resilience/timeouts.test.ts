// Plan I2: every timeout at its time, 50 ms before and after, on virtual time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { createVirtualClock, eventually } from '@lateen/base/testing';
import { createHostTransport } from '../io/host-transport.ts';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { openWire } from '../testing/wire.ts';

type Row = {
  name: string;
  hcm?: JsonObject;
  route?: JsonObject;
  cluster?: JsonObject;
  /** Sent by the client; default a whole GET. */
  send?: string;
  /** Sent by the upstream as soon as it hears anything. */
  answer?: string;
  /** The upstream never accepts. */
  unreachable?: boolean;
  atMs: number;
  /** "status flags details"; a status of 0 in the text: the client sees no status. */
  log: string;
};

const POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf';
const HALF = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf';

const ROWS: readonly Row[] = [
  {
    name: 'connecting',
    cluster: { connect_timeout: '2s' },
    unreachable: true,
    atMs: 2000,
    log: '503 UF upstream_reset_before_response_started{connection_timeout}',
  },
  { name: 'the request, by the route', route: { timeout: '3s' }, atMs: 3000, log: '504 UT response_timeout' },
  { name: 'the request, by default', atMs: 15_000, log: '504 UT response_timeout' },
  {
    name: 'the request, as a trusted caller says',
    hcm: { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } },
    send: 'GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 10.0.0.1\r\nx-envoy-upstream-rq-timeout-ms: 700\r\n\r\n',
    atMs: 700,
    log: '504 UT response_timeout',
  },
  { name: 'the request, its answer begun', route: { timeout: '3s' }, answer: HALF, atMs: 3000, log: '200 UT response_timeout' },
  {
    name: 'one try',
    route: { retry_policy: { retry_on: 'connect-failure', num_retries: 1, per_try_timeout: '1s' } },
    atMs: 1000,
    log: '504 UT upstream_per_try_timeout',
  },
  {
    name: 'a quiet try',
    route: { retry_policy: { retry_on: 'connect-failure', num_retries: 1, per_try_idle_timeout: '1s' } },
    atMs: 1000,
    log: '504 UT upstream_per_try_idle_timeout',
  },
  {
    name: 'a try whose answer stops',
    route: { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_idle_timeout: '1s' } },
    answer: HALF,
    atMs: 1000,
    log: '200 UT upstream_per_try_idle_timeout',
  },
  {
    name: 'a quiet stream, by the connection manager',
    hcm: { stream_idle_timeout: '4s' },
    route: { timeout: '0s' },
    atMs: 4000,
    log: '504 SI stream_idle_timeout',
  },
  { name: 'a quiet stream, by the route', route: { timeout: '0s', idle_timeout: '5s' }, atMs: 5000, log: '504 SI stream_idle_timeout' },
  {
    name: 'a long stream, its answer begun',
    route: { timeout: '0s', max_stream_duration: { max_stream_duration: '6s' } },
    answer: HALF,
    atMs: 6000,
    log: '200 - max_duration_timeout',
  },
  {
    name: 'a long answer, by the cluster',
    route: { timeout: '0s' },
    cluster: { common_http_protocol_options: { max_stream_duration: '4s' } },
    answer: HALF,
    atMs: 4000,
    log: '200 UMSDR upstream_max_stream_duration_reached',
  },
  { name: 'a quiet response', route: { timeout: '0s', idle_timeout: '5s' }, answer: HALF, atMs: 5000, log: '200 SI stream_idle_timeout' },
  {
    name: 'a long stream',
    route: { timeout: '0s', max_stream_duration: { max_stream_duration: '6s' } },
    atMs: 6000,
    log: '504 - max_duration_timeout',
  },
  { name: 'a request that does not end', hcm: { request_timeout: '7s' }, send: POST, atMs: 7000, log: '408 - request_overall_timeout' },
];

for (const { name, hcm = {}, route = {}, cluster: fields = {}, send, answer, unreachable, atMs, log: expected } of ROWS) {
  test(`I2: ${name}: at ${atMs} ms`, async () => {
    const clock = createVirtualClock(1_000_000);
    const host = createHostTransport();
    let dialled = 0;
    const transport = {
      ...host,
      dial(options: Parameters<typeof host.dial>[0]) {
        dialled++;
        if (!unreachable) return host.dial(options);
        // Documentation addresses lead nowhere; whatever this network says to that is not heard.
        const socket = host.dial({ ...options, host: '127.0.0.1' });
        socket.removeAllListeners('connect');
        socket.emit = () => true;
        return socket;
      },
    };
    await onStage(
      async ({ upstream, apply, port, log }) => {
        const up = await upstream((socket) => {
          if (answer) socket.write(answer);
        });
        await apply({ listeners: [httpListener('in', [routeTo('up', route)], hcm)], clusters: [cluster('up', [up.port], fields)] });
        const wire = await openWire(port());
        wire.send(send ?? 'GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        await eventually(() => (unreachable ? dialled > 0 : up.received.join('').includes('\r\n\r\n')), { intervalMs: 2 });
        if (answer) await wire.expect('half');
        clock.advance(atMs - 50);
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert.deepEqual(log, []);
        clock.advance(100);
        await eventually(() => log.length === 1, { intervalMs: 2 });
        assert.deepEqual(log, [expected]);
        wire.close();
      },
      { clock, transport },
    );
  });
}
