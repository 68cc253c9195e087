import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import type { Transport } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages';
import { type AdsEvent, createAdsServer, type EncodedResource, encodeResource, type ResourceSet, type XdsClient } from '@lateen/xds/server';
import { TYPE_URLS } from '../ads/live-config.ts';
import { messageRegistry } from '../ads/registry.ts';
import { createHostTransport } from '../io/host-transport.ts';
import { runSidecar } from './run-sidecar.ts';

/** Nobody gets it. */
const TAKEN_PORT = 9999;

/** The host's network with every fixed port moved to a free one. */
function movedPorts() {
  const host = createHostTransport();
  const ports = new Map<number, number>();
  const transport: Transport = {
    ...host,
    async listen(options, onConnection) {
      if (options.port === TAKEN_PORT) throw new Error('it is taken');
      const listener = await host.listen({ ...options, host: '127.0.0.1', port: 0 }, onConnection);
      ports.set(options.port, listener.address.port);
      return listener;
    },
  };
  return { transport, portOf: (port: number) => ports.get(port) ?? 0 };
}

const CORE = 'type.googleapis.com/envoy.extensions.filters';
const listener: JsonObject = {
  name: '0.0.0.0_9080',
  trafficDirection: 'OUTBOUND',
  address: { socketAddress: { address: '0.0.0.0', portValue: 9080 } },
  filterChains: [
    {
      filters: [
        {
          name: 'hcm',
          typedConfig: {
            '@type': `${CORE}.network.http_connection_manager.v3.HttpConnectionManager`,
            statPrefix: 'outbound_0.0.0.0_9080',
            rds: { routeConfigName: '9080', configSource: { ads: {} } },
            httpFilters: [
              { name: 'istio.stats', typedConfig: { '@type': 'type.googleapis.com/stats.PluginConfig' } },
              { name: 'router', typedConfig: { '@type': `${CORE}.http.router.v3.Router` } },
            ],
          },
        },
      ],
    },
  ],
};
const route = (cluster: string, extra: JsonObject = {}): JsonObject => ({
  name: '9080',
  virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster, ...extra } }] }],
});
const cluster: JsonObject = { name: 'app', type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} } }, connectTimeout: '1s' };
const endpoints = (port: number): JsonObject => ({
  clusterName: 'app',
  endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } } }] }],
});

const SCHEMAS = {
  cluster: ClusterSchema,
  endpoints: ClusterLoadAssignmentSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
};
type Configuration = { [K in keyof typeof SCHEMAS]: JsonObject[] };

function resourcesOf(configuration: Configuration): ResourceSet {
  const kinds = Object.keys(SCHEMAS) as (keyof typeof SCHEMAS)[];
  return new Map(
    kinds.map((kind) => {
      const encoded = configuration[kind].map((json): [string, EncodedResource] => {
        const name = String(json.name ?? json.clusterName);
        return [
          name,
          encodeResource(
            name,
            SCHEMAS[kind],
            fromJson(SCHEMAS[kind] as typeof ClusterSchema, json, { registry: messageRegistry() }) as never,
          ),
        ];
      });
      return [TYPE_URLS[kind], new Map(encoded)];
    }),
  );
}

