import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@lateen/kube/types';
import { parseAllDocuments } from 'yaml';
import { DEFAULT_MESH_CONFIG } from '../model/index.ts';
import { ingest, ingestAll, withMeshConfig } from './ingest.ts';

const objects = (text: string): KubeObject[] => parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
const object = (text: string): KubeObject => objects(text)[0] as KubeObject;

const REVIEWS = 'default/reviews.default.svc.cluster.local';
const RATINGS = 'default/ratings.default.svc.cluster.local';

const service = (name: string, extra = '') =>
  object(
    `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, namespace: default }, spec: { clusterIP: 10.0.0.1, ports: [{ name: http, port: 80, targetPort: web }], selector: { app: ${name} }${extra} } }`,
  );
const pod = (name: string, { ready = true, version = 'v1', address = '10.1.0.1' } = {}) =>
  object(`
apiVersion: v1
kind: Pod
metadata:
  { name: ${name}-abc-1, namespace: default, labels: { app: ${name}, version: ${version}, pod-template-hash: abc }, ownerReferences: [{ apiVersion: apps/v1, kind: ReplicaSet, name: ${name}-abc, uid: x, controller: true }] }
spec: { nodeName: one, serviceAccountName: sa-${name}, containers: [{ name: app, ports: [{ name: web, containerPort: 8080 }] }] }
status: { podIP: ${address}, conditions: [{ type: Ready, status: '${ready ? 'True' : 'False'}' }] }`);
const slice = (name: string, ready: boolean) =>
  object(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.1.0.1], conditions: { ready: ${ready} }, targetRef: { kind: Pod, namespace: default, name: ${name}-abc-1 } }]`);
const node = (zone: string) =>
  object(
    `{ apiVersion: v1, kind: Node, metadata: { name: one, labels: { topology.kubernetes.io/region: r, topology.kubernetes.io/zone: ${zone} } } }`,
  );

const apply = (...list: KubeObject[]) => list.map((one) => ({ type: 'apply' as const, object: one }));

test('an endpoint is the slice joined with its pod and node', () => {
  const { endpoints } = ingestAll([node('z'), service('reviews'), pod('reviews'), slice('reviews', true)]);
  const [endpoint] = endpoints.get(REVIEWS) ?? [];
  assert.equal(endpoint?.port, 8080);
  assert.equal(endpoint?.workload.workloadName, 'reviews');
  assert.equal(endpoint?.workload.serviceAccount, 'sa-reviews');
  assert.deepEqual(endpoint?.workload.locality, { region: 'r', zone: 'z', subzone: '' });
});

test('the order in which objects arrive does not matter', () => {
  const all = [node('z'), service('reviews'), pod('reviews'), slice('reviews', true)];
  const forward = ingestAll(all);
  const backward = ingestAll(all.toReversed());
  assert.deepEqual(backward.endpoints.get(REVIEWS), forward.endpoints.get(REVIEWS));
});

test('without slices the selected pods that are ready are the endpoints', () => {
  const before = ingestAll([service('reviews'), pod('reviews', { ready: false })]);
  assert.deepEqual(before.endpoints.get(REVIEWS), []);
  const after = ingest(before, apply(pod('reviews')));
  assert.equal(after.endpoints.get(REVIEWS)?.[0]?.port, 8080, 'the named target port is resolved');
});

test('an address that is not ready is an endpoint only of a service that publishes it', () => {
  assert.equal(ingestAll([service('reviews'), slice('reviews', false)]).endpoints.get(REVIEWS)?.length, 0);
  assert.equal(
    ingestAll([service('reviews', ', publishNotReadyAddresses: true'), slice('reviews', false)]).endpoints.get(REVIEWS)?.length,
    1,
  );
});

test('a change shares everything it does not touch', () => {
  const before = ingestAll([service('reviews'), service('ratings'), pod('reviews'), pod('ratings', { address: '10.1.0.2' })]);
  const after = ingest(before, apply(pod('reviews', { version: 'v2' })));
  assert.notEqual(after.endpoints.get(REVIEWS), before.endpoints.get(REVIEWS));
  assert.equal(after.endpoints.get(RATINGS), before.endpoints.get(RATINGS));
  assert.equal(after.services, before.services);
});

test('a heartbeat changes no endpoint, service or workload', () => {
  const before = ingestAll([service('reviews'), pod('reviews')]);
  const heartbeat = pod('reviews');
  heartbeat.metadata.resourceVersion = '99';
  const after = ingest(before, apply(heartbeat));
  assert.equal(after.endpoints, before.endpoints);
  assert.equal(after.services, before.services);
  assert.equal(after.workloads, before.workloads);
});

test('kinds the mesh does not read, and the Gateway API, leave the snapshot itself', () => {
  const before = ingestAll([service('reviews')]);
  const foreign = object(
    '{ apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: { name: g, namespace: default }, spec: {} }',
  );
  assert.equal(ingest(before, apply(object('{ apiVersion: v1, kind: Secret, metadata: { name: s } }'), foreign)), before);
});

test('deleting a service and its pod takes its endpoints away', () => {
  const before = ingestAll([service('reviews'), pod('reviews')]);
  const after = ingest(before, [
    { type: 'delete', object: service('reviews') },
    { type: 'delete', object: pod('reviews') },
  ]);
  assert.equal(after.services.size + after.workloads.size + after.endpoints.size, 0);
});

test('a ServiceEntry that loses a host loses its service, and selects workloads and pods', () => {
  const entry = (hosts: string) =>
    object(
      `{ apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: { name: e, namespace: default }, spec: { hosts: ${hosts}, resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }], workloadSelector: { labels: { app: reviews } } } }`,
    );
  const before = ingestAll([entry('[a.example.com, b.example.com]'), pod('reviews')]);
  assert.deepEqual([...before.services.keys()], ['default/a.example.com', 'default/b.example.com']);
  assert.equal(before.endpoints.get('default/a.example.com')?.[0]?.address, '10.1.0.1');
  const after = ingest(before, apply(entry('[a.example.com]')));
  assert.deepEqual([...after.services.keys()], ['default/a.example.com']);
});

test('another cluster domain names every service anew', () => {
  const before = ingestAll([service('reviews')]);
  const after = withMeshConfig(before, { ...DEFAULT_MESH_CONFIG, clusterDomain: 'example.org' });
  assert.deepEqual([...after.services.keys()], ['default/reviews.default.svc.example.org']);
});
