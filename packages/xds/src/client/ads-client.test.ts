import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { fail, ok, silentLogger } from '@lateen/base';
import { eventually, freePort } from '@lateen/base/testing';
import {
  ClusterSchema,
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../messages/index.ts';
import { type AdsClientOptions, createAdsClient } from './ads-client.ts';
import type { ResourceUpdate } from './subscription.ts';

const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const cluster = (name: string, padding = 0) => anyPack(ClusterSchema, create(ClusterSchema, { name, altStatName: 'x'.repeat(padding) }));
const CLUSTERS = { typeUrl, isFullState: true, nameOf: (any: Any) => anyUnpack(any, ClusterSchema)?.name ?? '' };

type Call<Request> = { requests: Request[]; stream: ServerDuplexStream<Buffer, Buffer> };

/** A real ADS server that records requests and answers as told. */
async function startServer(t: TestContext, port = 0) {
  const server = new Server();
  const sotw: Call<DiscoveryRequest>[] = [];
  const delta: Call<DeltaDiscoveryRequest>[] = [];
  const pass = (bytes: Buffer) => bytes;
  const definition = (name: string) => ({
    path: `/envoy.service.discovery.v3.AggregatedDiscoveryService/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  });
  const record =
    <Request>(calls: Call<Request>[], decode: (bytes: Buffer) => Request) =>
    (stream: ServerDuplexStream<Buffer, Buffer>) => {
      const call: Call<Request> = { requests: [], stream };
      calls.push(call);
      stream.on('data', (bytes: Buffer) => call.requests.push(decode(bytes)));
      stream.on('error', () => {});
      stream.on('end', () => stream.end());
    };
  server.addService(
    { sotw: definition('StreamAggregatedResources'), delta: definition('DeltaAggregatedResources') },
    {
      sotw: record(sotw, (bytes) => fromBinary(DiscoveryRequestSchema, bytes)),
      delta: record(delta, (bytes) => fromBinary(DeltaDiscoveryRequestSchema, bytes)),
    },
  );
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, actual) => (error ? reject(error) : resolve(actual))),
  );
  t.after(() => server.forceShutdown());
  return { port: bound, sotw, delta, stop: () => server.forceShutdown() };
}

function startClient(t: TestContext, port: number, options: Partial<AdsClientOptions> = {}) {
  const updates: ResourceUpdate[] = [];
  const client = createAdsClient({
    address: `127.0.0.1:${port}`,
    protocol: 'delta',
    node: { id: 'sidecar~1.2.3.4~a.b~b.svc.cluster.local' },
    types: [CLUSTERS],
    logger: silentLogger,
    onUpdate(update) {
      updates.push(update);
      return ok(undefined);
    },
    ...options,
  });
  t.after(() => client.close());
  return { client, updates };
}

const respondDelta = (
  call: Call<unknown> | undefined,
  nonce: string,
  clusters: Record<string, string>,
  removedResources: string[] = [],
) => {
  const resources = Object.entries(clusters).map(([name, version]) => ({ name, version, resource: cluster(name) }));
  call?.stream.write(
    Buffer.from(
      toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, { typeUrl, nonce, resources, removedResources })),
    ),
  );
};

test('delta: the node goes out once, updates arrive and are acknowledged', async (t) => {
  const server = await startServer(t);
  const { client, updates } = startClient(t, server.port);
  client.subscribe(typeUrl, '*');
  await eventually(() => assert.equal(server.delta[0]?.requests.length, 1));
  const [call] = server.delta;
  assert.equal(call?.requests[0]?.node?.id, 'sidecar~1.2.3.4~a.b~b.svc.cluster.local');
  respondDelta(call, 'n1', { a: '1' });
  await eventually(() => assert.equal(call?.requests.length, 2));
  assert.deepEqual(
    [call?.requests[1]?.responseNonce, call?.requests[1]?.errorDetail, call?.requests[1]?.node],
    ['n1', undefined, undefined],
  );
  assert.deepEqual([...(updates[0]?.changed.keys() ?? [])], ['a']);
  assert.equal(client.isConnected, true);
  assert.deepEqual(client.status(), [
    { typeUrl, acceptedVersion: '', resourceCount: 1, lastRejection: undefined, acceptedCount: 1, rejectedCount: 0 },
  ]);
});

test('a refused update is answered with every reason and stays in the status', async (t) => {
  const server = await startServer(t);
  const { client } = startClient(t, server.port, { onUpdate: () => fail(['cluster "a": x', 'cluster "a": y']) });
  client.subscribe(typeUrl, '*');
  await eventually(() => assert.equal(server.delta[0]?.requests.length, 1));
  respondDelta(server.delta[0], 'n1', { a: '1' });
  await eventually(() => assert.equal(server.delta[0]?.requests.length, 2));
  assert.equal(server.delta[0]?.requests[1]?.errorDetail?.message, 'cluster "a": x; cluster "a": y');
  assert.equal(client.status()[0]?.lastRejection, 'cluster "a": x; cluster "a": y');
  assert.equal(client.status()[0]?.resourceCount, 0);
});

test('after the server comes back, the client reconnects and says which versions it has', async (t) => {
  const port = await freePort();
  const first = await startServer(t, port);
  const { client } = startClient(t, port, { random: () => 1 });
  client.subscribe(typeUrl, '*');
  await eventually(() => assert.equal(first.delta[0]?.requests.length, 1));
  respondDelta(first.delta[0], 'n1', { a: '3' });
  await eventually(() => assert.equal(first.delta[0]?.requests.length, 2));
  first.stop();
  await eventually(() => assert.equal(client.isConnected, false));
  const second = await startServer(t, port);
  await eventually(() => assert.ok(second.delta[0]?.requests[0]), { timeoutMs: 20_000 });
  assert.deepEqual(second.delta[0]?.requests[0]?.initialResourceVersions, { a: '3' });
  assert.ok(second.delta[0]?.requests[0]?.node);
});

test('state of the world: a response over 4 MiB is taken, and absence removes', async (t) => {
  const server = await startServer(t);
  const { client, updates } = startClient(t, server.port, { protocol: 'sotw' });
  client.subscribe(typeUrl, '*');
  await eventually(() => assert.equal(server.sotw[0]?.requests.length, 1));
  const [call] = server.sotw;
  const respond = (versionInfo: string, resources: Any[]) =>
    call?.stream.write(
      Buffer.from(
        toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, { typeUrl, versionInfo, nonce: versionInfo, resources })),
      ),
    );
  respond('1', [cluster('a', 5 * 1024 * 1024), cluster('b')]);
  await eventually(() => assert.equal(call?.requests.at(-1)?.versionInfo, '1'));
  respond('2', [cluster('b')]);
  await eventually(() => assert.equal(call?.requests.at(-1)?.versionInfo, '2'));
  assert.deepEqual(updates.at(-1)?.removed, ['a']);
});

test('a server that starts a moment after its client is found at once', async (t) => {
  const port = await freePort();
  const { client } = startClient(t, port);
  client.subscribe(typeUrl, '*');
  await new Promise((next) => setTimeout(next, 600));
  const server = await startServer(t, port);
  await eventually(() => assert.ok(server.delta[0]?.requests[0]), { timeoutMs: 5_000 });
});
