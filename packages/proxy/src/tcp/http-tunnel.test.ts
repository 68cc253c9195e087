import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { createLineReader, type FrameText, fields, frame, readFrames } from '../http2/testing/frames.ts';
import { cluster, tcpListener } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { openWire, type RawServer, type Wire } from '../testing/wire.ts';

// A TCP proxy whose upstream is asked for a tunnel, over each version of HTTP.

const PREFACE_BYTES = 24;
const OK = fields([':status', '200']);
const HEADERS = 1;
const DATA = 0;

type Scene = { wire: Wire; upstream: RawServer; stage: Stage; frames(): FrameText[]; send(...frames: Buffer[]): void };

/** A client on a listener with this tunnel; the upstream speaks HTTP/2 when `onHead` is undefined, and then as the test says. */
async function withTunnel(
  config: JsonObject,
  run: (scene: Scene) => Promise<void>,
  { onHead, tcp = {} }: { onHead?: (head: string) => string; tcp?: JsonObject } = {},
): Promise<void> {
  await onStage(async (stage) => {
    const begun = new Set<number>();
    const upstream = await stage.upstream((socket, text, connection) => {
      if (begun.has(connection)) return;
      if (!onHead) socket.write(frame(4, 0, 0));
      else if (!text.includes('\r\n\r\n')) return;
      else socket.write(onHead(text));
      begun.add(connection);
    });
    const options = onHead ? {} : { http2_protocol_options: {} };
    const tunneling = { hostname: 'db.test:5432', ...config };
    await stage.apply({
      listeners: [tcpListener('in', { cluster: 'up', tunneling_config: tunneling, ...tcp })],
      clusters: [cluster('up', [upstream.port], options)],
    });
    const wire = await openWire(stage.port());
    const frames = () => readFrames(upstream.received[0] ?? '', PREFACE_BYTES);
    await eventually(() => assert.ok(onHead ? upstream.received[0] : frames().some(({ type }) => type === HEADERS)));
    try {
      await run({ wire, upstream, stage, frames, send: (...parts) => void upstream.sockets[0]!.write(Buffer.concat(parts)) });
    } finally {
      wire.close();
    }
  });
}

const linesOf = (frames: readonly FrameText[]): string[] => createLineReader()(frames.find(({ type }) => type === HEADERS)!.payload);
const contentOf = (frames: readonly FrameText[]): string =>
  frames
    .filter(({ type }) => type === DATA)
    .map(({ payload }) => payload.toString())
    .join('');

for (const framing of ['content-length: 10', 'transfer-encoding: chunked']) {
  test(`HTTP/1.1: CONNECT, any 2xx opens it, ${framing} means nothing, and what the client said before goes first`, async () => {
    const headers = [{ header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }];
    await withTunnel(
      { headers_to_add: headers },
      async ({ wire, upstream }) => {
        wire.send('early');
        await eventually(() => assert.ok(upstream.received[0]!.endsWith('early')));
        assert.equal(upstream.received[0], 'CONNECT db.test:5432 HTTP/1.1\r\nhost: db.test:5432\r\nx-from: 127.0.0.1\r\n\r\nearly');
        upstream.sockets[0]!.write('answer');
        assert.equal(await wire.expect('answer'), 'hianswer');
        wire.socket.end();
        await eventually(() => assert.ok(upstream.sockets[0]!.readableEnded));
        await wire.closed();
      },
      { onHead: () => `HTTP/1.1 202 Accepted\r\n${framing}\r\n\r\nhi` },
    );
  });
}

