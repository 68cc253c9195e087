import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { type ClientDuplexStream, credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { eventually } from '@lateen/base/testing';
import {
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '../messages/index.ts';
import { type AdsEvent, createAdsServer } from './ads-server.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, encodeResource, LISTENER_TYPE, type ResourceSet } from './resource.ts';
import { ADS_SERVICE } from './service.ts';

type AdsClient = {
  StreamAggregatedResources(): ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>;
  DeltaAggregatedResources(): ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
};

const cluster = (name: string, altStatName = '') => encodeResource(name, ClusterSchema, create(ClusterSchema, { name, altStatName }));
const endpoints = (clusterName: string) =>
  encodeResource(clusterName, ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, { clusterName }));

function setOf(clusters: ReturnType<typeof cluster>[]): ResourceSet {
  return new Map([
    [CLUSTER_TYPE, new Map(clusters.map((one) => [one.name, one]))],
    [ENDPOINT_TYPE, new Map(clusters.map(({ name }) => [name, endpoints(name)]))],
  ]);
}

async function start(t: TestContext, clusters: ReturnType<typeof cluster>[]) {
  const state = { resources: setOf(clusters), version: 1 };
  const events: AdsEvent[] = [];
  const server = createAdsServer({
    resources: () => state.resources,
    version: () => String(state.version),
    onEvent: (_client, event) => void events.push(event),
  });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const Client = makeGenericClientConstructor(ADS_SERVICE as never, 'ads');
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  t.after(async () => {
    client.close();
    await server.close();
  });
  const change = (next: ReturnType<typeof cluster>[]) => {
    state.resources = setOf(next);
    state.version++;
    server.push();
  };
  return { server, events, client: client as unknown as AdsClient, change };
}

const node = { id: 'sidecar~10.0.0.1~a.default~default.svc.cluster.local' };

function collect<Response>(stream: {
  on(event: 'data', listener: (response: Response) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
}): Response[] {
  const responses: Response[] = [];
  stream.on('data', (response) => void responses.push(response));
  stream.on('error', () => {});
  return responses;
}

test('a state-of-the-world client gets all clusters, then a whole set per change, and only changed endpoints', async (t) => {
  const { server, client, change, events } = await start(t, [cluster('a'), cluster('b')]);
  const stream = client.StreamAggregatedResources();
  const responses = collect(stream);
  const at = (index: number) => eventually(() => responses[index] ?? false) as Promise<DiscoveryResponse>;

  stream.write(create(DiscoveryRequestSchema, { node, typeUrl: CLUSTER_TYPE }));
  const first = await at(0);
  assert.deepEqual(
    first.resources.map(({ value }) => fromBinary(ClusterSchema, value).name),
    ['a', 'b'],
  );
  stream.write(create(DiscoveryRequestSchema, { typeUrl: CLUSTER_TYPE, responseNonce: first.nonce, versionInfo: first.versionInfo }));
  stream.write(create(DiscoveryRequestSchema, { typeUrl: ENDPOINT_TYPE, resourceNames: ['a', 'b'] }));
  assert.equal((await at(1)).resources.length, 2);

  change([cluster('a', 'changed'), cluster('b')]);
  assert.equal((await at(2)).resources.length, 2, 'clusters are a whole set');
  const warmed = await at(3);
  assert.deepEqual(
    warmed.resources.map(({ value }) => fromBinary(ClusterLoadAssignmentSchema, value).clusterName),
    ['a'],
    'the endpoints of the changed cluster follow, so that it can warm',
  );

  stream.write(
    create(DiscoveryRequestSchema, {
      typeUrl: CLUSTER_TYPE,
      responseNonce: (await at(2)).nonce,
      errorDetail: { code: 3, message: 'bad cluster' },
    }),
  );
  await eventually(() => events.some((event) => event.type === 'nack' && event.message === 'bad cluster'));
  const status = server.clients[0]?.types.find(({ typeUrl }) => typeUrl === CLUSTER_TYPE);
  assert.equal(status?.nack?.message, 'bad cluster');
  assert.equal(status?.versionAcked, '1');
  stream.end();
  await eventually(() => server.clients.length === 0);
});

test('an incremental client gets only what changed and what is gone', async (t) => {
  const { client, change } = await start(t, [cluster('a'), cluster('b'), cluster('c')]);
  const stream = client.DeltaAggregatedResources();
  const responses = collect(stream);
  const at = (index: number) => eventually(() => responses[index] ?? false) as Promise<DeltaDiscoveryResponse>;
  stream.write(create(DeltaDiscoveryRequestSchema, { node, typeUrl: CLUSTER_TYPE }));
  assert.equal((await at(0)).resources.length, 3);
  change([cluster('a', 'changed'), cluster('b')]);
  const second = await at(1);
  assert.deepEqual(
    second.resources.map(({ name }) => name),
    ['a'],
  );
  assert.deepEqual(second.removedResources, ['c']);
  stream.end();
});

test('a subscription to a name that does not exist is answered as removed, and nothing unchanged is pushed', async (t) => {
  const { client, change, events } = await start(t, [cluster('a')]);
  const stream = client.DeltaAggregatedResources();
  const responses = collect(stream);
  stream.write(create(DeltaDiscoveryRequestSchema, { node, typeUrl: ENDPOINT_TYPE, resourceNamesSubscribe: ['missing'] }));
  const first = (await eventually(() => responses[0] ?? false)) as DeltaDiscoveryResponse;
  assert.deepEqual(first.removedResources, ['missing']);
  change([cluster('a')]);
  stream.write(create(DeltaDiscoveryRequestSchema, { typeUrl: LISTENER_TYPE }));
  await eventually(() => responses.length === 2);
  assert.deepEqual(
    events.filter((event) => event.type === 'push').map((event) => event.typeUrl),
    [ENDPOINT_TYPE, LISTENER_TYPE],
  );
  stream.end();
});

test('a stream whose first request names no node is refused', async (t) => {
  const { client } = await start(t, []);
  const stream = client.StreamAggregatedResources();
  stream.on('data', () => {});
  const error = new Promise<{ details?: string }>((resolve) => stream.on('error', resolve));
  stream.write(create(DiscoveryRequestSchema, { typeUrl: CLUSTER_TYPE }));
  assert.match((await error).details ?? '', /must name its node/);
});
