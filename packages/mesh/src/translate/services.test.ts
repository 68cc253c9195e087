// What a sidecar is sent for services of every kind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { KubeObject } from '@lateen/kube/types';
import { Cluster_DiscoveryType, TcpProxySchema, upstreamHttp } from '@lateen/xds/messages/config';
import { parseAllDocuments } from 'yaml';
import { ingestAll } from '../ingest/index.ts';
import { DEFAULT_MESH_CONFIG, type MeshConfig, NO_LOCALITY } from '../model/index.ts';
import { textOf } from './testing.ts';
import { translate } from './translate.ts';

function translated(yaml: string, mesh: Partial<MeshConfig> = {}) {
  const objects = parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject);
  const scope = { type: 'sidecar' as const, namespace: 'default', labels: { app: 'client' }, locality: NO_LOCALITY, hasIstioFilters: true };
  const result = translate(ingestAll(objects, { ...DEFAULT_MESH_CONFIG, ...mesh }), scope);
  const cluster = (name: string) => {
    const found = result.clusters.find((one) => one.name === name);
    return Object.entries(Cluster_DiscoveryType).find(([, type]) => type === found?.clusterDiscoveryType.value)?.[0];
  };
  const virtualHost = (route: string, name: string) =>
    result.routes.find((one) => one.name === route)?.virtualHosts.find((one) => one.name === name);
  const addresses = (name: string) =>
    result.endpoints
      .find(({ clusterName }) => clusterName === name)
      ?.endpoints.flatMap(({ lbEndpoints }) =>
        lbEndpoints.map(({ hostIdentifier }) => {
          const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
          return address?.case === 'socketAddress' ? `${address.value.address}:${Number(address.value.portSpecifier.value)}` : '';
        }),
      );
  return { ...result, cluster, virtualHost, addresses, listenerNames: result.listeners.map(({ name }) => name) };
}

const service = (name: string, spec: string) =>
  `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, namespace: default }, spec: ${spec} }`;
const serviceEntry = (name: string, spec: string) =>
  `{ apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: { name: ${name}, namespace: default }, spec: ${spec} }`;
const slice = (name: string, port: string, endpoints: string) =>
  `{ apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: { name: ${name}-1, namespace: default, labels: { kubernetes.io/service-name: ${name} } }, addressType: IPv4, ports: [${port}], endpoints: ${endpoints} }`;
const documents = (...list: string[]) => list.join('\n---\n');
const outbound = (name: string, port: number) => `outbound|${port}||${name}.default.svc.cluster.local`;

test('TCP services on one port are told apart by their addresses', () => {
  const { listenerNames, findings } = translated(
    documents(
      service('a', '{ clusterIP: 10.0.0.1, ports: [{ name: mysql, port: 3306 }] }'),
      service('b', '{ clusterIP: 10.0.0.2, ports: [{ name: mysql, port: 3306 }] }'),
      service('c', '{ clusterIP: 10.0.0.3, ports: [{ name: http, port: 3306 }] }'),
    ),
  );
  assert.deepEqual(
    listenerNames.filter((name) => name.endsWith('_3306')),
    ['0.0.0.0_3306', '10.0.0.1_3306', '10.0.0.2_3306'],
  );
  assert.deepEqual(findings, []);
});

test('two TCP services without an address on one port are a conflict, and the first keeps the port', () => {
  const entry = (host: string) =>
    serviceEntry(host, `{ hosts: [${host}.example.com], ports: [{ number: 9000, name: tcp, protocol: TCP }], resolution: DNS }`);
  const { findings, listeners } = translated(documents(entry('a'), entry('b')));
  assert.deepEqual(
    findings.map(({ code, resource }) => [code, resource?.name]),
    [['LAT0203', 'b']],
  );
  assert.match(textOf(listeners.find(({ name }) => name === '0.0.0.0_9000')?.defaultFilterChain), /a\.example\.com/);
});

test('a headless service follows the connection, pod by pod, by address and by name', () => {
  const result = translated(
    documents(
      service('web', '{ clusterIP: None, ports: [{ name: http, port: 80 }, { name: redis, port: 6379 }], selector: { app: web } }'),
      slice(
        'web',
        '{ name: redis, port: 6379 }',
        '[{ addresses: [10.1.0.1], hostname: web-0 }, { addresses: [10.1.0.2], hostname: web-1 }]',
      ),
    ),
  );
  assert.equal(result.cluster(outbound('web', 80)), 'ORIGINAL_DST');
  assert.deepEqual(
    result.listenerNames.filter((name) => name.endsWith('_6379')),
    ['10.1.0.1_6379', '10.1.0.2_6379'],
  );
  const domains = result.virtualHost('80', 'web.default.svc.cluster.local:80')?.domains ?? [];
  for (const name of ['web', '*.web', '*.web.default', '*.web.default.svc.cluster.local']) assert.ok(domains.includes(name), name);
});

test('a service without selector has the endpoints of its own slices', () => {
  const { addresses } = translated(
    documents(
      service('db', '{ clusterIP: 10.0.0.1, ports: [{ name: tcp, port: 5432 }] }'),
      slice('db', '{ name: tcp, port: 15432 }', '[{ addresses: [192.0.2.7] }]'),
    ),
  );
  assert.deepEqual(addresses(outbound('db', 5432)), ['192.0.2.7:15432']);
});

