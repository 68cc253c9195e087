import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { exchangeOnce, openWire, type RawServer } from '../testing/wire.ts';
import { createLineReader, fields, frame, readFrames } from './testing/frames.ts';

// What an HTTP/2 upstream may do to us, frame by frame; the client speaks HTTP/1.1.

const HEADERS = 1;
const SETTINGS = frame(4, 0, 0);
const PREFACE_BYTES = 24;
const OK = fields([':status', '200']);
const get = (more = '') => `GET /a HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n${more}\r\n`;

type Request = { streamId: number; connection: number; send(...frames: Buffer[]): void; end(): void };

/** An upstream that greets and then does as told with each request. */
function speaking(stage: Stage, onRequest: (request: Request) => void, greeting: Buffer = SETTINGS): Promise<RawServer> {
  const answered = new Map<number, number>();
  return stage.upstream((socket, text, connection) => {
    if (!answered.has(connection)) {
      answered.set(connection, 0);
      socket.write(greeting);
    }
    const heads = readFrames(text, PREFACE_BYTES).filter(({ type }) => type === HEADERS);
    for (const { streamId } of heads.slice(answered.get(connection))) {
      onRequest({ streamId, connection, send: (...frames) => void socket.write(Buffer.concat(frames)), end: () => void socket.end() });
    }
    answered.set(connection, heads.length);
  });
}

async function withUpstream(
  onRequest: (request: Request) => void,
  run: (stage: Stage, upstream: RawServer) => Promise<void>,
  options: { greeting?: Buffer; route?: object; cluster?: object } = {},
): Promise<void> {
  await onStage(async (stage) => {
    const upstream = await speaking(stage, onRequest, options.greeting);
    const clusters = [cluster('up', [upstream.port], { http2_protocol_options: {}, ...options.cluster })];
    await stage.apply({ listeners: [httpListener('in', [routeTo('up', { ...options.route })])], clusters });
    await run(stage, upstream);
  });
}

test('a request goes out with its pseudo headers and without hop-by-hop fields', async () => {
  await withUpstream(
    ({ streamId, send }) => send(frame(1, 5, streamId, OK)),
    async (stage, upstream) => {
      await exchangeOnce(stage.port(), get('te: trailers\r\nkeep-alive: 5\r\nx-a: b\r\ncookie: c=d\r\n'));
      const [head] = readFrames(upstream.received[0]!, PREFACE_BYTES).filter(({ type }) => type === HEADERS);
      assert.equal(head!.flags, 5);
      const lines = createLineReader()(head!.payload);
      assert.deepEqual(lines.slice(0, 4), [':method: GET', ':scheme: http', ':path: /a', ':authority: a.test']);
      assert.ok(lines.includes('x-a: b') && lines.includes('te: trailers') && lines.includes('cookie: c=d'));
      assert.ok(!lines.some((line) => /^(host|connection|keep-alive|transfer-encoding):/.test(line)), lines.join());
    },
  );
});

const BODY = frame(0, 0, 1, 'hello');
type Case = { what: string; frames: (id: number) => Buffer[]; answer: RegExp; log?: string; hangsUp?: boolean };

