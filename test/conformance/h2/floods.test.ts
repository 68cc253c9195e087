// Plan B2: sixteen ways to make an HTTP/2 server work for nothing. After its limit the connection is closed within a second with
// GOAWAY (ENHANCE_YOUR_CALM, or the error that it is), the upstream hears of few requests, and no memory stays.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Recorder, startRecorder } from '../h1/recorder.ts';
import { type ChildTarget, startChildTarget } from '../support/child-target.ts';
import { clusterOf, listenerOf } from '../support/configuration.ts';
import { type FrameClient, openFrames, postBlock, requestBlock, requestFields } from './frame-client.ts';
import {
  continuation,
  data,
  ERROR,
  frame,
  headers,
  ping,
  priority,
  rstStream,
  SETTING,
  settings,
  TYPE,
  uint32,
  windowUpdate,
} from './frames.ts';
import { block, indexed, literal, tableSize } from './hpack.ts';

const GET = requestBlock();
const POST = postBlock();
const MAX_UPSTREAM_REQUESTS = 1000;
const MAX_GROWTH_BYTES = 32 * 1024 * 1024;
const { enhanceYourCalm, protocol, flowControl, compression, streamClosed, frameSize } = ERROR;

/** Frames number `from` to `to` of a flood. */
type Batch = (from: number, to: number) => Buffer[];

type Flood = {
  name: string;
  count: number;
  batch: Batch;
  /** Before the flood. */
  prepare?: (client: FrameClient) => void;
  settings?: readonly (readonly [id: number, value: number])[];
  /** Each stream of it is refused by itself; the connection may go on. */
  mayGoOn?: boolean;
  /** Codes besides ENHANCE_YOUR_CALM and PROTOCOL_ERROR. */
  codes?: readonly number[];
};

const each =
  (make: (i: number) => Buffer): Batch =>
  (from, to) =>
    Array.from({ length: to - from }, (_, i) => make(from + i));

const streamOf = (i: number): number => 1 + 2 * i;
const KILOBYTE = literal('x-fill', 'f'.repeat(1000));

/** A stream that we make the server reset, one for each fault. */
const FAULTS: readonly ((stream: number) => Buffer)[] = [
  (stream) => Buffer.concat([headers(stream, POST, { endStream: false }), windowUpdate(stream, 0)]),
  (stream) => Buffer.concat([headers(stream, POST, { endStream: false }), windowUpdate(stream, 2 ** 31 - 1)]),
  (stream) => Buffer.concat([headers(stream, GET), data(stream, 'x')]),
  (stream) => Buffer.concat([headers(stream, GET), headers(stream, GET)]),
  (stream) => Buffer.concat([headers(stream, postBlock([['content-length', '1']]), { endStream: false }), data(stream, 'xx')]),
  (stream) => Buffer.concat([headers(stream, POST, { endStream: false }), frame(TYPE.priority, { stream, payload: Buffer.alloc(4) })]),
];

