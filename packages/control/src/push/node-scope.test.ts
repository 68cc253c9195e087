import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EMPTY_SNAPSHOT, ingestAll } from '@lateen/mesh';
import { NodeSchema } from '@lateen/xds/messages/config';
import { parseNodeId, scopeOfNode } from './node-scope.ts';

test('a node id names type, pod and namespace', () => {
  assert.deepEqual(parseNodeId('router~10.0.0.1~gw-1.istio-system~istio-system.svc.cluster.local'), {
    type: 'router',
    ip: '10.0.0.1',
    name: 'gw-1',
    namespace: 'istio-system',
  });
  assert.deepEqual(parseNodeId('sidecar~10.0.0.1~bare~shop.svc.cluster.local'), {
    type: 'sidecar',
    ip: '10.0.0.1',
    name: 'bare',
    namespace: 'shop',
  });
  assert.equal(parseNodeId('anything').namespace, 'default');
});

const node = (init: object) => create(NodeSchema, { id: 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local', ...init });

test("the node's own labels and locality come first, its pod's fill in", () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-1', namespace: 'shop', labels: { app: 'pod' } },
    spec: { containers: [] },
    status: { podIP: '10.0.0.1' },
  };
  const snapshot = ingestAll([pod]);
  assert.deepEqual(scopeOfNode(node({}), snapshot).labels, { app: 'pod' });
  const own = scopeOfNode(node({ metadata: { LABELS: { app: 'own', n: 1 } }, locality: { region: 'r', zone: 'z' } }), snapshot);
  assert.deepEqual(own.labels, { app: 'own' });
  assert.deepEqual(own.locality, { region: 'r', zone: 'z', subzone: '' });
});

test("what its pod says of headers in proxy.istio.io/config is the proxy's", () => {
  const proxyHeaders = { preserveHttp1HeaderCase: true };
  assert.deepEqual(scopeOfNode(node({ metadata: { PROXY_CONFIG: { proxyHeaders } } }), EMPTY_SNAPSHOT).proxyHeaders, proxyHeaders);
  for (const PROXY_CONFIG of [{}, { proxyHeaders: 'x' }, 7]) {
    assert.equal(scopeOfNode(node({ metadata: { PROXY_CONFIG } }), EMPTY_SNAPSHOT).proxyHeaders, undefined);
  }
});

test("a proxy that lists its extensions without Istio's is a stock Envoy", () => {
  assert.equal(scopeOfNode(node({}), EMPTY_SNAPSHOT).hasIstioFilters, true);
  assert.equal(scopeOfNode(node({ extensions: [{ name: 'envoy.filters.http.router' }] }), EMPTY_SNAPSHOT).hasIstioFilters, false);
  assert.equal(scopeOfNode(node({ extensions: [{ name: 'istio.stats' }] }), EMPTY_SNAPSHOT).hasIstioFilters, true);
});
