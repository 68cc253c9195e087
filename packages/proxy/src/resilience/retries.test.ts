// Plan I1: how often a request is tried, by what went wrong, what the policy says and what is left of the request to repeat.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually, freePort } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { openWire } from '../testing/wire.ts';

/** What the upstream does with one attempt. */
type Act = 'reset' | 'end' | 'hang' | 'body then reset' | { status: number; headers?: string };

/** Callers in 10.0.0.0/8 are trusted with x-envoy-* headers. */
const INSIDE = { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } };

const OK: Act = { status: 200 };
const UNAVAILABLE: Act = { status: 503 };

type Row = {
  name: string;
  policy: JsonObject | undefined;
  request?: { method?: string; bodyBytes?: number; headers?: string };
  /** One after the other; the last stays. */
  acts: readonly Act[];
  /** Of the cluster. */
  cluster?: JsonObject;
  route?: JsonObject;
  /** Nobody listens where the cluster points. */
  refused?: boolean;
  /** Exactly, or at least and at most. */
  attempts: number | readonly [number, number];
  log: string;
};

const on = (conditions: string, fields: JsonObject = {}): JsonObject => ({
  retry_on: conditions,
  num_retries: 2,
  retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
  ...fields,
});
const budget = (percent: number, concurrency: number): JsonObject => ({
  circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: percent }, min_retry_concurrency: concurrency } }] },
});
const BROKEN = 'upstream_reset_before_response_started{connection_termination}';
const RESET = '503 UC';

const ROWS: readonly Row[] = [
  { name: '5xx: until it succeeds', policy: on('5xx'), acts: [UNAVAILABLE, { status: 500 }, OK], attempts: 3, log: '200 - via_upstream' },
  { name: '5xx: until the limit', policy: on('5xx'), acts: [UNAVAILABLE], attempts: 3, log: '503 URX via_upstream' },
  { name: 'without a policy', policy: undefined, acts: [UNAVAILABLE, OK], attempts: 1, log: '503 - via_upstream' },
  {
    name: 'gateway-error: 502 to 504',
    policy: on('gateway-error'),
    acts: [{ status: 502 }, { status: 504 }, OK],
    attempts: 3,
    log: '200 - via_upstream',
  },
  { name: 'gateway-error: not 500', policy: on('gateway-error'), acts: [{ status: 500 }], attempts: 1, log: '500 - via_upstream' },
  { name: 'retriable-4xx: 409', policy: on('retriable-4xx'), acts: [{ status: 409 }, OK], attempts: 2, log: '200 - via_upstream' },
  {
    name: 'retriable-status-codes: those alone',
    policy: on('retriable-status-codes', { retriable_status_codes: [418] }),
    acts: [{ status: 418 }, UNAVAILABLE],
    attempts: 2,
    log: '503 - via_upstream',
  },
  {
    name: 'retriable-headers',
    policy: on('retriable-headers', { retriable_headers: [{ name: 'x-again', present_match: true }] }),
    acts: [{ status: 200, headers: 'x-again: 1\r\n' }, OK],
    attempts: 2,
    log: '200 - via_upstream',
  },
  {
    name: 'envoy-ratelimited: 429 only with its header',
    policy: on('envoy-ratelimited'),
    acts: [{ status: 429, headers: 'x-envoy-ratelimited: true\r\n' }, { status: 429 }],
    attempts: 2,
    log: '429 - via_upstream',
  },
  { name: 'reset: a broken connection', policy: on('reset'), acts: ['end', OK], attempts: 2, log: '200 - via_upstream' },
  { name: 'reset: until the limit', policy: on('reset'), acts: ['end'], attempts: 3, log: `503 URX,UC ${BROKEN}` },
  {
    name: 'reset: not after the response began',
    policy: on('reset,5xx'),
    acts: ['body then reset'],
    attempts: 1,
    log: '200 UPE upstream_reset_after_response_started{protocol_error}',
  },
  {
    name: 'connect-failure',
    policy: on('connect-failure'),
    acts: [],
    refused: true,
    attempts: 3,
    log: '503 URX,UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
  },
  {
    name: 'connect-failure: not for a reset',
    policy: on('connect-failure,refused-stream'),
    acts: ['end', OK],
    attempts: 1,
    log: `${RESET} ${BROKEN}`,
  },
  {
    name: 'a POST whose body was sent, after a reset',
    policy: on('connect-failure,refused-stream,reset-before-request'),
    request: { method: 'POST', bodyBytes: 100 },
    acts: ['reset', OK],
    attempts: 1,
    log: `${RESET} ${BROKEN}`,
  },
  {
    name: 'a POST that the policy wants again whatever happened',
    policy: on('reset'),
    request: { method: 'POST', bodyBytes: 100 },
    acts: ['reset', OK],
    attempts: 2,
    log: '200 - via_upstream',
  },
  {
    name: 'a POST with its whole body',
    policy: on('5xx'),
    request: { method: 'POST', bodyBytes: 200_000 },
    acts: [UNAVAILABLE, OK],
    attempts: 2,
    log: '200 - via_upstream',
  },
  {
    name: 'a body larger than the buffer',
    policy: on('5xx'),
    request: { method: 'POST', bodyBytes: 1_200_000 },
    acts: [UNAVAILABLE, OK],
    attempts: 1,
    log: '503 - via_upstream',
  },
  {
    name: 'a per-try timeout',
    policy: on('5xx', { per_try_timeout: '0.05s' }),
    acts: ['hang', OK],
    attempts: 2,
    log: '200 - via_upstream',
  },
  {
    name: 'a per-try timeout, every time',
    policy: on('5xx', { num_retries: 1, per_try_timeout: '0.05s' }),
    acts: ['hang'],
    attempts: 2,
    log: '504 URX,UT upstream_per_try_timeout',
  },
  {
    name: 'the timeout of the whole ends retries',
    policy: on('5xx', { num_retries: 50, per_try_timeout: '0.05s' }),
    route: { timeout: '0.2s' },
    acts: ['hang'],
    attempts: [2, 4],
    log: '504 UT response_timeout',
  },
  {
    name: 'a budget of nothing',
    policy: on('5xx'),
    cluster: budget(0, 0),
    acts: [UNAVAILABLE, OK],
    attempts: 1,
    log: '503 UO via_upstream',
  },
  {
    name: 'a budget with a minimum',
    policy: on('5xx'),
    cluster: budget(0, 1),
    acts: [UNAVAILABLE, OK],
    attempts: 2,
    log: '200 - via_upstream',
  },
  {
    name: 'as many retries as a trusted caller asks for',
    policy: undefined,
    request: { headers: 'x-forwarded-for: 10.0.0.1\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 3\r\n' },
    acts: [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, OK],
    attempts: 4,
    log: '200 - via_upstream',
  },
];