test('HTTP/1.1: POST with bodies for the two directions', async () => {
  await withTunnel(
    { use_post: true, post_path: '/tunnel' },
    async ({ wire, upstream }) => {
      wire.send('early');
      await eventually(() => assert.ok(upstream.received[0]!.endsWith('5\r\nearly\r\n')));
      assert.match(upstream.received[0]!, /^POST \/tunnel HTTP\/1\.1\r\nhost: db\.test:5432\r\ntransfer-encoding: chunked\r\n\r\n/);
      await wire.expect('hi');
      wire.socket.end();
      await eventually(() => assert.ok(upstream.received[0]!.endsWith('0\r\n\r\n')));
      upstream.sockets[0]!.write('4\r\nlate\r\n0\r\n\r\n');
      assert.equal(await wire.closed(), 'hilate');
    },
    { onHead: () => 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n' },
  );
});

test('HTTP/2: a stream with both ends of its own, on a connection that stays', async () => {
  await withTunnel({}, async ({ wire, frames, send, upstream, stage }) => {
    wire.send('early');
    assert.deepEqual(linesOf(frames()), [':method: CONNECT', ':authority: db.test:5432']);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(contentOf(frames()), '');
    // What comes together with the answer is the tunnel's.
    send(frame(1, 4, 1, OK), frame(0, 0, 1, 'first'));
    await wire.expect('first');
    await eventually(() => assert.equal(contentOf(frames()), 'early'));
    send(frame(0, 1, 1, 'last'));
    assert.equal(await wire.closed(), 'firstlast');
    wire.send('more');
    await eventually(() => assert.equal(contentOf(frames()), 'earlymore'));
    wire.socket.end();
    await eventually(() => assert.ok(frames().some(({ type, flags }) => type === DATA && flags === 1)));
    await eventually(() => assert.equal(stage.log[0], '0 - '));
    const { stats } = stage.proxy.clusters()[0]!;
    assert.deepEqual([stats.upstream_rq_active, stats.upstream_cx_active, upstream.received.length], [0, 1, 1]);
    const again = await openWire(stage.port());
    await eventually(() => assert.equal(frames().filter(({ type }) => type === HEADERS).length, 2));
    again.close();
  });
});

test('HTTP/2: POST', async () => {
  await withTunnel({ use_post: true }, async ({ wire, frames, send }) => {
    assert.deepEqual(linesOf(frames()), [':method: POST', ':scheme: http', ':path: /', ':authority: db.test:5432']);
    send(frame(1, 4, 1, OK), frame(0, 0, 1, 'a'));
    await wire.expect('a');
    wire.send('b');
    await eventually(() => assert.equal(contentOf(frames()), 'b'));
  });
});

const REFUSALS: readonly { what: string; frames: readonly Buffer[]; log: string }[] = [
  { what: '503', frames: [frame(1, 4, 1, fields([':status', '503']))], log: 'UF,URX' },
  { what: 'another success than 200', frames: [frame(1, 4, 1, fields([':status', '202']))], log: 'UF,URX' },
  { what: 'RST_STREAM', frames: [frame(3, 0, 1, Buffer.from([0, 0, 0, 7]))], log: 'UF,URX' },
];

for (const { what, frames: answer, log } of REFUSALS) {
  test(`HTTP/2: ${what} opens no tunnel; there are as many attempts as configured`, async () => {
    await withTunnel(
      {},
      async ({ wire, frames, send, stage }) => {
        wire.send('early');
        const asked = (count: number) => eventually(() => assert.equal(frames().filter(({ type }) => type === HEADERS).length, count));
        send(...answer);
        await asked(2);
        for (const part of answer) part.writeUInt32BE(3, 5);
        send(...answer);
        for (const part of answer) part.writeUInt32BE(1, 5);
        await wire.closed();
        assert.equal(contentOf(frames()), '');
        await eventually(() => assert.ok(stage.log[0]?.includes('UF') && stage.log[0].includes('URX'), log));
      },
      { tcp: { max_connect_attempts: 2 } },
    );
  });
}

test('HTTP/2: a stream that breaks off ends the client, a client that leaves resets its stream only', async () => {
  await withTunnel({}, async ({ wire, frames, send, stage }) => {
    send(frame(1, 4, 1, OK), frame(0, 0, 1, 'a'), frame(3, 0, 1, Buffer.from([0, 0, 0, 2])));
    await wire.closed();
    await eventually(() => assert.equal(stage.log.length, 1));
    const other = await openWire(stage.port());
    await eventually(() => assert.equal(frames().filter(({ type }) => type === HEADERS).length, 2));
    other.socket.resetAndDestroy();
    await eventually(() => assert.ok(frames().some(({ type, streamId }) => type === 3 && streamId === 3)));
    assert.equal(stage.proxy.clusters()[0]!.stats.upstream_rq_active, 0);
  });
});

test('HTTP/2: a stream that ends and breaks off at once leaves nothing open', async () => {
  await withTunnel({}, async ({ wire, send, stage }) => {
    send(frame(1, 4, 1, OK), frame(0, 0, 1, 'a'));
    await wire.expect('a');
    send(frame(0, 1, 1), frame(3, 0, 1, Buffer.from([0, 0, 0, 2])));
    await wire.closed();
    await eventually(() => assert.equal(stage.log.length, 1));
  });
});

test('an upstream that is not there', async () => {
  await onStage(async (stage) => {
    await stage.apply({
      listeners: [tcpListener('in', { cluster: 'up', tunneling_config: { hostname: 'a:1' } })],
      clusters: [cluster('up', [1], { http2_protocol_options: {} })],
    });
    const wire = await openWire(stage.port());
    await wire.closed();
    wire.close();
    await eventually(() => assert.equal(stage.log.length, 1));
  });
});
