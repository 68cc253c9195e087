import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { ingest, ingestAll, NO_LOCALITY } from '@lateen/mesh';
import { type ProxyScope, translate } from '@lateen/mesh/translate';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE } from '@lateen/xds/server';
import { createConfigurationCache } from './configuration-cache.ts';

const service = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { clusterIP: '10.0.0.1', ports: [{ name: 'http', port: 80, targetPort: 8080 }], selector: { app: name } },
});
const pod = (name: string, podIP: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: { containers: [] },
  status: { podIP },
});
const rule = (spec: unknown): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'r', namespace: 'default' },
  spec,
});
const scope = (app: string): ProxyScope => ({
  type: 'sidecar',
  namespace: 'default',
  labels: { app },
  locality: NO_LOCALITY,
  hasIstioFilters: true,
});
const apply = (object: KubeObject) => [{ type: 'apply' as const, object }];

const base = ingestAll([service('a'), service('b'), pod('a', '10.1.0.1'), pod('b', '10.1.0.2')]);

test('what the cache serves is what translate gives', () => {
  const { resources } = createConfigurationCache().get(base, scope('a'));
  const expected = translate(base, scope('a'));
  assert.deepEqual(
    [...(resources.get(CLUSTER_TYPE)?.keys() ?? [])],
    expected.clusters.map(({ name }) => name),
  );
  assert.deepEqual(
    [...(resources.get(LISTENER_TYPE)?.keys() ?? [])],
    expected.listeners.map(({ name }) => name),
  );
});

test('workloads of a namespace share what they need as clients', () => {
  const cache = createConfigurationCache();
  const [a, b] = ['a', 'b'].map((app) => cache.get(base, scope(app)).resources);
  assert.equal(a?.get(ENDPOINT_TYPE), b?.get(ENDPOINT_TYPE));
  const name = 'outbound|80||a.default.svc.cluster.local';
  assert.equal(a?.get(CLUSTER_TYPE)?.get(name), b?.get(CLUSTER_TYPE)?.get(name));
  assert.notEqual(a?.get(LISTENER_TYPE), b?.get(LISTENER_TYPE));
});

test('a rule for some clients only tells them apart again', () => {
  const snapshot = ingest(
    base,
    apply(
      rule({
        hosts: ['b'],
        http: [
          {
            match: [{ sourceLabels: { app: 'a' } }],
            fault: { abort: { httpStatus: 418, percentage: { value: 100 } } },
            route: [{ destination: { host: 'b' } }],
          },
        ],
      }),
    ),
  );
  const cache = createConfigurationCache();
  assert.notDeepEqual(translate(snapshot, scope('a')).routes, translate(snapshot, scope('b')).routes);
  assert.notEqual(cache.get(snapshot, scope('a')).resources, cache.get(snapshot, scope('b')).resources);
});

test('a change that concerns nothing served gives the very same set', () => {
  const cache = createConfigurationCache();
  const before = cache.get(base, scope('a')).resources;
  const heartbeat = { ...pod('a', '10.1.0.1'), metadata: { name: 'a', namespace: 'default', labels: { app: 'a' }, resourceVersion: '2' } };
  assert.equal(cache.get(ingest(base, apply(heartbeat)), scope('a')).resources, before);
});

test('an endpoint change touches only the endpoints of its service', () => {
  const cache = createConfigurationCache();
  const before = cache.get(base, scope('a')).resources;
  const after = cache.get(ingest(base, apply(pod('b', '10.1.0.9'))), scope('a')).resources;
  assert.equal(after.get(CLUSTER_TYPE), before.get(CLUSTER_TYPE));
  assert.equal(after.get(LISTENER_TYPE), before.get(LISTENER_TYPE));
  const changed = [...(after.get(ENDPOINT_TYPE) ?? [])]
    .filter(([name, resource]) => before.get(ENDPOINT_TYPE)?.get(name) !== resource)
    .map(([name]) => name);
  assert.deepEqual(changed, ['outbound|80||b.default.svc.cluster.local']);
});

test('scopes that nobody asks about any more are forgotten', () => {
  const cache = createConfigurationCache();
  cache.get(base, scope('a'));
  cache.get(base, scope('b'));
  cache.sweep();
  cache.get(base, scope('a'));
  const before = cache.size;
  cache.sweep();
  assert.ok(cache.size < before);
});
