import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { runProxy } from '../agent/run-proxy.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { Histogram } from './histogram.ts';
import type { Stat } from './stats.ts';
import { createRounds, datagramsOf } from './statsd.ts';

const PLAIN = { address: { host: '127.0.0.1', port: 1 }, prefix: 'envoy', maxBytes: 0, withTags: false };

const stat = (type: Stat['type'], name: string, value: number, histogram?: Histogram): Stat => {
  return { name, family: '', labels: {}, type, value, ...(histogram && { counts: histogram.counts() }) };
};

test('counters are told by what they grew, gauges as they are, and neither before they were used', () => {
  const round = createRounds();
  const lines = (...stats: Stat[]) => datagramsOf(round(stats), PLAIN);
  assert.deepEqual(lines(stat('counter', 'a', 0), stat('gauge', 'g', 0), stat('text', 't', 0)), []);
  assert.deepEqual(lines(stat('counter', 'a', 3), stat('gauge', 'g', 2)), ['envoy.a:3|c', 'envoy.g:2|g']);
  assert.deepEqual(lines(stat('counter', 'a', 5), stat('gauge', 'g', 0)), ['envoy.a:2|c', 'envoy.g:0|g']);
  assert.deepEqual(lines(stat('counter', 'a', 5)), ['envoy.a:0|c']);
  assert.deepEqual(lines(stat('counter', 'a', 1)), ['envoy.a:1|c'], 'after a reset');
});

test('values of histograms are told once, many alike by their rate', () => {
  const round = createRounds();
  const histogram = new Histogram();
  const lines = () => datagramsOf(round([stat('histogram', 'h', 0, histogram)]), PLAIN);
  assert.deepEqual(lines(), []);
  for (const value of [5, 7, 7, 7, 7, 1230]) histogram.record(value);
  assert.deepEqual(lines(), ['envoy.h:5|ms', 'envoy.h:7|ms|@0.25', 'envoy.h:1250|ms']);
  histogram.record(7);
  assert.deepEqual(lines(), ['envoy.h:7|ms']);
});

test('DogStatsD has tags, and lines share datagrams', () => {
  const round = createRounds();
  const names = ['cluster.one.upstream_rq_200', 'server.live', 'server.state', 'x'.repeat(90)];
  const sink = { ...PLAIN, maxBytes: 90, withTags: true };
  assert.deepEqual(datagramsOf(round(names.map((name) => stat('counter', name, 1))), sink), [
    'envoy.cluster.upstream_rq:1|c|#envoy.response_code:200,envoy.cluster_name:one',
    'envoy.server.live:1|c\nenvoy.server.state:1|c',
    `envoy.${names[3]}:1|c`,
  ]);
});

const STATSD = 'type.googleapis.com/envoy.config.metrics.v3.StatsdSink';
const sinkAt = (address: string, port: number) => ({
  name: 'envoy.stat_sinks.statsd',
  typed_config: { '@type': STATSD, address: { socket_address: { address, port_value: port, protocol: 'UDP' } }, prefix: 'mine' },
});

test('the sinks of a bootstrap hear of a whole proxy', async (t) => {
  const server = createSocket('udp4');
  t.after(() => server.close());
  const heard: string[] = [];
  server.on('message', (message) => heard.push(String(message)));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const sections = { stats_flush_interval: '0.02s', stats_sinks: [sinkAt('127.0.0.1', server.address().port)] };
  const running = await runProxy({ bootstrap: bootstrapOf({}, sections), logger: silentLogger, appendLog() {} });
  t.after(() => running.close());
  await eventually(() => assert.ok(heard.includes('mine.server.live:1|g')));
});

test('what cannot be told is refused with its path', () => {
  const refused = (sections: Parameters<typeof bootstrapOf>[1], why: RegExp) =>
    assert.throws(
      () => bootstrapOf({}, sections),
      (error: Error) => why.test(String(error)),
    );
  refused({ stats_sinks: [sinkAt('statsd.test', 8125)] }, /stats_sinks\[0\]\.typed_config\.address: must be an IP address/);
  refused(
    { stats_sinks: [{ name: 'a', typed_config: { '@type': STATSD, tcp_cluster_name: 'c' } }] },
    /stats_sinks\[0\]\.typed_config\.tcp_cluster_name: is not supported/,
  );
  refused(
    { stats_sinks: [{ name: 'a', typed_config: { '@type': 'type.googleapis.com/envoy.config.metrics.v3.HystrixSink' } }] },
    /HystrixSink is not supported here/,
  );
  refused({ stats_flush_on_admin: true, stats_sinks: [sinkAt('127.0.0.1', 1)] }, /stats_flush_on_admin: is not supported with sinks/);
});