const FLOODS: readonly Flood[] = [
  { name: 'rapid reset', count: 50_000, batch: each((i) => Buffer.concat([headers(streamOf(i), GET), rstStream(streamOf(i))])) },
  {
    name: 'resets that the server is made to send, six faults',
    count: 20_000,
    batch: each((i) => FAULTS[i % FAULTS.length]!(streamOf(i))),
    codes: [streamClosed, frameSize, flowControl],
  },
  {
    name: 'CONTINUATION of a kilobyte',
    count: 20_000,
    prepare: (c) => c.send(headers(1, GET, { endHeaders: false })),
    batch: each(() => continuation(1, KILOBYTE, false)),
  },
  {
    name: 'empty CONTINUATION',
    count: 200_000,
    prepare: (c) => c.send(headers(1, GET, { endHeaders: false })),
    batch: each(() => continuation(1, Buffer.alloc(0), false)),
  },
  { name: 'PING', count: 200_000, batch: each(() => ping()) },
  { name: 'SETTINGS', count: 200_000, batch: each(() => settings([[SETTING.initialWindowSize, 65535]])) },
  { name: 'PRIORITY', count: 200_000, batch: each((i) => priority(streamOf(i % 1000), 0)) },
  {
    name: 'empty DATA',
    count: 200_000,
    prepare: (c) => c.send(headers(1, POST, { endStream: false })),
    batch: each(() => data(1, '', false)),
  },
  {
    name: 'WINDOW_UPDATE of one byte',
    count: 200_000,
    prepare: (c) => c.send(headers(1, POST, { endStream: false })),
    batch: each((i) => windowUpdate(i % 2, 1)),
  },
  {
    name: 'cookies by reference',
    count: 200,
    mayGoOn: true,
    // 15,000 times a cookie of 4,000 bytes that stands in the table: 15 KB on the wire, 60 MB decoded.
    batch: (from, to) => [
      ...(from === 0 ? [headers(1, Buffer.concat([GET, literal(32, 'c'.repeat(4000), { mode: 'incremental' })]))] : []),
      ...each((i) => headers(streamOf(i + 1), Buffer.concat([GET, Buffer.alloc(15_000, indexed(62))])))(from, to),
    ],
  },
  {
    name: 'DATA on a closed stream',
    count: 50_000,
    prepare: (c) => c.send(headers(1, GET), rstStream(1)),
    batch: each(() => data(1, 'x'.repeat(20), false)),
    codes: [streamClosed],
  },
  {
    name: 'table sizes',
    count: 50_000,
    batch: each((i) =>
      headers(
        streamOf(i),
        Buffer.concat([tableSize(0), tableSize(4096), block(requestFields()), literal('x-a', 'b'.repeat(200), { mode: 'incremental' })]),
      ),
    ),
  },
];

/** A thousand connections that each break in this way. */
const BREAKS: readonly { name: string; frames: Buffer; codes: readonly (number | undefined)[] }[] = [
  { name: 'window overflow', frames: windowUpdate(0, 2 ** 31 - 1), codes: [flowControl] },
  { name: 'malformed HPACK', frames: headers(1, Buffer.from([0x80])), codes: [compression] },
  {
    name: 'GOAWAY of a client, then an error',
    frames: Buffer.concat([
      frame(TYPE.goaway, { payload: Buffer.concat([uint32(0), uint32(0)]) }),
      frame(TYPE.ping, { payload: Buffer.alloc(3) }),
    ]),
    // Nothing was under way: the connection may end before the error is read.
    codes: [frameSize, undefined],
  },
];
const CONNECTIONS = 1000;

suite('HTTP/2 floods', () => {
  let recorder: Recorder;
  let target: ChildTarget;
  before(async () => {
    recorder = await startRecorder(({ target: path }) => (path === '/big' ? bigAnswer() : undefined));
    target = await startChildTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway' })], [clusterOf('up', recorder.port)]);
    // Warm: code, buffers, pools.
    for (let i = 0; i < 20; i++) await quietRequest(target.portOf('in'));
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });

  for (const flood of FLOODS) {
    test(flood.name, () => guarded(target, () => runFlood(flood, target.portOf('in'))));
  }
  for (const one of BREAKS) {
    test(`${one.name} on ${CONNECTIONS} connections`, () =>
      guarded(target, async () => {
        for (let i = 0; i < CONNECTIONS; i += 20) await Promise.all(Array.from({ length: 20 }, () => runBreak(one, target.portOf('in'))));
      }));
  }
  test('a window of zero on 100 connections of 100 streams', () => guarded(target, () => runStall(target), 100 * 100));
});

test('the tables have the count of the plan', () => assert.equal(FLOODS.length + BREAKS.length + 1, 16));

const bigAnswer = (): string => `HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${'b'.repeat(100_000)}`;