const ANSWERS: readonly Case[] = [
  {
    what: 'head and body',
    frames: (id) => [frame(1, 4, id, OK), frame(0, 1, id, 'hello')],
    answer: /^HTTP\/1\.1 200 [\s\S]*\r\nhello\r\n/,
  },
  {
    what: '1xx before the answer',
    frames: (id) => [frame(1, 4, id, fields([':status', '103'])), frame(1, 5, id, OK)],
    answer: /^HTTP\/1\.1 200 /,
  },
  {
    what: 'padding, priority and unknown frames',
    frames: (id) => [
      frame(0x77, 0xff, id, 'what'),
      frame(1, 0xc, id, Buffer.concat([Buffer.from([2]), OK, Buffer.alloc(2)])),
      frame(0, 9, id, '\x01x\x00'),
    ],
    answer: /\r\nx\r\n/,
  },
  {
    what: 'a head in CONTINUATION frames',
    frames: (id) => [frame(1, 1, id, OK.subarray(0, 0)), frame(9, 0, id, OK), frame(9, 4, id, fields(['x-late', 'yes']))],
    answer: /\r\nx-late: yes\r\n/,
  },
  {
    what: 'RST_STREAM',
    frames: (id) => [frame(3, 0, id, Buffer.from([0, 0, 0, 2]))],
    answer: /^HTTP\/1\.1 503 [\s\S]*remote reset/,
    log: '503 UR',
  },
  {
    what: 'REFUSED_STREAM',
    frames: (id) => [frame(3, 0, id, Buffer.from([0, 0, 0, 7]))],
    answer: /remote refused stream reset/,
  },
  {
    what: 'RST_STREAM because of the protocol',
    frames: (id) => [frame(3, 0, id, Buffer.from([0, 0, 0, 1]))],
    answer: /^HTTP\/1\.1 502 [\s\S]*protocol error/,
  },
  // Envoy: 5 + 2 for each stream that was opened.
  {
    what: 'seven WINDOW_UPDATE frames for a request without a body',
    frames: (id) => [...Array.from({ length: 7 }, () => frame(8, 0, 0, Buffer.from([0, 0, 0, 1]))), frame(1, 5, id, OK)],
    answer: /^HTTP\/1\.1 200 /,
  },
  { what: 'ENABLE_PUSH', frames: () => [frame(4, 0, 0, Buffer.from([0, 2, 0, 0, 0, 1]))], answer: /^HTTP\/1\.1 502 /, hangsUp: true },
  {
    what: '204 with a length of nothing',
    frames: (id) => [frame(1, 5, id, fields([':status', '204'], ['content-length', '0']))],
    answer: /^HTTP\/1\.1 204 (?![\s\S]*content-length)/,
  },
  {
    what: '204 with a length',
    frames: (id) => [frame(1, 5, id, fields([':status', '204'], ['content-length', '3']))],
    answer: /^HTTP\/1\.1 502 /,
  },
  { what: 'an answer without status', frames: (id) => [frame(1, 5, id, fields(['a', 'b']))], answer: /^HTTP\/1\.1 502 /, log: '502 UPE' },
  { what: '101', frames: (id) => [frame(1, 5, id, fields([':status', '101']))], answer: /^HTTP\/1\.1 502 / },
  {
    what: 'connection-specific fields',
    frames: (id) => [frame(1, 5, id, fields([':status', '200'], ['connection', 'x']))],
    answer: /^HTTP/,
  },
  {
    what: 'a body shorter than content-length',
    frames: (id) => [frame(1, 4, id, fields([':status', '200'], ['content-length', '9'])), frame(0, 1, id, 'short')],
    answer: /^HTTP\/1\.1 502 /,
  },
  {
    what: 'DATA before HEADERS',
    frames: (id) => [frame(0, 0, id, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil'), frame(1, 5, id, OK)],
    answer: /^HTTP\/1\.1 502 /,
    log: '502 UPE',
  },
  {
    what: 'END_STREAM before HEADERS',
    frames: (id) => [frame(1, 4, id, fields([':status', '103'])), frame(0, 1, id), frame(1, 5, id, OK)],
    answer: /^HTTP\/1\.1 502 /,
  },
  {
    what: 'HEADERS, DATA and trailers',
    frames: (id) => [frame(1, 4, id, OK), frame(0, 0, id, 'x'), frame(1, 5, id, fields(['grpc-status', '0']))],
    answer: /\r\nx\r\n/,
  },
  { what: 'PUSH_PROMISE', frames: (id) => [frame(5, 4, id, Buffer.alloc(4))], answer: /^HTTP\/1\.1 502 /, log: '502 UPE', hangsUp: true },
  {
    what: 'a frame that is too large',
    frames: () => [Buffer.from('ffffff000000000001', 'hex')],
    answer: /^HTTP\/1\.1 502 /,
    log: '502 UPE',
    hangsUp: true,
  },
  {
    what: 'HEADERS on a stream that we did not open',
    frames: () => [frame(1, 5, 2, OK)],
    answer: /^HTTP\/1\.1 502 /,
    log: '502 UPE',
    hangsUp: true,
  },
  {
    what: 'broken compression',
    frames: (id) => [frame(1, 5, id, Buffer.from([0x80]))],
    answer: /^HTTP\/1\.1 502 /,
    log: '502 UPE',
    hangsUp: true,
  },
];

for (const { what, frames, answer, log, hangsUp } of ANSWERS) {
  test(`an upstream answers with ${what}`, async () => {
    await withUpstream(
      ({ streamId, send }) => send(...frames(streamId)),
      async (stage, upstream) => {
        assert.match(await exchangeOnce(stage.port(), get()), answer);
        if (log) await eventually(() => assert.match(stage.log[0] ?? '', new RegExp(`^${log}`)));
        if (hangsUp) await eventually(() => assert.equal(upstream.sockets[0]!.readableEnded, true));
      },
    );
  });
}

test('an answer without status costs the connection, unless errors of messages cost their stream', async () => {
  for (const one of [true, false]) {
    await withUpstream(
      ({ streamId, send }) => send(frame(1, 5, streamId, fields(['a', 'b']))),
      async (stage, upstream) => {
        for (let i = 0; i < 2; i++) assert.match(await exchangeOnce(stage.port(), get()), /^HTTP\/1\.1 502 /);
        assert.equal(upstream.received.length, one ? 1 : 2);
      },
      { cluster: { http2_protocol_options: { override_stream_error_on_invalid_http_message: one } } },
    );
  }
});

test('what exceeds the limits, or differs from its length, costs the stream only', async () => {
  const large = Array.from({ length: 5 }, (_, i) => fields([`a${i}`, 'x'.repeat(15_000)]));
  const answers = [
    (id: number) => [frame(1, 0, id, OK), ...large.map((part, i) => frame(9, i === 4 ? 4 : 0, id, part))],
    (id: number) => [frame(1, 4, id, fields([':status', '200'], ['content-length', '9'])), frame(0, 1, id, 'short')],
    (id: number) => [frame(1, 5, id, OK)],
  ];
  await withUpstream(
    ({ streamId, send }) => send(...answers[(streamId - 1) / 2]!(streamId)),
    async (stage, upstream) => {
      const status = async () => (await exchangeOnce(stage.port(), get())).slice(9, 12);
      assert.deepEqual([await status(), await status(), await status()], ['502', '502', '200']);
      assert.equal(upstream.received.length, 1);
      const { http2 } = stage.proxy.clusters()[0]!.stats;
      assert.deepEqual([http2?.header_list_size_too_large, http2?.tx_reset, http2?.goaway_sent], [1, 2, 0]);
    },
  );
});

test('requests that GOAWAY leaves out go to another connection; those it covers are answered', async () => {
  await withUpstream(
    ({ streamId, connection, send }) => {
      if (connection > 0) send(frame(1, 5, streamId, fields([':status', '201'])));
      // Only stream 1 was looked at.
      else if (streamId === 3) send(frame(7, 0, 0, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])), frame(1, 5, 1, OK));
    },
    async (stage, upstream) => {
      const answers = await Promise.all([exchangeOnce(stage.port(), get()), exchangeOnce(stage.port(), get())]);
      assert.deepEqual(answers.map((text) => text.slice(9, 12)).sort(), ['200', '201']);
      assert.equal(upstream.received.length, 2);
      await eventually(() => assert.equal(upstream.sockets[0]!.readableEnded, true));
    },
    { route: { retry_policy: { retry_on: 'refused-stream', num_retries: 2 } } },
  );
});

