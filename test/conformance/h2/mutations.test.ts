// The counterpart of A3 for HTTP/2: random damage to good sequences of frames. Whatever comes of it, the upstream sees canonical
// requests only, each of them logged, nothing stays behind, and the next client is served. FUZZ_RUNS and FUZZ_SEED as in A3.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@lateen/base/testing';
import { createRandom, mutate, type Random } from '../../fuzz/random.ts';
import { type Recorder, startRecorder } from '../h1/recorder.ts';
import { accessLogOf, clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { openFrames, postBlock, requestBlock, requestFields } from './frame-client.ts';
import { continuation, data, ERROR, goaway, headers, ping, priority, rstStream, SETTING, settings, windowUpdate } from './frames.ts';
import { block, literal, tableSize } from './hpack.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 400);
const SEED = Number(process.env.FUZZ_SEED ?? 20261121);

const GET = requestBlock();
const SEQUENCES: readonly (readonly Buffer[])[] = [
  [headers(1, GET), headers(3, GET), headers(5, requestBlock({ method: 'HEAD' }))],
  [headers(1, postBlock([['content-length', '5']]), { endStream: false }), data(1, 'he', false), data(1, 'llo')],
  [headers(1, postBlock(), { endStream: false }), data(1, 'hello', false), headers(1, block([['x-sum', '1']]))],
  [headers(1, GET.subarray(0, 7), { endHeaders: false }), continuation(1, GET.subarray(7)), ping(), windowUpdate(0, 10)],
  [settings([[SETTING.initialWindowSize, 3]]), headers(1, GET), windowUpdate(1, 100), rstStream(1)],
  [
    headers(1, Buffer.concat([tableSize(100), GET, literal('x-a', 'b', { mode: 'incremental', huffman: true })])),
    headers(3, GET),
    goaway(ERROR.none),
  ],
  [
    priority(7, 1),
    headers(
      1,
      block(
        requestFields({}, [
          ['cookie', 'a=b'],
          ['cookie', 'c=d'],
          ['te', 'trailers'],
        ]),
      ),
    ),
    headers(3, GET),
  ],
];
const TOKENS = [
  '\r\n',
  '\0',
  ' ',
  ':',
  'host',
  ':path',
  'content-length',
  '\x82',
  '\xbe',
  '\x00\x00\x00',
  '\x40',
  'transfer-encoding',
  '\x0achunked',
];

/** Damage within one frame keeps its length field right; otherwise little would ever get beyond the frame reader. */
function damaged(random: Random): Buffer {
  const frames = [...random.pick(SEQUENCES)];
  const material = { corpus: SEQUENCES.flat(), tokens: TOKENS };
  if (random.below(4) === 0) return mutate(Buffer.concat(frames), material, random);
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(frames.length);
    const frame = frames[at]!;
    const kind = random.below(6);
    if (kind === 0) frames.splice(at, 0, random.pick(random.pick(SEQUENCES)));
    else if (kind === 1 && frames.length > 1) frames.splice(at, 1);
    else if (kind === 2) frames[at] = withByte(frame, 3 + random.below(2), random.below(kind === 2 ? 64 : 10));
    else if (kind === 3) frames[at] = withByte(frame, 8, random.below(8));
    else frames[at] = withPayload(frame, mutate(frame.subarray(9), material, random));
  }
  return Buffer.concat(frames);
}

function withByte(frame: Buffer, at: number, byte: number): Buffer {
  const copy = Buffer.from(frame);
  copy[at] = byte;
  return copy;
}

function withPayload(frame: Buffer, payload: Buffer): Buffer {
  const head = Buffer.from(frame.subarray(0, 9));
  head.writeUIntBE(payload.length, 0, 3);
  return Buffer.concat([head, payload]);
}

suite('damaged frames', () => {
  let recorder: Recorder;
  let target: Target;
  before(async () => {
    recorder = await startRecorder();
    const hcm = { access_log: [accessLogOf('%REQ(X-REQUEST-ID)% %RESPONSE_CODE_DETAILS%')] };
    target = await startTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway', hcm })], [clusterOf('up', recorder.port)]);
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });

  test(`${RUNS} of them, seed ${SEED}`, { timeout: 600_000 }, async () => {
    const random = createRandom(SEED);
    recorder.mark();
    for (let i = 0; i < RUNS; i += 20) {
      await Promise.all(Array.from({ length: 20 }, () => play(target.portOf('in'), damaged(random), random.below(60))));
      assert.deepEqual(recorder.violations, []);
    }
    const canary = await openFrames(target.portOf('in'));
    canary.send(headers(1, requestBlock({ path: '/canary' })));
    assert.equal((await canary.ended(1)).body, 'GET /canary 0');
    canary.close();
    await eventually(() => assert.equal(target.running.proxy.connectionCount, 0));
    await eventually(() => assert.equal(target.running.proxy.clusters()[0]!.stats.upstream_rq_active, 0));
    await eventually(() => compare(recorder, target));
  });
});

async function play(port: number, bytes: Buffer, cut: number): Promise<void> {
  const client = await openFrames(port);
  try {
    client.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(bytes.subarray(cut));
    for (let before = -1; before !== client.frames.length && !client.closed; await sleep(10)) before = client.frames.length;
  } finally {
    client.close();
  }
}

function compare(recorder: Recorder, target: Target): void {
  const { requests } = recorder.since();
  const ids = requests.map(({ headers: fields }) => fields.find(([name]) => name === 'x-request-id')?.[1] ?? '-');
  const logged = new Set(target.log.map((line) => line.split(' ')[0]));
  assert.ok(ids.length > RUNS / 10, `${ids.length} requests`);
  assert.equal(new Set(ids).size, ids.length, 'a request was seen twice');
  assert.deepEqual(
    ids.filter((id) => !logged.has(id)),
    [],
    'requests that nobody logged',
  );
}