async function quietRequest(port: number): Promise<void> {
  const client = await openFrames(port);
  try {
    client.send(headers(1, GET));
    assert.equal((await client.ended(1)).status, 200);
  } finally {
    client.close();
  }
}

/** Runs it, and then: memory is back, connections are gone, the next client is served. */
async function guarded(target: ChildTarget, run: () => Promise<void>, maxRequests = MAX_UPSTREAM_REQUESTS): Promise<void> {
  const before = await target.measure();
  await run();
  const deadline = performance.now() + 8000;
  let now = await target.measure();
  const isBack = () => now.connections === 0 && now.upstreamActive === 0 && usedOf(now) - usedOf(before) <= MAX_GROWTH_BYTES;
  while (!isBack() && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    now = await target.measure();
  }
  assert.ok(
    now.upstreamRequests - before.upstreamRequests <= maxRequests,
    `${now.upstreamRequests - before.upstreamRequests} requests upstream`,
  );
  assert.equal(now.connections, 0, 'connections left');
  assert.equal(now.upstreamActive, 0, 'requests left');
  assert.ok(usedOf(now) - usedOf(before) <= MAX_GROWTH_BYTES, `${Math.round((usedOf(now) - usedOf(before)) / 2 ** 20)} MiB more`);
  await quietRequest(target.portOf('in'));
}

/** What this process holds; resident memory includes what the allocator keeps for later. */
const usedOf = ({ heapBytes, externalBytes }: { heapBytes: number; externalBytes: number }): number => heapBytes + externalBytes;

const BATCH = 500;

async function runFlood({ count, batch, prepare, settings: sent = [], codes = [], mayGoOn = false }: Flood, port: number): Promise<void> {
  const client = await openFrames(port, { settings: sent });
  try {
    prepare?.(client);
    for (let i = 0; i < count && client.goawayCode === undefined && !client.closed; i += BATCH) {
      await client.push(Buffer.concat(batch(i, Math.min(count, i + BATCH))));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (mayGoOn) return await everyStreamRefused(client, count);
    await client.until('the end of the connection', () => client.closed, 5000);
    const code = client.goawayCode;
    assert.ok(code !== undefined && [enhanceYourCalm, protocol, ...codes].includes(code as 1), client.summary());
  } finally {
    client.close();
  }
}

async function everyStreamRefused(client: FrameClient, count: number): Promise<void> {
  const last = streamOf(count);
  await client.until(
    'the refusal of the last stream',
    () => client.answer(last).resetCode !== undefined || client.answer(last).status === 431,
    5000,
  );
  for (let i = 1; i <= count; i++) assert.notEqual(client.answer(streamOf(i)).status, 200);
}

async function runBreak({ frames, codes }: (typeof BREAKS)[number], port: number): Promise<void> {
  const client = await openFrames(port);
  try {
    client.send(frames);
    await client.until('the end of the connection', () => client.closed);
    assert.ok(codes.includes(client.goawayCode!), client.summary());
  } finally {
    client.close();
  }
}

/** Each stream asks for an answer that it does not let come: memory stays within the buffers of the connections. */
async function runStall(target: ChildTarget): Promise<void> {
  const before = await target.measure();
  const clients = await Promise.all(
    Array.from({ length: 100 }, () => openFrames(target.portOf('in'), { settings: [[SETTING.initialWindowSize, 0]] })),
  );
  try {
    const big = requestBlock({ path: '/big' });
    for (const client of clients) client.send(...Array.from({ length: 100 }, (_, i) => headers(streamOf(i), big)));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const held = usedOf(await target.measure()) - usedOf(before);
    // 10,000 streams of at most 32 KiB soft limit; what matters is that answers are not swallowed whole (1 GB).
    assert.ok(held <= 400 * 2 ** 20, `${Math.round(held / 2 ** 20)} MiB held`);
    assert.ok(!target.hasDied());
  } finally {
    for (const client of clients) client.close();
  }
}
