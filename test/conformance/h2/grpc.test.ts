// Plan B4: gRPC through the proxy, HTTP/2 on both sides. Envoy on the same configuration is the second column where it is installed.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  type CallOptions,
  type Client,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { eventually, freePort } from '@lateen/base/testing';
import { noEnvoy } from '../../support/envoy.ts';
import { clusterOf, type JsonObject, listenerOf } from '../support/configuration.ts';
import { startEnvoyTarget } from '../support/envoy-target.ts';
import { startTarget } from '../support/target.ts';
import { openFrames, requestBlock } from './frame-client.ts';
import { data, FLAG, headers, rstStream, TYPE } from './frames.ts';
import { ECHO, type GrpcUpstream, startGrpcUpstream } from './grpc-upstream.ts';
import { type RawHttp2Upstream, startRawHttp2Upstream } from './raw-upstream.ts';

const EchoClient = makeGenericClientConstructor(ECHO, 'Echo');

/** Answers of the proxy itself, by HTTP status, and the gRPC status that a client must see (Envoy's mapping). */
const MAPPING: readonly [http: number, grpc: number][] = [
  [400, status.INTERNAL],
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.UNIMPLEMENTED],
  [429, status.UNAVAILABLE],
  [503, status.UNAVAILABLE],
];

const direct = (code: number): JsonObject => ({
  match: { prefix: '/', headers: [{ name: 'want-direct', string_match: { exact: String(code) } }] },
  direct_response: { status: code, body: { inline_string: 'direct' } },
});
const toCluster = (name: string, route: JsonObject = {}): JsonObject => ({
  match: { prefix: '/', headers: [{ name: 'want-cluster', string_match: { exact: name } }] },
  route: { cluster: name, timeout: '0s', ...route },
});

type Setup = { port: number; grpc: GrpcUpstream; raw: RawHttp2Upstream; close(): Promise<void> };

async function setUp(engine: string): Promise<Setup> {
  const [grpc, raw, dead, port] = await Promise.all([startGrpcUpstream(), startRawHttp2Upstream(), freePort(), freePort()]);
  const routes = [
    ...MAPPING.map(([code]) => direct(code)),
    toCluster('raw'),
    toCluster('dead'),
    { match: { prefix: '/', headers: [{ name: 'want-hurry', present_match: true }] }, route: { cluster: 'up', timeout: '0.2s' } },
    {
      match: { prefix: '/', headers: [{ name: 'want-deadline', present_match: true }] },
      route: { cluster: 'up', timeout: '0s', max_stream_duration: { grpc_timeout_header_max: '0s' } },
    },
    { match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } },
  ];
  const listeners = [listenerOf({ name: 'in', port, profile: 'gateway', routes })];
  const clusters = [
    clusterOf('up', grpc.port, { http2: true }),
    clusterOf('raw', raw.port, { http2: true }),
    clusterOf('dead', dead, { http2: true }),
  ];
  const target = engine === 'Envoy' ? await startEnvoyTarget(listeners, clusters, port) : await startTarget(listeners, clusters);
  return {
    port,
    grpc,
    raw,
    async close() {
      await target.close();
      grpc.close();
      await raw.close();
    },
  };
}

type Result = { code: number; details: string; body: string; trailers: Metadata | undefined };

function unary(
  client: Client,
  wants: Readonly<Record<string, string | Buffer>> = {},
  { body = 'hello', options = {} }: { body?: string | Buffer; options?: CallOptions } = {},
): Promise<Result> {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(wants)) metadata.set(key, value);
  return new Promise((resolve) => {
    const result: Result = { code: 0, details: '', body: '', trailers: undefined };
    const { path, requestSerialize, responseDeserialize } = ECHO.Unary;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from(body),
      metadata,
      { deadline: Date.now() + 5000, ...options },
      (error: ServiceError | null, value) => {
        if (error) Object.assign(result, { code: error.code, details: error.details });
        else result.body = value!.toString('latin1');
      },
    );
    call.on('status', ({ metadata: trailers }) => {
      result.trailers = trailers;
      setImmediate(() => resolve(result));
    });
  });
}

