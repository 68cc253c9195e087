// Streams of one type each, and mixtures of sources, against real gRPC servers.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type DescMessage, fromBinary, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@lateen/xds/messages/proxy';
import { runProxy } from '../agent/run-proxy.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { any, assignment, cluster, httpListener } from '../testing/runtime.ts';
import { messageRegistry } from './registry.ts';

const SERVICES = {
  cds: { path: 'envoy.service.cluster.v3.ClusterDiscoveryService', noun: 'Clusters', type: 'envoy.config.cluster.v3.Cluster' },
  eds: {
    path: 'envoy.service.endpoint.v3.EndpointDiscoveryService',
    noun: 'Endpoints',
    type: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  },
  lds: { path: 'envoy.service.listener.v3.ListenerDiscoveryService', noun: 'Listeners', type: 'envoy.config.listener.v3.Listener' },
  rds: { path: 'envoy.service.route.v3.RouteDiscoveryService', noun: 'Routes', type: 'envoy.config.route.v3.RouteConfiguration' },
  ads: { path: 'envoy.service.discovery.v3.AggregatedDiscoveryService', noun: 'AggregatedResources', type: '' },
} as const;
type Service = keyof typeof SERVICES;
type Protocol = 'GRPC' | 'DELTA_GRPC';
const registry = messageRegistry();

const readSotw = (bytes: Uint8Array) => {
  const message = fromBinary(DiscoveryRequestSchema, bytes);
  return { names: message.resourceNames, message };
};
const readDelta = (bytes: Uint8Array) => {
  const message = fromBinary(DeltaDiscoveryRequestSchema, bytes);
  return { names: message.resourceNamesSubscribe, message };
};

/** Every request so far, and a way to answer the newest stream of a service. */
async function startServer(t: TestContext, protocol: Protocol) {
  const isDelta = protocol === 'DELTA_GRPC';
  const responseSchema: DescMessage = isDelta ? DeltaDiscoveryResponseSchema : DiscoveryResponseSchema;
  const server = new Server();
  const streams = new Map<Service, ServerDuplexStream<Buffer, Buffer>>();
  const requests: { service: Service; nodeId: string; names: readonly string[]; error: string; nonce: string }[] = [];
  const pass = (bytes: Buffer) => bytes;
  const codec = { requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass };
  for (const service of Object.keys(SERVICES) as Service[]) {
    const { path, noun } = SERVICES[service];
    const method = { path: `/${path}/${isDelta ? 'Delta' : 'Stream'}${noun}`, requestStream: true, responseStream: true, ...codec };
    server.addService(
      { [service]: method },
      {
        [service](stream: ServerDuplexStream<Buffer, Buffer>) {
          streams.set(service, stream);
          stream.on('error', () => {});
          stream.on('end', () => stream.end());
          stream.on('data', (bytes: Buffer) => {
            const { names, message } = isDelta ? readDelta(bytes) : readSotw(bytes);
            const { node, errorDetail, responseNonce: nonce } = message;
            requests.push({ service, nodeId: node?.id ?? '', names, error: errorDetail?.message ?? '', nonce });
          });
        },
      },
    );
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  t.after(() => server.forceShutdown());
  let nonces = 0;
  const send = (service: Service, resources: readonly JsonObject[], type = service) => {
    const typeName = SERVICES[type].type;
    const nonce = `n${++nonces}`;
    const typed = resources.map((one) => any(typeName, one));
    const named = typed.map((resource) => ({ name: String(resource['name'] ?? resource['cluster_name']), version: nonce, resource }));
    const json = { type_url: `type.googleapis.com/${typeName}`, nonce, resources: isDelta ? named : typed };
    const message = fromJson(responseSchema, isDelta ? json : { ...json, version_info: nonce }, { registry });
    streams.get(service)?.write(Buffer.from(toBinary(responseSchema, message)));
    return nonce;
  };
  /** Waits for the answer to a response. */
  const answer = (nonce: string) => eventually(() => requests.find((one) => one.nonce === nonce) ?? assert.fail(`no answer to ${nonce}`));
  const asked = (service: Service) => eventually(() => requests.find((one) => one.service === service) ?? assert.fail(`no ${service}`));
  return { port, requests, send, answer, asked };
}

const own = (protocol: Protocol, fields: JsonObject = {}): JsonObject => ({
  api_config_source: { api_type: protocol, transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
  resource_api_version: 'V3',
  ...fields,
});
const ADS: JsonObject = { ads: {}, resource_api_version: 'V3' };
const edsCluster = (source: JsonObject): JsonObject => ({ name: 'back', type: 'EDS', eds_cluster_config: { eds_config: source } });
const rdsListener = (source: JsonObject): JsonObject =>
  httpListener('front', 'table', { rds: { route_config_name: 'table', config_source: source } });
const table = (body: string): JsonObject => ({
  name: 'table',
  virtual_hosts: [
    { name: 'a', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }] },
  ],
});