test('more streams than the peer allows wait or take another connection', async () => {
  const open: Request[] = [];
  await withUpstream(
    (request) => void open.push(request),
    async (stage, upstream) => {
      const answers = Array.from({ length: 3 }, () => exchangeOnce(stage.port(), get()));
      await eventually(() => assert.equal(open.length, 3));
      assert.deepEqual([...new Set(open.map(({ connection, streamId }) => `${connection}:${streamId}`))].length, 3);
      for (const { streamId, send } of open) send(frame(1, 5, streamId, OK));
      for (const text of await Promise.all(answers)) assert.match(text, /^HTTP\/1\.1 200 /);
      assert.equal(upstream.received.length, 2);
    },
    { cluster: { http2_protocol_options: { max_concurrent_streams: 2 } } },
  );
});

test('circuit breakers: one connection of one stream, and a queue of one', async () => {
  const open: Request[] = [];
  await withUpstream(
    (request) => void open.push(request),
    async (stage, upstream) => {
      const first = exchangeOnce(stage.port(), get());
      await eventually(() => assert.equal(open.length, 1));
      const second = exchangeOnce(stage.port(), get());
      const { stats } = stage.proxy.clusters()[0]!;
      await eventually(() => assert.equal(stats.upstream_rq_pending_active, 1));
      assert.match(await exchangeOnce(stage.port(), get()), /x-envoy-overloaded: true[\s\S]*overflow/);
      open[0]!.send(frame(1, 5, open[0]!.streamId, OK));
      assert.match(await first, /^HTTP\/1\.1 200 /);
      await eventually(() => assert.equal(open.length, 2));
      open[1]!.send(frame(1, 5, open[1]!.streamId, OK));
      assert.match(await second, /^HTTP\/1\.1 200 /);
      assert.equal(upstream.received.length, 1);
      assert.equal(stats.upstream_rq_active, 0);
      assert.equal(stats.upstream_rq_pending_overflow, 1);
    },
    {
      cluster: {
        http2_protocol_options: { max_concurrent_streams: 1 },
        circuit_breakers: { thresholds: [{ max_connections: 1, max_pending_requests: 1 }] },
      },
    },
  );
});

