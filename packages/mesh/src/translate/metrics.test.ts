import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { parse } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { NO_LOCALITY } from '../model/index.ts';
import { accessLogs } from './access-log.ts';
import type { FilterPlace } from './http-filters.ts';
import { statsConfig } from './metrics.ts';
import type { ProxyScope } from './scope.ts';
import { textOf } from './testing.ts';
import { createView } from './view.ts';

const scope: ProxyScope = { type: 'sidecar', namespace: 'default', labels: { app: 'a' }, locality: NO_LOCALITY, hasIstioFilters: true };

/** Specs of Telemetry objects, in YAML's flow style, by namespace and name. */
function viewOf(specs: Readonly<Record<string, string>>) {
  const objects = Object.entries(specs).map(([key, spec]) => {
    const [namespace, name] = key.split('/');
    return { apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata: { namespace, name }, spec: parse(spec) } as KubeObject;
  });
  return createView(ingestAll(objects), scope);
}
const drop = (name: string) => ({ name, drop: true, dimensions: {}, tagsToRemove: [] });

const ROWS: readonly [what: string, specs: Readonly<Record<string, string>>, place: FilterPlace, expected: unknown][] = [
  ['nothing to change', {}, 'outbound', { disableHostHeaderFallback: false }],
  ['a server believes no host header', {}, 'inbound', { disableHostHeaderFallback: true }],
  [
    'one metric off, for servers',
    { 'istio-system/a': 'metrics: [{ overrides: [{ match: { metric: REQUEST_SIZE, mode: SERVER }, disabled: true }] }]' },
    'inbound',
    { disableHostHeaderFallback: true, metrics: [drop('request_bytes')] },
  ],
  [
    'the same, for a client',
    { 'istio-system/a': 'metrics: [{ overrides: [{ match: { metric: REQUEST_SIZE, mode: SERVER }, disabled: true }] }]' },
    'outbound',
    { disableHostHeaderFallback: false },
  ],
  [
    'a narrower Telemetry switches on again, and changes tags',
    {
      'istio-system/a':
        'metrics: [{ overrides: [{ match: { metric: REQUEST_COUNT }, disabled: true, tagOverrides: { a: { value: x } } }] }]',
      'default/b':
        'metrics: [{ overrides: [{ match: { metric: REQUEST_COUNT }, disabled: false, tagOverrides: { a: { operation: REMOVE }, b: { operation: UPSERT, value: request.method } } }] }]',
    },
    'outbound',
    {
      disableHostHeaderFallback: false,
      metrics: [{ name: 'requests_total', drop: false, dimensions: { b: 'request.method' }, tagsToRemove: ['a'] }],
    },
  ],
  [
    'a metric of its own name, and the interval of TCP',
    { 'default/b': 'metrics: [{ reportingInterval: 2s, overrides: [{ match: { customMetric: mine }, disabled: true }] }]' },
    'gateway',
    {
      disableHostHeaderFallback: true,
      tcpReportingDuration: { $typeName: 'google.protobuf.Duration', seconds: 2n, nanos: 0 },
      metrics: [drop('mine')],
    },
  ],
  [
    'every metric off for clients',
    {
      'default/b':
        'metrics: [{ providers: [{ name: prometheus }], overrides: [{ match: { metric: ALL_METRICS, mode: CLIENT }, disabled: true }] }]',
    },
    'outbound',
    undefined,
  ],
  [
    'another provider',
    { 'default/b': 'metrics: [{ providers: [{ name: stackdriver }], overrides: [{ disabled: true }] }]' },
    'outbound',
    { disableHostHeaderFallback: false },
  ],
];

for (const [what, specs, place, expected] of ROWS) {
  test(`metrics: ${what}`, () => assert.deepEqual(statsConfig(viewOf(specs), place), expected));
}

test('a tag changed in every metric is changed in each of the ten', () => {
  const config = statsConfig(
    viewOf({ 'default/b': 'metrics: [{ overrides: [{ tagOverrides: { source_app: { operation: REMOVE } } }] }]' }),
    'outbound',
  );
  assert.equal(config?.metrics?.length, 10);
  assert.ok(config.metrics.every((metric) => 'tagsToRemove' in metric && metric.tagsToRemove?.[0] === 'source_app'));
});

test('an access log has the filter of the narrowest Telemetry that names one', () => {
  const view = viewOf({
    'istio-system/a': 'accessLogging: [{ providers: [{ name: envoy }], filter: { expression: response.code >= 500 } }]',
    'default/b': 'accessLogging: [{ match: { mode: CLIENT }, filter: { expression: response.code >= 400 } }]',
  });
  assert.match(textOf(accessLogs(view, 'CLIENT')), /filters\.cel\.v3\.ExpressionFilter.*response\.code >= 400/);
  assert.match(textOf(accessLogs(view, 'SERVER')), /response\.code >= 500/);
  assert.deepEqual(view.findings, []);
});