async function start(
  t: TestContext,
  port: number,
  sections: JsonObject,
  resources: { listeners?: JsonObject[]; clusters?: JsonObject[] } = {},
) {
  const clusters = [cluster('xds', [port]), ...(resources.clusters ?? [])];
  const bootstrap = bootstrapOf({ ...resources, clusters }, { node: { id: 'me' }, ...sections });
  const running = await runProxy({ bootstrap, logger: silentLogger, appendLog: () => {}, random: () => 0 });
  t.after(() => running.close());
  const ask = async () =>
    (await fetch(`http://127.0.0.1:${running.proxy.addressOf('front')?.port}/`, { headers: { connection: 'close' } })).text();
  const stat = async (name: string) =>
    Number((await (await fetch(`http://127.0.0.1:${running.adminAddress?.port}/stats?filter=^${name}$`)).text()).split(': ')[1]);
  const hosts = () => running.proxy.clusters().flatMap((one) => (one.name === 'back' ? one.listHosts() : []));
  return { running, ask, stat, hosts };
}

for (const protocol of ['GRPC', 'DELTA_GRPC'] as const) {
  test(`every type comes over a stream of its own: ${protocol}`, async (t) => {
    const { port, send, answer, asked } = await startServer(t, protocol);
    const dynamic = { cds_config: own(protocol), lds_config: own(protocol) };
    const { running, ask, stat } = await start(t, port, { dynamic_resources: dynamic });
    assert.equal((await asked('cds')).nodeId, 'me');
    assert.equal(running.state(), 'PRE_INITIALIZING');
    await answer(send('cds', [edsCluster(own(protocol))]));
    assert.deepEqual((await asked('eds')).names, ['back']);
    await asked('lds');
    await answer(send('eds', [assignment('back', [1])]));
    await answer(send('lds', [rdsListener(own(protocol))]));
    assert.deepEqual((await asked('rds')).names, ['table']);
    assert.equal(running.proxy.addressOf('front'), undefined, 'the listener waits for its routes');
    await answer(send('rds', [table('one')]));
    await eventually(() => assert.equal(running.state(), 'LIVE'));
    assert.equal(await ask(), 'one');

    const { error } = await answer(send('rds', [{ ...table('bad'), virtual_hosts: [{ name: '' }] }]));
    assert.match(error, /virtual_hosts\[0\]/);
    assert.equal(await ask(), 'one');
    await answer(send('rds', [table('two')]));
    assert.equal(await ask(), 'two');
    assert.deepEqual([await stat('http.front.rds.table.update_success'), await stat('http.front.rds.table.update_rejected')], [2, 1]);
    assert.deepEqual([await stat('cluster.back.update_success'), await stat('cluster_manager.cds.update_success')], [1, 1]);
  });
}

test('listeners are asked for once the clusters came', async (t) => {
  const { port, requests, send, asked } = await startServer(t, 'GRPC');
  await start(t, port, { dynamic_resources: { cds_config: own('GRPC'), lds_config: own('GRPC') } });
  await asked('cds');
  assert.deepEqual(
    requests.filter(({ service }) => service === 'lds'),
    [],
  );
  send('cds', []);
  await asked('lds');
});

