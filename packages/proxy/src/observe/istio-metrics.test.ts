import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetricRegistry } from '@lateen/base';
import { compileCel } from '@lateen/base/cel';
import { assertGolden, createVirtualClock } from '@lateen/base/testing';
import { flagBit, type PeerMetadata, type RequestRecord } from '../http/request-record.ts';
import type { IstioStatsRuntime } from '../runtime/index.ts';
import { createIstioMetrics, type Reporter } from './istio-metrics.ts';
import { clusterWithService, NODE, recordOf } from './testdata/record.ts';

const NO_STATS: IstioStatsRuntime = {
  disableHostHeaderFallback: false,
  reporter: 'default',
  tcpReportingIntervalMs: 5000,
  rotationIntervalMs: 0,
  overrides: [],
};

function metricsOf(options: { reporter: Reporter; stats?: IstioStatsRuntime; maxHostServices?: number; maxCombinations?: number }) {
  const registry = createMetricRegistry();
  const clock = createVirtualClock();
  const { maxHostServices = 1000, maxCombinations = 1000 } = options;
  const metrics = createIstioMetrics({ registry, node: NODE, clock, maxHostServices, maxCombinations });
  return { registry, clock, metrics, reporter: metrics.reporter(options.reporter, options.stats) };
}

const PEER: PeerMetadata = {
  id: 'sidecar~10.0.0.8~curl-1.default~default.svc.cluster.local',
  workloadName: 'curl',
  namespace: 'default',
  labels: { app: 'curl' },
  clusterId: 'Kubernetes',
  other: {},
};

