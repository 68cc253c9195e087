import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG } from '../model/index.ts';
import { checkMeshConfigSupport, checkSupport } from './check-support.ts';

const object = (kind: string, spec: unknown, apiVersion = 'networking.istio.io/v1') => ({
  apiVersion,
  kind,
  metadata: { name: 'x', namespace: 'default' },
  spec,
});

const cases: [kind: string, spec: unknown, paths: string[]][] = [
  ['AuthorizationPolicy', {}, ['']],
  [
    'Gateway',
    { servers: [{ port: { number: 80, protocol: 'HTTP' } }, { port: { number: 443, protocol: 'HTTPS' }, tls: { mode: 'SIMPLE' } }] },
    ['spec.servers[1].tls'],
  ],
  ['Gateway', { servers: [{ port: { number: 443, protocol: 'TLS' }, tls: { mode: 'PASSTHROUGH' } }] }, []],
  [
    'DestinationRule',
    { host: 'a', trafficPolicy: { tls: { mode: 'DISABLE' } }, subsets: [{ name: 's', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }] },
    ['spec.subsets[0].trafficPolicy.tls.mode'],
  ],
  [
    'VirtualService',
    { http: [{ match: [{ headers: { '@request.auth.claims.sub': { exact: 'a' } } }] }] },
    ['spec.http[0].match[0].headers'],
  ],
  ['Sidecar', { ingress: [{}], egress: [{ hosts: ['*/*'] }, { port: { number: 1 }, hosts: [] }] }, ['spec.ingress', 'spec.egress[1].port']],
  ['ServiceEntry', { hosts: ['a'], resolution: 'DYNAMIC_DNS' }, ['spec.resolution']],
  [
    'DestinationRule',
    { trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, loadBalancer: { zoneAwareLbSetting: { enabled: true } } }] } },
    ['spec.trafficPolicy.portLevelSettings[0].loadBalancer.zoneAwareLbSetting'],
  ],
  ['Telemetry', { accessLogging: [{ providers: [{ name: 'envoy' }, { name: 'otel' }] }] }, ['spec.accessLogging[0].providers[1]']],
  ['ProxyConfig', { concurrency: 2 }, ['spec.concurrency']],
  ['ProxyConfig', { concurrency: 1, image: { imageType: 'debug' }, environmentVariables: { A: '1' } }, []],
  ['Gateway', null, []],
  ['Telemetry', { tracing: [{}] }, ['spec.tracing']],
  ['ServiceEntry', { hosts: ['a'] }, []],
];

for (const [kind, spec, paths] of cases) {
  test(`${kind} ${JSON.stringify(spec)} is warned about at ${JSON.stringify(paths)}`, () => {
    assert.deepEqual(
      checkSupport(object(kind, spec)).map(({ path }) => path),
      paths,
    );
  });
}

const foreign: [apiVersion: string, kind: string, spec: unknown, isWarned: boolean][] = [
  ['networking.k8s.io/v1', 'Ingress', {}, true],
  ['networking.k8s.io/v1', 'Ingress', { ingressClassName: 'istio' }, true],
  ['networking.k8s.io/v1', 'Ingress', { ingressClassName: 'nginx' }, false],
  ['networking.k8s.io/v1', 'NetworkPolicy', {}, false],
  ['gateway.networking.k8s.io/v1', 'Gateway', { gatewayClassName: 'istio' }, true],
  ['gateway.networking.k8s.io/v1', 'Gateway', { gatewayClassName: 'cilium' }, false],
  ['gateway.networking.k8s.io/v1', 'HTTPRoute', { parentRefs: [{ name: 'g' }] }, true],
  ['gateway.networking.k8s.io/v1', 'GatewayClass', { controllerName: 'x' }, false],
  ['apps/v1', 'Deployment', {}, false],
];
for (const [apiVersion, kind, spec, isWarned] of foreign) {
  test(`${kind} of ${apiVersion} ${JSON.stringify(spec)} is ${isWarned ? 'warned about' : 'left alone'}`, () => {
    assert.deepEqual(
      checkSupport(object(kind, spec, apiVersion)).map(({ code }) => code),
      isWarned ? ['LAT0210'] : [],
    );
  });
}