test('clusters from a file, their endpoints over ADS, listeners over a stream of their own, their routes from ADS', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lateen-mixed-'));
  t.after(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'cds.json'), JSON.stringify({ resources: [any(SERVICES.cds.type, edsCluster(ADS))] }));
  const { port, requests, send, answer, asked } = await startServer(t, 'GRPC');
  const dynamic = {
    ads_config: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
    cds_config: { path: join(dir, 'cds.json') },
    lds_config: own('GRPC'),
  };
  const { running, ask, hosts } = await start(t, port, { dynamic_resources: dynamic });
  assert.deepEqual((await asked('ads')).names, ['back']);
  await asked('lds');
  await answer(send('ads', [assignment('back', [1])], 'eds'));
  assert.equal(hosts().length, 1);
  await answer(send('lds', [rdsListener(ADS)]));
  await eventually(() => assert.deepEqual(requests.filter(({ service }) => service === 'ads').at(-1)?.names, ['table']));
  await answer(send('ads', [table('mixed')], 'rds'));
  await eventually(() => assert.equal(running.state(), 'LIVE'));
  assert.equal(await ask(), 'mixed');
});

test('a static listener and a static cluster get routes and endpoints over their own streams', async (t) => {
  const { port, send, answer, asked } = await startServer(t, 'GRPC');
  const resources = { listeners: [rdsListener(own('GRPC'))], clusters: [edsCluster(own('GRPC'))] };
  const { running, ask, hosts } = await start(t, port, {}, resources);
  await asked('eds');
  await asked('rds');
  assert.equal(running.state() === 'LIVE', false);
  await answer(send('eds', [assignment('back', [1, 2])]));
  await answer(send('rds', [table('static')]));
  await eventually(() => assert.equal(running.state(), 'LIVE'));
  assert.deepEqual([await ask(), hosts().length], ['static', 2]);
});

test('a first answer that is refused is not waited for any longer', async (t) => {
  const { port, send, answer, asked } = await startServer(t, 'GRPC');
  const { running, ask, stat } = await start(t, port, { dynamic_resources: { lds_config: own('GRPC') } });
  await asked('lds');
  await answer(send('lds', [rdsListener(own('GRPC'))]));
  await asked('rds');
  await answer(send('rds', [{ ...table('bad'), virtual_hosts: [{ name: '' }] }]));
  await eventually(() => assert.equal(running.state(), 'LIVE'));
  assert.deepEqual([await ask(), await stat('http.front.rds.table.update_rejected')], ['', 1]);
});

test('after initial_fetch_timeout a proxy starts without listeners, and counts it; they may come later', async (t) => {
  const { port, send, answer, asked } = await startServer(t, 'GRPC');
  const { running, ask, stat } = await start(t, port, {
    dynamic_resources: { lds_config: own('GRPC', { initial_fetch_timeout: '0.2s' }) },
  });
  await eventually(() => assert.equal(running.state(), 'LIVE'));
  assert.equal(await stat('listener_manager.lds.init_fetch_timeout'), 1);
  await asked('lds');
  await answer(send('lds', [rdsListener(own('GRPC', { initial_fetch_timeout: '0.2s' }))]));
  await eventually(async () => assert.equal(await ask(), ''));
  assert.equal(await stat('http.front.rds.table.init_fetch_timeout'), 1);
});

test('a reference to a server that is no static cluster refuses the listener', async (t) => {
  const { port, send, answer, asked } = await startServer(t, 'GRPC');
  const { running } = await start(t, port, { dynamic_resources: { lds_config: own('GRPC') } });
  await asked('lds');
  const nowhere: JsonObject = { api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'nowhere' } }] } };
  const { error } = await answer(send('lds', [rdsListener(nowhere)]));
  assert.match(error, /listener "front": the source of "table": api_config_source: "nowhere" is not a static cluster/);
  await eventually(() => assert.equal(running.state(), 'LIVE'));
});