async function startControlPlane(t: TestContext, initial: Configuration) {
  let resources = resourcesOf(initial);
  let version = 1;
  const events: AdsEvent[] = [];
  const nodes: XdsClient[] = [];
  const server = createAdsServer({
    resources: () => resources,
    version: () => String(version),
    onEvent(client, event) {
      events.push(event);
      if (event.type === 'connect') nodes.push(client);
    },
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  return {
    port,
    events,
    nodes,
    push(next: Configuration) {
      resources = resourcesOf(next);
      version++;
      server.push();
    },
  };
}

async function startApp(t: TestContext): Promise<number> {
  const app = createServer((request, response) => {
    response.end(request.url === '/metrics' ? '# TYPE app_requests counter\napp_requests 3\n# EOF\n' : `app ${request.url}`);
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    app.closeAllConnections();
    app.close();
  });
  return (app.address() as AddressInfo).port;
}

async function start(t: TestContext) {
  const appPort = await startApp(t);
  const configuration = { listener: [listener], route: [route('app')], cluster: [cluster], endpoints: [endpoints(appPort)] };
  const controlPlane = await startControlPlane(t, configuration);
  const podInfoDir = await mkdtemp(join(tmpdir(), 'lateen-podinfo-'));
  t.after(() => rm(podInfoDir, { recursive: true }));
  await writeFile(join(podInfoDir, 'labels'), 'app="curl"\n');
  const { transport, portOf } = movedPorts();
  const stop = new AbortController();
  let log = '';
  const exit = runSidecar({
    argv: ['proxy', 'sidecar', '--proxyLogLevel=warning'],
    env: {
      POD_NAME: 'curl-1',
      POD_NAMESPACE: 'default',
      INSTANCE_IP: '127.0.0.1',
      ISTIO_META_WORKLOAD_NAME: 'curl',
      PROXY_CONFIG: '{"discoveryAddress":"istiod.istio-system.svc:15010","terminationDrainDuration":"100ms"}',
      ISTIO_KUBE_APP_PROBERS: JSON.stringify({ '/app-health/curl/livez': { httpGet: { path: '/live', port: appPort } } }),
      ISTIO_PROMETHEUS_ANNOTATIONS: JSON.stringify({ scrape: 'true', path: '/metrics', port: String(appPort) }),
    },
    transport,
    podInfoDir,
    stop: stop.signal,
    resolveAddress: ({ host }) => ({ host: host === 'istiod.istio-system.svc' ? '127.0.0.1' : host, port: controlPlane.port }),
    write: (text) => {
      log += text;
    },
  });
  t.after(async () => {
    stop.abort();
    await exit;
  });
  const get = async (port: number, path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${portOf(port)}${path}`, init);
    return { status: response.status, body: await response.text() };
  };
  await eventually(async () => assert.equal((await get(15021, '/healthz/ready')).status, 200));
  return { controlPlane, configuration, get, stop, exit, log: () => log };
}

test('a sidecar gets its configuration, serves, reports, and drains when it is stopped', async (t) => {
  const { controlPlane, get, stop, exit } = await start(t);
  assert.equal(controlPlane.nodes[0]?.node.id, 'sidecar~127.0.0.1~curl-1.default~default.svc.cluster.local');
  assert.deepEqual(controlPlane.nodes[0]?.node.metadata?.LABELS, { app: 'curl' });
  assert.deepEqual(await get(9080, '/x'), { status: 200, body: 'app /x' });
  assert.equal((await get(15020, '/app-health/curl/livez')).status, 200);
  assert.equal((await get(15020, '/app-health/other/livez')).status, 404);
  const merged = (await get(15020, '/stats/prometheus')).body;
  assert.match(merged, /^istio_requests_total\{.*reporter="source".*source_workload="curl".*\} 1$/m);
  assert.match(merged, /^app_requests 3$/m);
  assert.doesNotMatch(merged, /# EOF/);
  const requests = (await get(15020, '/stats/prometheus?filter=istio_requests')).body;
  assert.match(requests, /^istio_requests_total\{.*\} 1$/m);
  assert.match(requests, /^app_requests 3$/m);
  assert.doesNotMatch(requests, /^(?:envoy_|istio_request_bytes)/m);
  assert.match((await get(15090, '/stats/prometheus?usedonly')).body, /^istio_requests_total\{.*\} 1$/m);
  assert.deepEqual(await get(15090, '/stats/prometheus?filter=('), {
    status: 400,
    body: 'Invalid re2 regex: error parsing regexp: missing closing ): `(`',
  });
  const own = (await get(15090, '/stats/prometheus')).body;
  assert.match(own, /^envoy_cluster_upstream_cx_active\{cluster_name="xds-grpc"\} 1$/m);
  assert.doesNotMatch(own, /app_requests/);
  const dump = JSON.parse((await get(15000, '/config_dump')).body);
  assert.equal(dump.configs[2].dynamic_listeners[0].active_state.listener.name, '0.0.0.0_9080');
  stop.abort();
  await eventually(async () => assert.equal((await get(15021, '/healthz/ready')).status, 503));
  assert.deepEqual(await exit, { exitCode: 0 });
});

test('a refused push is answered with its reasons, and the last good configuration serves on', async (t) => {
  const { controlPlane, configuration, get } = await start(t);
  controlPlane.push({ ...configuration, route: [route('app', { hedgePolicy: { hedgeOnPerTryTimeout: true } })] });
  await eventually(() => {
    const nack = controlPlane.events.find((event) => event.type === 'nack');
    assert.match(JSON.stringify(nack ?? ''), /virtual_hosts\[0\]\.routes\[0\]\.route\.hedge_policy: is not supported/);
  });
  assert.equal((await get(9080, '/x')).status, 200);
  controlPlane.push({ ...configuration, route: [route('app', { prefixRewrite: '/new/' })] });
  await eventually(async () => assert.equal((await get(9080, '/x')).body, 'app /new/x'));
});

test('a listener whose port is taken is NACKed with the reason; the others serve', async (t) => {
  const { controlPlane, configuration, get } = await start(t);
  const taken = { ...listener, name: '0.0.0.0_9999', address: { socketAddress: { address: '0.0.0.0', portValue: TAKEN_PORT } } };
  const other = { ...listener, name: '0.0.0.0_9081', address: { socketAddress: { address: '0.0.0.0', portValue: 9081 } } };
  controlPlane.push({ ...configuration, listener: [listener, taken, other] });
  await eventually(() => {
    const nack = controlPlane.events.find((event) => event.type === 'nack');
    assert.match(JSON.stringify(nack ?? ''), /listener 0\.0\.0\.0_9999 cannot be bound: it is taken/);
  });
  assert.equal((await get(9080, '/x')).status, 200);
  assert.equal((await get(9081, '/x')).status, 200);
  const dump = JSON.parse((await get(15000, '/config_dump?resource=dynamic_listeners')).body);
  const failed = dump.configs.find((one: { name: string }) => one.name === '0.0.0.0_9999');
  assert.match(failed.error_state.details, /it is taken/);
});

test('quitting over the agent ends the container; what it cannot run is said', async (t) => {
  const { get, exit, log } = await start(t);
  assert.equal((await get(15020, '/quitquitquit')).status, 405);
  await get(15020, '/quitquitquit', { method: 'POST' });
  assert.deepEqual(await exit, { exitCode: 0 });
  assert.match(log(), /proxy started/);
  let problem = '';
  const write = (text: string) => {
    problem += text;
  };
  const { transport } = movedPorts();
  assert.deepEqual(await runSidecar({ argv: ['proxy'], env: {}, transport, write, stop: new AbortController().signal }), { exitCode: 1 });
  assert.match(problem, /POD_NAME: it is not set/);
});
