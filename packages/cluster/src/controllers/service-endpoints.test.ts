import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointConditions, Pod, Service, ServiceSpec } from '@lateen/kube/types';
import { serviceEndpoints, serviceSlices } from './service-endpoints.ts';
import { serviceTable } from './service-table.ts';

type PodOptions = {
  ip?: string;
  ready?: boolean;
  terminating?: boolean;
  phase?: 'Running' | 'Succeeded';
  port?: number;
  spec?: Partial<Pod['spec']>;
};

function pod(name: string, options: PodOptions = {}): Pod {
  const { ip = '10.0.0.1', ready = true, terminating = false, phase = 'Running', port = 9080, spec } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, labels: { app: 'web' }, ...(terminating && { deletionTimestamp: 'now' }) },
    spec: { containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }], nodeName: 'lateen', ...spec },
    status: { phase, podIP: ip, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

function service(spec: Partial<ServiceSpec> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', uid: 'uid-web', labels: { team: 'a' } },
    spec: { clusterIP: '10.96.0.9', selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
  };
}

const zoneOf = () => 'local';
const tableOf = (given: Service, pods: Pod[]) =>
  serviceTable({
    services: [given],
    slices: serviceSlices(given, pods, zoneOf),
    findPod: (_, name) => pods.find(({ metadata }) => metadata.name === name),
  })[0];

const conditions: {
  name: string;
  given: PodOptions;
  spec?: Partial<ServiceSpec>;
  expected: EndpointConditions | undefined;
  inTable: boolean;
}[] = [
  { name: 'a ready pod', given: {}, expected: { ready: true, serving: true, terminating: false }, inTable: true },
  {
    name: 'a pod that is not ready',
    given: { ready: false },
    expected: { ready: false, serving: false, terminating: false },
    inTable: false,
  },
  {
    name: 'a ready pod that is terminating',
    given: { terminating: true },
    expected: { ready: false, serving: true, terminating: true },
    inTable: false,
  },
  { name: 'a finished pod', given: { phase: 'Succeeded' }, expected: undefined, inTable: false },
  {
    name: 'a pod that is not ready, published all the same',
    given: { ready: false },
    spec: { publishNotReadyAddresses: true },
    expected: { ready: true, serving: false, terminating: false },
    inTable: true,
  },
];
for (const { name, given, spec, expected, inTable } of conditions) {
  test(`endpoints: ${name}`, () => {
    const pods = [pod('a', given)];
    const [slice] = serviceSlices(service(spec), pods, zoneOf);
    assert.deepEqual(slice?.endpoints[0]?.conditions, expected);
    assert.deepEqual(tableOf(service(spec), pods)?.ports[0]?.targets, inTable ? [{ host: '10.0.0.1', port: 9080 }] : []);
  });
}

test('pods that serve a named port by other numbers are in slices of their own', () => {
  const pods = [pod('a', { ip: '10.0.0.1', port: 9080 }), pod('b', { ip: '10.0.0.2', port: 9081 })];
  const slices = serviceSlices(service(), pods, zoneOf);
  assert.deepEqual(
    slices.map(({ ports }) => ports?.[0]?.port),
    [9080, 9081],
  );
  assert.notEqual(slices[0]?.metadata.name, slices[1]?.metadata.name);
  assert.deepEqual(tableOf(service(), pods)?.ports[0]?.targets, [
    { host: '10.0.0.1', port: 9080 },
    { host: '10.0.0.2', port: 9081 },
  ]);
  assert.equal(serviceEndpoints(service(), pods).subsets?.length, 2);
});

test('a service without pods has one empty slice with its labels and its owner', () => {
  const [slice, ...more] = serviceSlices(service(), [], zoneOf);
  assert.deepEqual([slice?.endpoints, more], [[], []]);
  assert.deepEqual(slice?.metadata.labels, {
    team: 'a',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  assert.equal(slice?.metadata.ownerReferences?.[0]?.uid, 'uid-web');
});

test('a headless service names its pods in the table, and has no address', () => {
  const headless = service({ clusterIP: 'None', ports: [] });
  const entry = tableOf(headless, [pod('db-0', { spec: { hostname: 'db-0', subdomain: 'web' } }), pod('x', { ip: '10.0.0.2' })]);
  assert.equal(entry?.clusterIP, undefined);
  assert.deepEqual(entry?.addresses, [
    { ip: '10.0.0.1', hostname: 'db-0' },
    { ip: '10.0.0.2', hostname: undefined },
  ]);
});

test('an external name is passed on; slices that people made for a service without selector count', () => {
  assert.equal(tableOf(service({ type: 'ExternalName', externalName: 'example.com' }), [])?.externalName, 'example.com');
  const { selector: _, ...spec } = service().spec;
  const manual = { ...service(), spec };
  const [slice] = serviceSlices(service(), [], zoneOf);
  assert.ok(slice);
  const slices = [{ ...slice, endpoints: [{ addresses: ['192.0.2.7'] }], ports: [{ name: 'http', port: 8080 }] }];
  const [entry] = serviceTable({ services: [manual], slices, findPod: () => undefined });
  assert.deepEqual(entry?.ports[0]?.targets, [{ host: '192.0.2.7', port: 8080 }]);
});
