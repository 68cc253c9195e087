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
  ['ProxyConfig', { concurrency: 2 }, []],
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