function download(client: Client, wants: Readonly<Record<string, string>>, onMessage: (bytes: Buffer) => void = () => {}) {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(wants)) metadata.set(key, value);
  const { path, requestSerialize, responseDeserialize } = ECHO.Download;
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, Buffer.from('go'), metadata);
  call.on('data', onMessage);
  const done = new Promise<{ code: number; details: string }>((resolve) => {
    call.on('error', () => {});
    call.on('status', ({ code, details }) => resolve({ code, details }));
  });
  return { call, done };
}

for (const engine of ['Lateen', 'Envoy']) {
  suite(`gRPC, ${engine}`, { skip: engine === 'Envoy' ? (noEnvoy ?? false) : false }, () => {
    let setup: Setup;
    let client: Client;
    before(async () => {
      setup = await setUp(engine);
      client = new EchoClient(`127.0.0.1:${setup.port}`, credentials.createInsecure());
    });
    after(async () => {
      client?.close();
      await setup?.close();
    });
    const on = (name: string, run: () => Promise<void>): void => void test(name, { timeout: 20_000 }, run);

    on('unary', async () => assert.equal((await unary(client)).body, 'hello'));
    on('three mebibytes each way', async () => {
      const { body, code, details } = await unary(client, {}, { body: Buffer.alloc(3 * 1024 * 1024, 'm') });
      assert.deepEqual([code, body.length], [0, 3 * 1024 * 1024], details);
    });
    on('metadata and trailers, binary ones too', async () => {
      const { trailers } = await unary(client, { 'back-a': 'b', 'back-bin': Buffer.from([0, 255]) });
      assert.deepEqual([trailers?.get('back-a'), trailers?.get('back-bin')], [['b'], [Buffer.from([0, 255])]]);
    });
    on('te: trailers reaches the upstream', async () => {
      await setup.raw.answer(() => [
        headers(
          1,
          setup.raw.block([
            [':status', '200'],
            ['content-type', 'application/grpc'],
            ['grpc-status', '0'],
          ]),
        ),
      ]);
      await unary(client, { 'want-cluster': 'raw' });
      assert.ok(
        setup.raw.lastFields.some(([name, value]) => name === 'te' && value === 'trailers'),
        JSON.stringify(setup.raw.lastFields),
      );
    });
    on('an error without a message is one HEADERS frame', async () => {
      const frames = await openFrames(setup.port);
      try {
        await setup.raw.answer(() => [
          headers(
            1,
            setup.raw.block([
              [':status', '200'],
              ['content-type', 'application/grpc'],
              ['grpc-status', '5'],
            ]),
          ),
        ]);
        frames.send(
          headers(
            1,
            requestBlock({ method: 'POST', path: '/test.Echo/Unary' }, [
              ['content-type', 'application/grpc'],
              ['te', 'trailers'],
              ['want-cluster', 'raw'],
            ]),
          ),
        );
        await frames.ended(1);
        const ours = frames.frames.filter(({ stream }) => stream === 1);
        assert.deepEqual(
          ours.map(({ type, flags }) => [type, flags & FLAG.endStream]),
          [[TYPE.headers, FLAG.endStream]],
          frames.summary(),
        );
        assert.ok(frames.answer(1).headers.some(([name, value]) => name === 'grpc-status' && value === '5'));
      } finally {
        frames.close();
      }
    });
    on('an error has its code and message', async () => {
      const { code, details } = await unary(client, { 'want-code': String(status.NOT_FOUND), 'want-details': 'it%s gone' });
      assert.deepEqual([code, details], [status.NOT_FOUND, 'it%s gone']);
    });
    on('an error after messages', async () => {
      let count = 0;
      const { code, details } = await download(client, { 'want-count': '3', 'want-code': String(status.ABORTED) }, () => count++).done;
      assert.deepEqual([count, code, details], [3, status.ABORTED, 'after all']);
    });
    on('the deadline of the client reaches the upstream as a cancellation', async () => {
      const before = setup.grpc.cancelled;
      const { code } = await unary(client, { 'want-delay': '3000' }, { options: { deadline: Date.now() + 200 } });
      assert.equal(code, status.DEADLINE_EXCEEDED);
      await eventually(() => assert.equal(setup.grpc.cancelled, before + 1));
    });
    on('a cancellation reaches the upstream', async () => {
      const before = setup.grpc.cancelled;
      const { call, done } = download(client, { 'want-count': '100000', 'want-size': '1000' });
      call.once('data', () => call.cancel());
      assert.equal((await done).code, status.CANCELLED);
      await eventually(() => assert.equal(setup.grpc.cancelled, before + 1));
    });
    on('100,000 messages in order', async () => {
      let next = 0;
      const { code } = await download(client, { 'want-count': '100000', 'want-size': '16' }, (bytes) =>
        assert.equal(bytes.readUInt32BE(), next++),
      ).done;
      assert.deepEqual([code, next], [0, 100_000]);
    });
    on('a reader that stops stops the writer', async () => {
      const { call, done } = download(client, { 'want-count': '100000', 'want-size': '4000' });
      call.pause();
      await eventually(() => assert.ok(setup.grpc.written > 10));
      await new Promise((resolve) => setTimeout(resolve, 500));
      // Buffers of both ends and ours; the whole would be 400 MB.
      assert.ok(setup.grpc.written * 4000 < 64 * 2 ** 20, `${setup.grpc.written} messages written`);
      call.cancel();
      await done;
    });
    on('10,000 messages up', async () => {
      const { path, requestSerialize, responseDeserialize } = ECHO.Upload;
      const answer = await new Promise<string>((resolve, reject) => {
        const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, value) =>
          error ? reject(error) : resolve(value!.toString()),
        );
        for (let i = 0; i < 10_000; i++) call.write(Buffer.from('message'));
        call.end();
      });
      assert.equal(answer, '10000');
    });
    on('a conversation of 1,000 turns', async () => {
      const { path, requestSerialize, responseDeserialize } = ECHO.Chat;
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      let turns = 0;
      await new Promise<void>((resolve, reject) => {
        call.on('error', reject);
        call.on('end', resolve);
        call.on('data', () => (++turns < 1000 ? call.write(Buffer.from(`${turns}`)) : call.end()));
        call.write(Buffer.from('0'));
      });
      assert.equal(turns, 1000);
    });
    on('an upstream that is not there', async () =>
      assert.equal((await unary(client, { 'want-cluster': 'dead' })).code, status.UNAVAILABLE),
    );
    for (const [http, code] of MAPPING) {
      on(`the proxy's own ${http}`, async () => {
        const { code: got, details } = await unary(client, { 'want-direct': String(http) });
        assert.deepEqual([got, details], [code, 'direct']);
      });
    }
    on('a timeout of the route', async () => {
      const { code, details } = await unary(client, { 'want-hurry': '1', 'want-delay': '2000' });
      assert.deepEqual([code, details], [status.UNAVAILABLE, 'upstream request timeout']);
    });
    on('RST_STREAM in the middle of the answer', async () => {
      await setup.raw.answer(() => [
        headers(
          1,
          setup.raw.block([
            [':status', '200'],
            ['content-type', 'application/grpc'],
          ]),
          { endStream: false },
        ),
        data(1, Buffer.from([0, 0, 0, 0, 1, 65]), false),
        rstStream(1, 2),
      ]);
      const { code } = await unary(client, { 'want-cluster': 'raw' });
      assert.ok([status.INTERNAL, status.UNAVAILABLE, status.UNKNOWN].includes(code), `${code}`);
    });
    on('a huge grpc-timeout', async () => {
      const { code } = await timed('99999999H');
      assert.equal(code, '0');
    });
    on('a grpc-timeout that is none is left to the upstream', async () => {
      const { code } = await timed('5x');
      assert.equal(code, String(status.INTERNAL));
    });

    async function timed(timeout: string): Promise<{ code: string | undefined }> {
      const frames = await openFrames(setup.port);
      try {
        frames.send(
          headers(
            1,
            requestBlock({ method: 'POST', path: '/test.Echo/Unary' }, [
              ['content-type', 'application/grpc'],
              ['te', 'trailers'],
              ['grpc-timeout', timeout],
              ['want-deadline', '1'],
            ]),
            { endStream: false },
          ),
          data(1, Buffer.from([0, 0, 0, 0, 1, 65])),
        );
        const { headers: first, trailers } = await frames.ended(1);
        return { code: [...first, ...(trailers ?? [])].find(([name]) => name === 'grpc-status')?.[1] };
      } finally {
        frames.close();
      }
    }
  });
}