function act(socket: Socket, what: Act): void {
  if (what === 'hang') return;
  if (what === 'reset') socket.resetAndDestroy();
  else if (what === 'end') socket.destroy();
  else if (what === 'body then reset') {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');
    setTimeout(() => socket.destroy(), 30);
  } else socket.end(`HTTP/1.1 ${what.status} x\r\n${what.headers ?? ''}connection: close\r\ncontent-length: 0\r\n\r\n`);
}

/** Whether the head and as much as it promises of a body have arrived. */
function isComplete(received: string): boolean {
  const end = received.indexOf('\r\n\r\n');
  const length = Number(/\r\ncontent-length: (\d+)/.exec(received)?.[1] ?? 0);
  return end >= 0 && received.length >= end + 4 + length;
}

for (const row of ROWS) {
  const [least, most] = typeof row.attempts === 'number' ? [row.attempts, row.attempts] : row.attempts;
  test(`I1: ${row.name}: ${least}${most === least ? '' : ` to ${most}`} ${most === 1 ? 'attempt' : 'attempts'}`, async () => {
    await onStage(async ({ upstream, apply, port, log, proxy }) => {
      const whole: string[] = [];
      const served = new Set<Socket>();
      const up = await upstream((socket, received) => {
        if (served.has(socket) || !isComplete(received)) return;
        served.add(socket);
        whole.push(received);
        act(socket, row.acts[whole.length - 1] ?? (row.acts[row.acts.length - 1] as Act));
      });
      const target = row.refused ? await freePort() : up.port;
      const route = { ...row.route, ...(row.policy && { retry_policy: row.policy }) };
      await apply({
        listeners: [httpListener('in', [routeTo('up', route)], INSIDE)],
        clusters: [cluster('up', [target], row.cluster)],
      });
      const { method = 'GET', bodyBytes = 0, headers = '' } = row.request ?? {};
      const body = 'b'.repeat(bodyBytes);
      const length = bodyBytes > 0 ? `content-length: ${bodyBytes}\r\n` : '';
      const wire = await openWire(port());
      wire.send(`${method} /x HTTP/1.1\r\nhost: a\r\n${length}${headers}\r\n${body}`);
      await eventually(() => log.length === 1, { intervalMs: 5 });
      wire.close();
      assert.deepEqual(log, [row.log]);
      const state = proxy.clusters().find(({ name }) => name === 'up');
      const attempts = row.refused ? (state?.stats.upstream_cx_connect_fail ?? 0) : whole.length;
      assert.ok(attempts >= least && attempts <= most, `${attempts} attempts`);
      for (const text of whole) assert.ok(text.endsWith(`\r\n\r\n${body}`), 'every attempt has the whole body');
      assert.equal(state?.breakers.default.retries, 0);
      assert.equal(state?.breakers.default.requests, 0);
    });
  });
}