/** Label of the only series of a counter. */
function labelsOf(text: string, metric: string): Record<string, string>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`))
    .map((line) => Object.fromEntries([...line.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]])));
}

test('all metrics of a request at the source, by the letter', () => {
  const { registry, reporter } = metricsOf({ reporter: 'source' });
  reporter.http(recordOf());
  reporter.http(recordOf({ durationMs: 99, bytesReceived: 10 }));
  assertGolden(`${import.meta.dirname}/testdata/source-metrics.golden.txt`, registry.expose());
});

test('at the destination the peer comes from its metadata, and the connection says its policy', () => {
  const { registry, reporter } = metricsOf({ reporter: 'destination' });
  const base = recordOf();
  const connection = {
    ...base.connection,
    mutualTls: true,
    peerPrincipal: 'spiffe://cluster.local/ns/default/sa/curl',
    localPrincipal: 'spiffe://cluster.local/ns/default/sa/pp',
    tls: undefined,
  };
  reporter.http({ ...base, connection, downstreamPeer: PEER });
  const [labels] = labelsOf(registry.expose(), 'istio_requests_total');
  assert.equal(Object.keys(labels ?? {}).length, 24);
  assert.deepEqual(
    [labels?.source_workload, labels?.source_version, labels?.source_canonical_revision, labels?.source_principal],
    ['curl', 'unknown', 'latest', 'spiffe://cluster.local/ns/default/sa/curl'],
  );
  assert.deepEqual(
    [labels?.destination_workload, labels?.destination_app, labels?.connection_security_policy],
    ['productpage-v1', 'productpage', 'mutual_tls'],
  );
});

const labelCases: [string, Partial<RequestRecord>, Record<string, string>][] = [
  [
    'passthrough keeps the host and names the cluster',
    { upstreamCluster: 'PassthroughCluster', cluster: clusterWithService(undefined), endpoint: undefined, authority: 'httpbin.org' },
    {
      destination_service: 'httpbin.org',
      destination_service_name: 'PassthroughCluster',
      destination_workload: 'unknown',
      destination_service_namespace: 'unknown',
    },
  ],
  [
    'block_all is BlackHoleCluster',
    { upstreamCluster: '', cluster: undefined, endpoint: undefined, routeName: 'block_all', responseCode: 502, authority: 'httpbin.org' },
    { destination_service: 'httpbin.org', destination_service_name: 'BlackHoleCluster', response_code: '502' },
  ],
  [
    'never reached a workload',
    { endpoint: undefined, responseCode: 503, responseFlags: flagBit('UH') },
    {
      destination_service: 'reviews.default.svc.cluster.local',
      destination_workload: 'unknown',
      destination_workload_namespace: 'unknown',
      response_flags: 'UH',
    },
  ],
  ['no response', { responseCode: 0, responseFlags: flagBit('DC') }, { response_code: '0', response_flags: 'DC' }],
  ['gRPC has its status', { grpcStatus: 14 }, { request_protocol: 'grpc', grpc_response_status: '14' }],
];
for (const [name, fields, expected] of labelCases) {
  test(`labels: ${name}`, () => {
    const { registry, reporter } = metricsOf({ reporter: 'source' });
    reporter.http(recordOf(fields));
    const [labels] = labelsOf(registry.expose(), 'istio_requests_total');
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, labels?.[key]])), expected);
  });
}

test('TCP: sent is the response, and both ends of the connection are counted', () => {
  const { registry, reporter } = metricsOf({ reporter: 'source' });
  const record = recordOf({ kind: 'tcp', responseCode: 0, bytesReceived: 5, bytesSent: 70 });
  reporter.tcpOpened(record);
  reporter.tcpBytes(record, record.bytesReceived, record.bytesSent);
  reporter.tcpClosed(record);
  const text = registry.expose();
  for (const line of [
    /tcp_sent_bytes_total\{.*\} 70\n/,
    /tcp_received_bytes_total\{.*\} 5\n/,
    /opened_total\{.*\} 1\n/,
    /closed_total\{.*\} 1\n/,
  ])
    assert.match(text, line);
  const [labels] = labelsOf(text, 'istio_tcp_sent_bytes_total');
  assert.deepEqual([labels?.request_protocol, labels?.response_code], ['tcp', undefined]);
});

test('dimensions may be expressions: each value is a series, what has none is unknown, and there is an end to them', () => {
  const program = (source: string) => {
    const compiled = compileCel(source);
    assert.ok(compiled.ok);
    return { source, program: compiled.value };
  };
  const dimensions = new Map([
    ['host', program('request.host')],
    ['team', program("has(request.headers['x-team']) ? request.headers['x-team'] : 'none'")],
    ['port', program('string(destination.port)')],
    ['lost', program('request.headers["nope"]')],
  ]);
  const stats = { ...NO_STATS, overrides: [{ metric: 'requests_total', drop: false, dimensions, tagsToRemove: [] }] };
  const { registry, reporter } = metricsOf({ reporter: 'destination', stats, maxCombinations: 2 });
  for (const team of [undefined, 'blue', 'blue', 'red']) reporter.http(recordOf({ headers: team ? { 'x-team': team } : {} }));
  const series = labelsOf(registry.expose(), 'istio_requests_total').map(({ host, team, port, lost }) => [host, team, port, lost]);
  assert.deepEqual(series, [
    ['reviews:9080', 'none', '9080', 'unknown'],
    ['reviews:9080', 'blue', '9080', 'unknown'],
    ['unknown', 'unknown', 'unknown', 'unknown'],
  ]);
});

test('Telemetry overrides add, remove and switch off', () => {
  const stats: IstioStatsRuntime = {
    disableHostHeaderFallback: false,
    reporter: 'default',
    tcpReportingIntervalMs: 5000,
    rotationIntervalMs: 0,
    overrides: [
      { metric: 'request_bytes', drop: true, dimensions: new Map(), tagsToRemove: [] },
      { metric: '', drop: false, dimensions: new Map([['team', 'blue']]), tagsToRemove: ['source_version'] },
    ],
  };
  const { registry, reporter } = metricsOf({ reporter: 'source', stats });
  reporter.http(recordOf());
  const text = registry.expose();
  const [labels] = labelsOf(text, 'istio_requests_total');
  assert.deepEqual([labels?.team, labels?.source_version], ['blue', undefined]);
  assert.doesNotMatch(text, /istio_request_bytes/);
});

test('foreign hosts over the cap share one series', () => {
  const { registry, reporter } = metricsOf({ reporter: 'source', maxHostServices: 2 });
  for (let i = 0; i < 5; i++) reporter.http(recordOf({ cluster: undefined, upstreamCluster: '', authority: `h${i}.test` }));
  const hosts = labelsOf(registry.expose(), 'istio_requests_total').map((labels) => labels.destination_service);
  assert.deepEqual(hosts, ['h0.test', 'h1.test', 'unknown']);
});

test('idle series are evicted, live ones keep counting', () => {
  const { registry, clock, metrics, reporter } = metricsOf({ reporter: 'source' });
  reporter.http(recordOf());
  reporter.http(recordOf({ responseCode: 500 }));
  clock.advance(1000);
  reporter.http(recordOf());
  metrics.evictIdle(500);
  reporter.http(recordOf());
  clock.advance(1000);
  reporter.http(recordOf());
  metrics.evictIdle(500);
  const lines = registry.expose().match(/^istio_requests_total\{.*$/gm);
  assert.equal(lines?.length, 1);
  assert.match(lines?.[0] ?? '', / 4$/);
});
