// Plan A4 for upstreams of HTTP/2: what they may do wrong. The client, of HTTP/1.1 or HTTP/2, gets 502 or 503 or a clean cut within
// the time of a test, never a part of another answer, and the next request is served.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { openRaw } from '../../support/raw-client.ts';
import { clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { openFrames, requestBlock } from './frame-client.ts';
import {
  continuation,
  data,
  ERROR,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  rstStream,
  SETTING,
  settings,
  TYPE,
  uint32,
  windowUpdate,
} from './frames.ts';
import { block, type Field, indexed, literal } from './hpack.ts';
import { type RawHttp2Upstream, startRawHttp2Upstream } from './raw-upstream.ts';

/** refused: an answer of the proxy (5xx). cut: the head went out, the body never ends well (or 5xx). served: 200, whole. */
type Outcome = 'refused' | 'cut' | 'served';
type Row = { name: string; frames: readonly Buffer[]; outcome: Outcome };

const OK: readonly Field[] = [[':status', '200']];
const head = (...more: Field[]): Buffer => headers(1, block([...OK, ...more]), { endStream: false });
const answer = (fields: readonly Field[]): readonly Buffer[] => [headers(1, block(fields), { endStream: false }), data(1, 'evil')];
const refused = (name: string, ...frames: readonly Buffer[]): Row => ({ name, frames, outcome: 'refused' });
const cut = (name: string, ...frames: readonly Buffer[]): Row => ({ name, frames, outcome: 'cut' });
const served = (name: string, ...frames: readonly Buffer[]): Row => ({ name, frames, outcome: 'served' });

const ROWS: readonly Row[] = [
  refused('no :status', ...answer([['x-a', 'b']])),
  refused('two :status', ...answer([...OK, [':status', '201']])),
  refused('a status of letters', ...answer([[':status', 'abc']])),
  refused('a status below 100', ...answer([[':status', '099']])),
  refused('101', ...answer([[':status', '101']])),
  refused('a pseudo-header of requests', ...answer([...OK, [':path', '/']])),
  refused('a name in capital letters', ...answer([...OK, ['X-A', 'b']])),
  refused('CR LF in a value', ...answer([...OK, ['x-a', 'b\r\nx-b: c']])),
  refused('NUL in a value', ...answer([...OK, ['x-a', 'b\0c']])),
  refused('Connection', ...answer([...OK, ['connection', 'close']])),
  refused('Transfer-Encoding', ...answer([...OK, ['transfer-encoding', 'chunked']])),
  refused('two lengths', ...answer([...OK, ['content-length', '4'], ['content-length', '5']])),
  refused('DATA before HEADERS', data(1, 'evil')),
  refused('DATA after 1xx only', headers(1, block([[':status', '103']]), { endStream: false }), data(1, 'evil')),
  refused('broken HPACK', headers(1, indexed(0))),
  refused('a frame too large', frame(TYPE.headers, { stream: 1, flags: FLAG.endHeaders, payload: Buffer.alloc(20_000) })),
  refused('SETTINGS of 3 bytes', frame(TYPE.settings, { payload: Buffer.alloc(3) })),
  refused('a stream that nobody opened', headers(3, block(OK)), rstStream(1, ERROR.internal)),
  refused('a push', frame(TYPE.pushPromise, { stream: 1, flags: FLAG.endHeaders, payload: Buffer.concat([uint32(2), block(OK)]) })),
  refused('a window that overflows', windowUpdate(0, 2 ** 31 - 1)),
  refused('GOAWAY below our stream', goaway(ERROR.internal, 0)),
  refused('RST_STREAM instead of an answer', rstStream(1, ERROR.internal)),
  refused(
    'a head of 100 KB',
    headers(1, block([...OK, ['x-a', 'b'.repeat(16_000)]]), { endHeaders: false, endStream: false }),
    ...Array.from({ length: 6 }, (_, i) => continuation(1, literal('x-a', 'b'.repeat(16_000)), i === 5)),
  ),
  refused('a flood of 1xx', ...Array.from({ length: 200 }, () => headers(1, block([[':status', '103']]), { endStream: false }))),
  refused(
    'a flood of empty CONTINUATION',
    headers(1, block(OK), { endHeaders: false, endStream: false }),
    ...Array.from({ length: 20_000 }, () => continuation(1, Buffer.alloc(0), false)),
  ),
  cut('a body longer than its length', head(['content-length', '2']), data(1, 'hello')),
  cut('a body shorter than its length', head(['content-length', '9']), data(1, 'hello')),
  cut('RST_STREAM in the body', head(), data(1, 'hello', false), rstStream(1, ERROR.internal)),
  cut('a connection error in the body', head(), data(1, 'hello', false), frame(TYPE.ping, { payload: Buffer.alloc(3) })),
  cut('a pseudo-header in the trailers', head(), data(1, 'hello', false), headers(1, block([[':status', '200']]))),
  cut('CR LF in the trailers', head(), data(1, 'hello', false), headers(1, block([['x-a', 'b\r\nevil: c']]))),
  served('PING and SETTINGS before the answer', ping(), settings([[SETTING.maxConcurrentStreams, 10]]), head(), data(1, 'hello')),
  served('an unknown frame in the body', head(), frame(0x20, { stream: 1, payload: Buffer.alloc(8) }), data(1, 'hello')),
  served('GOAWAY behind the answer', head(), data(1, 'hello'), goaway(ERROR.none, 2 ** 31 - 1)),
  served('RST_STREAM behind the answer', head(), data(1, 'hello'), rstStream(1, ERROR.none)),
];

suite('hostile upstreams of HTTP/2', () => {
  let upstream: RawHttp2Upstream;
  let target: Target;
  before(async () => {
    upstream = await startRawHttp2Upstream();
    target = await startTarget(
      [listenerOf({ name: 'in', port: 0, profile: 'gateway' })],
      [clusterOf('up', upstream.port, { http2: true })],
    );
  });
  after(async () => {
    await target?.close();
    await upstream?.close();
  });
  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    for (const row of ROWS) {
      test(`${row.name}, client of ${protocol}`, { timeout: 30_000 }, async () => {
        const ask = protocol === 'HTTP/2' ? askHttp2 : askHttp1;
        await upstream.answer(() => row.frames);
        const got = await ask(target);
        const told = JSON.stringify(got);
        if (row.outcome === 'refused') assert.ok([502, 503].includes(got.status) && got.isComplete && !got.body.includes('evil'), told);
        else if (row.outcome === 'served') assert.ok(got.status === 200 && got.isComplete && got.body === 'hello', told);
        else assert.ok(got.status >= 502 || (got.status === 200 && !got.isComplete), told);
        await upstream.answer(() => [headers(1, block([...OK, ['content-length', '6']]), { endStream: false }), data(1, 'canary')]);
        assert.deepEqual(await ask(target), { status: 200, body: 'canary', isComplete: true });
        const [cluster] = target.running.proxy.clusters();
        await eventually(() => assert.equal(cluster!.stats.upstream_rq_active, 0));
      });
    }
  }
});

type Got = { status: number; body: string; isComplete: boolean };

async function askHttp1(target: Target): Promise<Got> {
  const client = await openRaw(target.portOf('in'));
  try {
    await client.send(['GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n']);
    await eventually(() => client.isClosed() || client.answers().some(({ status }) => status >= 200));
    const answer = client.answers().find(({ status }) => status >= 200);
    const status = Number(/(?:^|\r\n\r\n)HTTP\/1\.1 ([2-5]\d\d) /.exec(client.text())?.[1] ?? 0);
    return { status, body: answer?.body ?? '', isComplete: answer !== undefined };
  } finally {
    client.close();
  }
}

async function askHttp2(target: Target): Promise<Got> {
  const client = await openFrames(target.portOf('in'));
  try {
    client.send(headers(1, requestBlock()));
    const { status, body, resetCode, ended } = await client.ended(1);
    return { status, body, isComplete: ended && (resetCode ?? 0) === 0 };
  } finally {
    client.close();
  }
}
