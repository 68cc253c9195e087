import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDownwardFile, parseProxyEnvironment } from './environment.ts';

const ARGV = ['proxy', 'sidecar', '--domain', 'default.svc.cluster.local', '--proxyLogLevel=warning', '--log_output_level=default:info'];
const ENV = {
  POD_NAME: 'reviews-v1-abc',
  POD_NAMESPACE: 'default',
  INSTANCE_IP: '10.244.0.7',
  SERVICE_ACCOUNT: 'bookinfo-reviews',
  PROXY_CONFIG: '{"discoveryAddress":"istiod.istio-system.svc:15010","terminationDrainDuration":"2s"}\n',
  ISTIO_META_CLUSTER_ID: 'Kubernetes',
  ISTIO_META_WORKLOAD_NAME: 'reviews-v1',
  ISTIO_META_OWNER: 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
  ISTIO_META_INTERCEPTION_MODE: 'REDIRECT',
  ISTIO_META_POD_PORTS: '[\n    {"containerPort":9080,"protocol":"TCP"}\n]',
  ISTIO_META_MESH_ID: 'cluster.local',
  ISTIO_METAJSON_LABELS: '{"extra":"1"}',
  ISTIO_KUBE_APP_PROBERS: '{"/app-health/reviews/livez":{"httpGet":{"path":"/health","port":9080,"scheme":"HTTP"},"timeoutSeconds":1}}',
  ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"true","path":"","port":"9090"}',
  UNRELATED: 'x',
};
const POD = { labels: { app: 'reviews', version: 'v1' }, annotations: { a: 'b' } };

test('a sidecar knows who it is from what the injector wrote', () => {
  const environment = parseProxyEnvironment(ENV, ARGV, POD);
  assert.equal(environment.node.id, 'sidecar~10.244.0.7~reviews-v1-abc.default~default.svc.cluster.local');
  assert.equal(environment.node.cluster, 'reviews.default');
  assert.deepEqual(environment.discoveryAddress, { host: 'istiod.istio-system.svc', port: 15010 });
  assert.deepEqual(
    [environment.statusPort, environment.adminPort, environment.terminationDrainMs, environment.drainMs],
    [15020, 15000, 2000, 45_000],
  );
  assert.equal(environment.exitOnZeroConnections, undefined);
  assert.deepEqual(environment.appMetrics, [{ port: 9090, path: '/metrics' }]);
  assert.equal(environment.appProbers.get('/app-health/reviews/livez')?.httpGet?.port, 9080);
  assert.deepEqual(environment.node.metadata, {
    NAME: 'reviews-v1-abc',
    NAMESPACE: 'default',
    INSTANCE_IPS: '10.244.0.7',
    ISTIO_VERSION: '1.30.0',
    ENVOY_STATUS_PORT: 15021,
    ENVOY_PROMETHEUS_PORT: 15090,
    LABELS: { app: 'reviews', version: 'v1', extra: '1' },
    ANNOTATIONS: { a: 'b' },
    PROXY_CONFIG: { discoveryAddress: 'istiod.istio-system.svc:15010', terminationDrainDuration: '2s' },
    SERVICE_ACCOUNT: 'bookinfo-reviews',
    CLUSTER_ID: 'Kubernetes',
    WORKLOAD_NAME: 'reviews-v1',
    OWNER: 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
    INTERCEPTION_MODE: 'REDIRECT',
    POD_PORTS: '[\n    {"containerPort":9080,"protocol":"TCP"}\n]',
    MESH_ID: 'cluster.local',
  });
});

test('a gateway is a router, and a program name may stand before the command', () => {
  const environment = parseProxyEnvironment({ ...ENV, PROXY_CONFIG: undefined }, ['/usr/local/bin/pilot-agent', 'proxy', 'router'], {
    labels: {},
    annotations: {},
  });
  assert.equal(environment.node.id, 'router~10.244.0.7~reviews-v1-abc.default~default.svc.cluster.local');
  assert.equal(environment.node.cluster, 'istio-proxy.default');
  assert.deepEqual(environment.discoveryAddress, { host: 'istiod.istio-system.svc', port: 15012 });
});

test('applications may have several places with metrics', () => {
  const targets = [
    { port: '9090', path: '' },
    { port: '9091', path: '/m' },
  ];
  const annotations = JSON.stringify({ scrape: 'true', path: '', port: '9090', targets });
  const { appMetrics } = parseProxyEnvironment({ ...ENV, ISTIO_PROMETHEUS_ANNOTATIONS: annotations }, ARGV, POD);
  assert.deepEqual(appMetrics, [
    { port: 9090, path: '/metrics' },
    { port: 9091, path: '/m' },
  ]);
});

test('draining until the last connection has a minimum', () => {
  const environment = parseProxyEnvironment({ ...ENV, EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: '1s' }, ARGV, POD);
  assert.deepEqual(environment.exitOnZeroConnections, { minimumDrainMs: 1000 });
});

const errors: [string, Record<string, string | undefined>, string[], RegExp][] = [
  ['no pod name', { POD_NAME: undefined }, ARGV, /POD_NAME: it is not set/],
  ['an unknown role', {}, ['proxy', 'waypoint'], /expected "proxy sidecar" or "proxy router"/],
  ['another program', {}, ['sleep', '1'], /arguments/],
  ['a broken proxy configuration', { PROXY_CONFIG: '[' }, ARGV, /PROXY_CONFIG/],
  [
    'a discovery address without port',
    { PROXY_CONFIG: '{"discoveryAddress":"istiod"}' },
    ARGV,
    /discoveryAddress: "istiod" is not host:port/,
  ],
  ['broken probers', { ISTIO_KUBE_APP_PROBERS: '{' }, ARGV, /ISTIO_KUBE_APP_PROBERS/],
];
for (const [name, env, argv, reason] of errors) {
  test(`refused: ${name}`, () => assert.throws(() => parseProxyEnvironment({ ...ENV, ...env }, argv, POD), reason));
}

test('downward API files are lines of quoted values', () => {
  assert.deepEqual(parseDownwardFile('app="reviews"\nnote="a \\"b\\"\\n=c"\nodd="\\x"\n\n'), {
    app: 'reviews',
    note: 'a "b"\n=c',
    odd: '\\x',
  });
});