test('an ExternalName is resolved by the proxy', () => {
  const { cluster, virtualHost } = translated(
    service('alias', '{ type: ExternalName, externalName: example.com, ports: [{ name: http, port: 80 }] }'),
  );
  assert.equal(cluster(outbound('alias', 80)), 'STRICT_DNS');
  assert.ok(virtualHost('80', 'alias.default.svc.cluster.local:80')?.domains.includes('alias'));
});

const resolutions: [resolution: string, extra: string, type: string][] = [
  ['NONE', '', 'ORIGINAL_DST'],
  ['STATIC', ', endpoints: [{ address: 192.0.2.1 }]', 'EDS'],
  ['DNS', '', 'STRICT_DNS'],
  ['DNS_ROUND_ROBIN', '', 'LOGICAL_DNS'],
];
for (const [resolution, extra, type] of resolutions) {
  test(`a ServiceEntry with resolution ${resolution} becomes a cluster of type ${type}`, () => {
    const { cluster, virtualHost } = translated(
      serviceEntry(
        'x',
        `{ hosts: [x.example.com], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: ${resolution}${extra} }`,
      ),
    );
    assert.equal(cluster('outbound|80||x.example.com'), type);
    assert.ok(virtualHost('80', 'x.example.com:80'));
  });
}

test('a port that names no protocol serves HTTP and everything else', () => {
  const { listeners } = translated(service('any', '{ clusterIP: 10.0.0.1, ports: [{ port: 7000 }] }'));
  const listener = listeners.find(({ name }) => name === '10.0.0.1_7000');
  assert.deepEqual(
    listener?.filterChains.map(({ filterChainMatch }) => filterChainMatch?.applicationProtocols),
    [['http/1.1', 'h2c']],
  );
  assert.ok(listener?.defaultFilterChain);
  assert.deepEqual(
    listener?.listenerFilters.map(({ name }) => name),
    ['envoy.filters.listener.tls_inspector', 'envoy.filters.listener.http_inspector'],
  );
});

const http = service('web', '{ clusterIP: 10.0.0.1, ports: [{ name: http, port: 80 }] }');

test('a Host that is no service, such as the address of a pod, passes through', () => {
  const action = translated(http).virtualHost('80', 'allow_any')?.routes[0]?.action;
  assert.equal(action?.case === 'route' && action.value.clusterSpecifier.value, 'PassthroughCluster');
});

const sidecar = (spec: string) =>
  `{ apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: { name: default, namespace: default }, spec: ${spec} }`;
const registryOnly: [name: string, yaml: string, mesh: Partial<MeshConfig>][] = [
  ['the mesh', http, { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }],
  ['a Sidecar', documents(http, sidecar('{ outboundTrafficPolicy: { mode: REGISTRY_ONLY } }')), {}],
];
for (const [name, yaml, mesh] of registryOnly) {
  test(`with REGISTRY_ONLY from ${name}, unknown HTTP gets 502 and unknown TCP is closed`, () => {
    const result = translated(yaml, mesh);
    const action = result.virtualHost('80', 'block_all')?.routes[0]?.action;
    assert.equal(action?.case === 'directResponse' && action.value.status, 502);
    assert.equal(result.virtualHost('80', 'allow_any'), undefined);
    const catchAll = result.listeners[0]?.filterChains.at(-1);
    assert.match(textOf(catchAll), /BlackHoleCluster/);
    assert.doesNotMatch(textOf(catchAll), /PassthroughCluster/);
  });
}

test('the idle timeout of a TCP destination is its own', () => {
  const rule =
    '{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: { name: r, namespace: default }, spec: { host: db, trafficPolicy: { connectionPool: { tcp: { idleTimeout: 90s } } } } }';
  const { listeners } = translated(documents(service('db', '{ clusterIP: 10.0.0.1, ports: [{ name: tcp, port: 5432 }] }'), rule));
  const proxy = listeners.find(({ name }) => name === '10.0.0.1_5432')?.defaultFilterChain?.filters.at(-1)?.configType;
  const tcp = proxy?.case === 'typedConfig' ? anyUnpack(proxy.value, TcpProxySchema) : undefined;
  assert.equal(tcp?.idleTimeout?.seconds, 90n);
});

for (const [mesh, own, isHttp2] of [
  ['UPGRADE', undefined, true],
  ['UPGRADE', 'DO_NOT_UPGRADE', false],
  ['DO_NOT_UPGRADE', 'UPGRADE', true],
] as const) {
  test(`h2UpgradePolicy ${own ?? 'unset'} under a mesh with ${mesh} ${isHttp2 ? 'speaks' : 'does not speak'} HTTP/2 upstream`, () => {
    const rule = `{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: { name: r, namespace: default }, spec: { host: web, trafficPolicy: { connectionPool: { http: { ${own ? `h2UpgradePolicy: ${own}` : ''} } } } } }`;
    const { clusters } = translated(documents(http, rule), { h2UpgradePolicy: mesh });
    const options = clusters.find(({ name }) => name === outbound('web', 80))?.typedExtensionProtocolOptions;
    const packed = options?.['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'];
    const protocol = packed && anyUnpack(packed, upstreamHttp.HttpProtocolOptionsSchema)?.upstreamProtocolOptions;
    const version = protocol?.case === 'explicitHttpConfig' ? protocol.value.protocolConfig.case : undefined;
    assert.equal(version === 'http2ProtocolOptions', isHttp2);
  });
}
