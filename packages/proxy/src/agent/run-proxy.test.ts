import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { parseBootstrap } from '../ads/bootstrap.ts';
import { runProxy } from './run-proxy.ts';

async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((request, response) => response.end(`hello ${request.url}`));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const bootstrapOf = (upstreamPort: number) => `
node: {id: sidecar~10.0.0.1~a.default~default.svc.cluster.local, cluster: a.default, metadata: {NAMESPACE: default, WORKLOAD_NAME: a}}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: front
    traffic_direction: OUTBOUND
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/stdout
              log_format: {text_format_source: {inline_string: "%RESPONSE_CODE% %REQ(:PATH)% %UPSTREAM_CLUSTER% %ROUTE_NAME%\\n"}}
          route_config:
            name: inline
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {name: gone, match: {prefix: /gone}, direct_response: {status: 410}}
              - {name: main, match: {prefix: /}, route: {cluster: back, timeout: 0.25s}}
          http_filters:
          - {name: istio.stats, typed_config: {"@type": type.googleapis.com/stats.PluginConfig}}
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: back
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: back
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${upstreamPort}}}}}]}]
`;

async function start(t: TestContext) {
  let log = '';
  const running = await runProxy({
    bootstrap: parseBootstrap(bootstrapOf(await startUpstream(t)), 'test'),
    logger: silentLogger,
    appendLog: (_path, text) => {
      log += text;
    },
  });
  t.after(() => running.close());
  const front = `http://127.0.0.1:${running.proxy.addressOf('front')?.port}`;
  const admin = `http://127.0.0.1:${running.adminAddress?.port}`;
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(admin + path, init);
    return { status: response.status, body: await response.text() };
  };
  return { running, front, admin, get, log: () => log };
}

test('a static bootstrap serves, logs and counts', async (t) => {
  const { front, get, log } = await start(t);
  assert.equal(await (await fetch(`${front}/x?y=1`)).text(), 'hello /x?y=1');
  assert.equal((await fetch(`${front}/gone`)).status, 410);
  await eventually(() => assert.equal(log(), '200 /x?y=1 back main\n410 /gone - gone\n'));
  const metrics = (await get('/stats/prometheus')).body;
  assert.match(metrics, /^istio_requests_total\{.*response_code="200".*source_workload="a".*\} 1$/m);
  assert.match(metrics, /^envoy_cluster_upstream_rq_total\{envoy_cluster_name="back"\} 1$/m);
  assert.match(metrics, /^envoy_http_downstream_rq_xx\{envoy_response_code_class="4",envoy_http_conn_manager_prefix="front"\} 1$/m);
  assert.match(metrics, /^envoy_server_live\{\} 1$/m);
});

test("the admin interface answers in Envoy's shapes", async (t) => {
  const { front, get, running } = await start(t);
  await (await fetch(front)).text();
  assert.deepEqual(await get('/ready'), { status: 200, body: 'LIVE\n' });
  const dump = JSON.parse((await get('/config_dump')).body);
  assert.deepEqual(
    dump.configs.map((config: { '@type': string }) => config['@type'].split('.').at(-1)),
    ['BootstrapConfigDump', 'ClustersConfigDump', 'ListenersConfigDump', 'ScopedRoutesConfigDump', 'RoutesConfigDump', 'SecretsConfigDump'],
  );
  assert.equal(dump.configs[1].static_clusters[0].cluster.name, 'back');
  assert.equal(dump.configs[2].static_listeners[0].listener['@type'], 'type.googleapis.com/envoy.config.listener.v3.Listener');
  assert.equal(JSON.parse((await get('/config_dump?resource=static_clusters')).body).configs[0].cluster.connect_timeout, '1s');
  assert.equal((await get('/config_dump?resource=nothing')).status, 404);
  const clusters = JSON.parse((await get('/clusters?format=json')).body);
  assert.equal(clusters.cluster_statuses[0].host_statuses[0].health_status.eds_health_status, 'HEALTHY');
  assert.match((await get('/clusters')).body, /^back::127\.0\.0\.1:\d+::rq_total::1$/m);
  assert.equal((await get('/listeners')).body, `front::127.0.0.1:${running.proxy.addressOf('front')?.port}\n`);
  const info = JSON.parse((await get('/server_info')).body);
  assert.deepEqual([info.state ?? 'LIVE', info.node.cluster], ['LIVE', 'a.default']);
  assert.equal((await get('/stats?filter=^cluster.back.upstream_rq_total$')).body, 'cluster.back.upstream_rq_total: 1\n');
  assert.ok(JSON.parse((await get('/stats?format=json&usedonly')).body).stats.length > 3);
  assert.match((await get('/help')).body, /\/config_dump/);
  assert.equal((await get('/nothing')).status, 404);
});

test('what changes something is POST only', async (t) => {
  const { get, running } = await start(t);
  for (const path of ['/quitquitquit', '/drain_listeners', '/logging?level=debug']) assert.equal((await get(path)).status, 405, path);
  assert.equal((await get('/logging?level=warning', { method: 'POST' })).status, 200);
  assert.equal((await get('/logging?level=loud', { method: 'POST' })).status, 400);
  await get('/healthcheck/fail', { method: 'POST' });
  assert.deepEqual(await get('/ready'), { status: 503, body: 'DRAINING\n' });
  await get('/healthcheck/ok', { method: 'POST' });
  assert.equal((await get('/ready')).status, 200);
  await get('/quitquitquit', { method: 'POST' });
  await running.quit;
});

const refusals: [string, string, RegExp][] = [
  ['broken YAML', 'a: [', /not a bootstrap/],
  ['an unknown field', 'nodes: {}', /nodes/],
  [
    'an unsupported section',
    'static_resources: {}\nhds_config: {}\ncertificate_provider_instances: {a: {}}',
    /certificate_provider_instances: is not supported/,
  ],
  [
    'ADS to nowhere',
    'dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: x}}]}}',
    /"x" is not a static cluster/,
  ],
  [
    'ADS over TLS',
    `static_resources:
  clusters:
    - name: x
      load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}
      transport_socket:
        name: tls
        typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}
dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: x}}]}}`,
    /ads_config\.grpc_services\[0\]\.envoy_grpc\.cluster_name: "x" has a transport_socket: TLS/,
  ],
];
for (const [name, text, reason] of refusals) {
  test(`a bootstrap is refused: ${name}`, () => assert.throws(() => parseBootstrap(text, 'b.yaml'), reason));
}

test('static resources that do not compile stop the start with every reason', async () => {
  const bootstrap = parseBootstrap(
    'static_resources: {clusters: [{name: a, health_checks: [{timeout: 1s, interval: 1s, healthy_threshold: 1}]}], listeners: [{name: l}]}',
    'b',
  );
  await assert.rejects(
    runProxy({ bootstrap, logger: silentLogger, appendLog() {} }),
    /cluster "a": health_checks\[0\]\.unhealthy_threshold: is required\n.*health_checks\[0\]: one of http_health_check.* is required\n(?:.*\n)*listener "l"/,
  );
});