test('fields of MeshConfig without effect are named, defaults are not', () => {
  assert.deepEqual(checkMeshConfigSupport(DEFAULT_MESH_CONFIG), []);
  const paths = checkMeshConfigSupport({
    ...DEFAULT_MESH_CONFIG,
    discoverySelectors: [{ matchLabels: { mesh: 'on' } }],
    defaultTrafficPolicy: { loadBalancer: { simple: 'RANDOM' } },
    proxyListenPort: 1,
  }).map(({ path }) => path);
  assert.deepEqual(paths, ['discoverySelectors', 'defaultTrafficPolicy', 'proxyListenPort']);
});

const meshCases: [config: unknown, paths: string[]][] = [
  [{ tcpKeepalive: { probes: 3 } }, ['tcpKeepalive']],
  [{ hboneListenPort: 15009 }, ['hboneListenPort']],
  [{ localityLbSetting: { failoverPriority: ['topology.kubernetes.io/region'] } }, ['localityLbSetting.failoverPriority']],
  [{ defaultHttpRetryPolicy: { attempts: 1, retryRemoteLocalities: true } }, []],
];
const proxyCases: [config: unknown, paths: string[]][] = [
  [{ drainDuration: '10s', concurrency: 1, interceptionMode: 'REDIRECT', proxyMetadata: { A: '1' }, image: { imageType: 'debug' } }, []],
  [{ configPath: '/a', binaryPath: '/b' }, ['configPath', 'binaryPath']],
  [{ customConfigFile: '/a', proxyBootstrapTemplatePath: '/b' }, ['customConfigFile', 'proxyBootstrapTemplatePath']],
  [
    { tracing: { sampling: 1 }, zipkinAddress: 'z:1', tracingServiceName: 'CANONICAL_NAME_ONLY' },
    ['tracing', 'zipkinAddress', 'tracingServiceName'],
  ],
  [
    { statsdUdpAddress: 's:1', envoyMetricsServiceAddress: 'm:1', envoyMetricsService: { address: 'm:1' } },
    ['statsdUdpAddress', 'envoyMetricsServiceAddress', 'envoyMetricsService'],
  ],
  [{ envoyAccessLogService: { address: 'a:1' } }, ['envoyAccessLogService']],
  [
    { statNameLength: 200, extraStatTags: ['a'], proxyStatsMatcher: { inclusionPrefixes: ['a'] } },
    ['statNameLength', 'extraStatTags', 'proxyStatsMatcher'],
  ],
  [{ statsFlushInterval: '1s', statsEvictionInterval: '1m' }, ['statsFlushInterval', 'statsEvictionInterval']],
  [{ fileFlushInterval: '2s', fileFlushMinSizeKb: 1 }, ['fileFlushInterval', 'fileFlushMinSizeKb']],
  [{ concurrency: 0, interceptionMode: 'TPROXY', runtimeValues: { a: 'b' } }, ['concurrency', 'interceptionMode', 'runtimeValues']],
  [{ gatewayTopology: { numTrustedProxies: 2, forwardClientCertDetails: 'SANITIZE', proxyProtocol: {} } }, []],
  [{ meshId: 'm', readinessProbe: { tcpSocket: { port: 1 } } }, ['meshId', 'readinessProbe']],
  [{ caCertificatesPem: ['p'], privateKeyProvider: { qat: { pollDelay: '1s' } } }, ['caCertificatesPem', 'privateKeyProvider']],
  [{ proxyHeaders: { server: { disabled: true }, metadataExchangeHeaders: { mode: 'UNDEFINED' } } }, []],
  [{ proxyHeaders: { metadataExchangeHeaders: { mode: 'IN_MESH' } } }, []],
  [{ connectionSettings: 'EDGE' }, ['connectionSettings']],
];
for (const [config, paths] of [
  ...meshCases,
  ...proxyCases.map(([defaultConfig, of]): [unknown, string[]] => [{ defaultConfig }, of.map((path) => `defaultConfig.${path}`)]),
]) {
  test(`MeshConfig ${JSON.stringify(config)} is warned about at ${JSON.stringify(paths)}`, () => {
    assert.deepEqual(
      checkMeshConfigSupport(config).map(({ path }) => path),
      paths,
    );
  });
}
