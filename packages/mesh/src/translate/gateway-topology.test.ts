import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { KubeObject } from '@lateen/kube/types';
import { HttpConnectionManager_ForwardClientCertDetails as ClientCert, HttpConnectionManagerSchema } from '@lateen/xds/messages/config';
import { parseAllDocuments } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { NO_LOCALITY } from '../model/index.ts';
import type { GatewayTopology } from './node-settings.ts';
import { translate } from './translate.ts';

const OBJECTS = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: g, namespace: default }
spec: { selector: { istio: ingressgateway }, servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: default }
spec: { clusterIP: 10.0.0.1, selector: { istio: ingressgateway }, ports: [{ name: http2, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: gw, namespace: default, labels: { istio: ingressgateway } }
spec: { containers: [{ name: istio-proxy }] }
status: { phase: Running, podIP: 10.244.1.1 }
`;
const snapshot = ingestAll(parseAllDocuments(OBJECTS).map((document) => document.toJS() as KubeObject));

function gatewayWith(gatewayTopology?: GatewayTopology) {
  const { listeners } = translate(snapshot, {
    type: 'router',
    namespace: 'default',
    labels: { istio: 'ingressgateway' },
    locality: NO_LOCALITY,
    hasIstioFilters: true,
    ...(gatewayTopology && { gatewayTopology }),
  });
  const listener = listeners.find(({ name }) => name === '0.0.0.0_8080');
  const config = listener?.filterChains[0]?.filters[0]?.configType;
  const manager = config?.case === 'typedConfig' ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined;
  return {
    filters: listener?.listenerFilters.map(({ name }) => name),
    hops: manager?.xffNumTrustedHops,
    clientCert: manager?.forwardClientCertDetails,
  };
}

test('a gateway believes nobody in front of it', () =>
  assert.deepEqual(gatewayWith(), { filters: [], hops: 0, clientCert: ClientCert.SANITIZE_SET }));

test('a gateway behind proxies believes as many hops, what they say of clients, and the PROXY protocol', () =>
  assert.deepEqual(gatewayWith({ numTrustedProxies: 2, forwardClientCertDetails: 'FORWARD_ONLY', proxyProtocol: {} }), {
    filters: ['envoy.filters.listener.proxy_protocol'],
    hops: 2,
    clientCert: ClientCert.FORWARD_ONLY,
  }));