test('a limit of requests holds for those that waited for a connection, too', async () => {
  await withUpstream(
    ({ streamId, send }) => send(frame(1, 5, streamId, OK)),
    async (stage) => assert.match(await exchangeOnce(stage.port(), get()), /^HTTP\/1\.1 503 [\s\S]*overflow/),
    { cluster: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } },
  );
});

test('a connection ends after the requests it may carry', async () => {
  await withUpstream(
    ({ streamId, send }) => send(frame(1, 5, streamId, OK)),
    async (stage, upstream) => {
      for (let i = 0; i < 4; i++) await exchangeOnce(stage.port(), get());
      assert.equal(upstream.received.length, 2);
    },
    { cluster: { max_requests_per_connection: 2 } },
  );
});

test('a client that leaves resets its stream and no other', async () => {
  const open: Request[] = [];
  await withUpstream(
    (request) => void open.push(request),
    async (stage, upstream) => {
      const stays = exchangeOnce(stage.port(), get());
      await eventually(() => assert.equal(open.length, 1));
      const leaves = await openWire(stage.port());
      leaves.send(get());
      await eventually(() => assert.equal(open.length, 2));
      leaves.socket.resetAndDestroy();
      await eventually(() => {
        const resets = readFrames(upstream.received[0]!, PREFACE_BYTES).filter(({ type }) => type === 3);
        assert.deepEqual(
          resets.map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)]),
          [[3, 8]],
        );
      });
      open[0]!.send(BODY.subarray(0, 0), frame(1, 5, 1, OK));
      assert.match(await stays, /^HTTP\/1\.1 200 /);
    },
  );
});
