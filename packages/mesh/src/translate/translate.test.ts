import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { parseAllDocuments } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { NO_LOCALITY } from '../model/index.ts';
import type { ProxyScope } from './scope.ts';
import { translate } from './translate.ts';

const objects = (text: string): KubeObject[] => parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
const scope: ProxyScope = {
  type: 'sidecar',
  namespace: 'default',
  labels: { app: 'client' },
  locality: NO_LOCALITY,
  hasIstioFilters: true,
};

const services = (names: string[], extra = '') =>
  names
    .map(
      (name) =>
        `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, namespace: ${name === 'far' ? 'other' : 'default'}${extra} }, spec: { clusterIP: 10.0.0.1, ports: [{ name: http, port: 80 }] } }`,
    )
    .join('\n---\n');
const outbound = (snapshot: ReturnType<typeof ingestAll>, over: Partial<ProxyScope> = {}) =>
  translate(snapshot, { ...scope, ...over })
    .clusters.map(({ name }) => name)
    .filter((name) => name.startsWith('outbound'));

test('equal inputs give equal outputs, whatever the order of objects', () => {
  const all = objects(services(['near', 'far', 'third']));
  assert.deepEqual(translate(ingestAll(all), scope), translate(ingestAll(all.toReversed()), scope));
});

test('a Sidecar narrows what its namespace sees', () => {
  const sidecar =
    '{ apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: { name: default, namespace: default }, spec: { egress: [{ hosts: ["./*"] }] } }';
  const snapshot = ingestAll(objects(`${services(['near', 'far'])}\n---\n${sidecar}`));
  assert.deepEqual(outbound(snapshot), ['outbound|80||near.default.svc.cluster.local']);
  assert.equal(outbound(snapshot, { namespace: 'other' }).length, 2);
});

test('a service exported to its own namespace is not seen elsewhere', () => {
  const snapshot = ingestAll(objects(services(['far'], ', annotations: { networking.istio.io/exportTo: . }')));
  assert.deepEqual(outbound(snapshot), []);
  assert.equal(outbound(snapshot, { namespace: 'other' }).length, 1);
});

test("the client's DestinationRule beats the service's, and a private one is seen only at home", () => {
  const rule = (namespace: string, subset: string) =>
    `{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: { name: r, namespace: ${namespace} }, spec: { host: far.other.svc.cluster.local, exportTo: [${namespace === 'default' ? '.' : '"*"'}], subsets: [{ name: ${subset} }] } }`;
  const snapshot = ingestAll(objects(`${services(['far'])}\n---\n${rule('default', 'mine')}\n---\n${rule('other', 'theirs')}`));
  const subsets = (namespace: string) => outbound(snapshot, { namespace }).map((name) => name.split('|')[2]);
  assert.deepEqual(subsets('default'), ['', 'mine']);
  assert.deepEqual(subsets('third'), ['', 'theirs']);
});

test("a stock Envoy gets none of Istio's own filters", () => {
  const snapshot = ingestAll(objects(services(['near'])));
  const filters = (hasIstioFilters: boolean) =>
    translate(snapshot, { ...scope, hasIstioFilters }).listeners.flatMap(({ filterChains }) =>
      filterChains.flatMap((chain) => chain.filters.map(({ name }) => name)),
    );
  assert.ok(filters(true).includes('istio.stats'));
  assert.ok(!filters(false).includes('istio.stats'));
});

const located = (namespace: string, outlier: boolean) =>
  ingestAll(
    objects(`${services(['near'])}
---
{ apiVersion: v1, kind: Node, metadata: { name: a, labels: { topology.kubernetes.io/region: one, topology.kubernetes.io/zone: x } } }
---
{ apiVersion: v1, kind: Node, metadata: { name: b, labels: { topology.kubernetes.io/region: two, topology.kubernetes.io/zone: y } } }
---
{ apiVersion: v1, kind: Service, metadata: { name: spread, namespace: ${namespace} }, spec: { clusterIP: 10.0.0.2, ports: [{ name: http, port: 80 }], selector: { app: spread } } }
---
{ apiVersion: v1, kind: Pod, metadata: { name: p1, namespace: ${namespace}, labels: { app: spread } }, spec: { nodeName: a, containers: [] }, status: { podIP: 10.1.0.1 } }
---
{ apiVersion: v1, kind: Pod, metadata: { name: p2, namespace: ${namespace}, labels: { app: spread } }, spec: { nodeName: b, containers: [] }, status: { podIP: 10.1.0.2 } }
---
{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: { name: spread, namespace: ${namespace} }, spec: { host: spread, trafficPolicy: { ${outlier ? 'outlierDetection: { consecutive5xxErrors: 1 }' : ''} } } }`),
  );

test('remote localities get a lower priority only when outlier detection can fail over to them', () => {
  const priorities = (outlier: boolean) =>
    translate(located('default', outlier), { ...scope, locality: { region: 'one', zone: 'x', subzone: '' } })
      .endpoints.find(({ clusterName }) => clusterName.includes('spread'))
      ?.endpoints.map(({ locality, priority }) => `${locality?.region}=${priority}`);
  assert.deepEqual(priorities(true), ['one=0', 'two=1']);
  assert.deepEqual(priorities(false), ['one=0', 'two=0']);
});
