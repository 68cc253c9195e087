// Plan A4: what an upstream may do wrong. The client gets 502 (flag UPE) or a clean cut, never a part of another answer; the
// upstream connection is not used again. For clients of HTTP/1.1 and HTTP/2.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { openRaw } from '../../support/raw-client.ts';
import { openFrames, requestBlock } from '../h2/frame-client.ts';
import { headers } from '../h2/frames.ts';
import { accessLogOf, clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { answerOf, type Recorder, startRecorder } from './recorder.ts';

/**
 * refused: 502 UPE. reset: the upstream said nothing whole, 503 UC. cut: the head went out, the body never ends well (or 502, when
 * all was read at once). whole: the answer is good, but its connection is not used again.
 */
type Outcome = 'refused' | 'reset' | 'cut' | 'whole';

type Row = {
  name: string;
  answer: string;
  outcome: Outcome;
  /** The upstream ends the connection after it. */
  ends?: true;
};

const OK = 'HTTP/1.1 200 OK\r\n';
const EVIL = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil';
const head = (lines: string, body = 'hello'): string => `${OK}${lines}\r\n\r\n${body}`;
const line = (statusLine: string): string => `${statusLine}\r\ncontent-length: 5\r\n\r\nhello`;
const refused = (name: string, answer: string): Row => ({ name, answer, outcome: 'refused' });
const cut = (name: string, answer: string, ends?: true): Row => ({ name, answer, outcome: 'cut', ...(ends && { ends }) });
const whole = (name: string, answer: string): Row => ({ name, answer, outcome: 'whole' });

const ROWS: readonly Row[] = [
  refused('length and chunks', head('content-length: 5\r\ntransfer-encoding: chunked', '0\r\n\r\n')),
  refused('two different lengths', head('content-length: 5\r\ncontent-length: 6')),
  refused('a list of lengths', head('content-length: 5, 6')),
  refused('a length with plus', head('content-length: +5')),
  refused('a negative length', head('content-length: -5')),
  refused('an empty length', head('content-length:')),
  refused('a coding nobody knows', head('transfer-encoding: cow')),
  refused('gzip and chunks', head('transfer-encoding: gzip, chunked', '0\r\n\r\n')),
  refused('an empty coding before chunks', head('transfer-encoding: ,chunked', '0\r\n\r\n')),
  refused('two codings', head('transfer-encoding: chunked\r\ntransfer-encoding: chunked', '0\r\n\r\n')),
  refused('chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
  refused('a status of two digits', line('HTTP/1.1 20 OK')),
  refused('a status of four digits', line('HTTP/1.1 2000 OK')),
  refused('a status of letters', line('HTTP/1.1 abc OK')),
  refused('a status below 100', line('HTTP/1.1 099 OK')),
  refused('HTTP/2.0 in a status line', line('HTTP/2.0 200 OK')),
  refused('another protocol', line('ICY 200 OK')),
  refused('two spaces before the status', line('HTTP/1.1  200 OK')),
  refused('bare LF', 'HTTP/1.1 200 OK\ncontent-length: 5\n\nhello'),
  refused('NUL in a value', head('x-a: b\0c\r\ncontent-length: 5')),
  refused('CR in a value', head('x-a: b\rc\r\ncontent-length: 5')),
  refused('a space before the colon', head('content-length : 5')),
  refused('a folded line', head('x-a: b\r\n c\r\ncontent-length: 5')),
  refused('a line without a colon', head('nothing\r\ncontent-length: 5')),
  refused('an empty name', head(': b\r\ncontent-length: 5')),
  refused('a head of 100 KB', head(`x-a: ${'b'.repeat(100_000)}\r\ncontent-length: 5`)),
  refused('200 header lines', head(`${'x-a: b\r\n'.repeat(200)}content-length: 5`)),
  refused('a flood of 1xx', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1000)),
  refused('an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nevil'),
  refused('no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'),
  { name: 'the end instead of an answer', answer: '', ends: true, outcome: 'reset' },
  { name: 'the end in the middle of the head', answer: 'HTTP/1.1 200 OK\r\ncontent-le', ends: true, outcome: 'refused' },
  cut('a body shorter than its length', head('content-length: 9'), true),
  cut('chunks without an end', head('transfer-encoding: chunked', '5\r\nhello\r\n'), true),
  cut('a chunk size that is none', head('transfer-encoding: chunked', '5\r\nhello\r\nzz\r\n')),
  cut('no CRLF after chunk data', head('transfer-encoding: chunked', '5\r\nhelloX\r\n0\r\n\r\n')),
  cut('a malformed trailer', head('transfer-encoding: chunked', '5\r\nhello\r\n0\r\nnothing\r\n\r\n')),
  whole('an answer behind the answer', head('content-length: 5') + EVIL),
  whole('bytes behind the answer', `${head('content-length: 5')}garbage`),
  whole('a body of 204', `HTTP/1.1 204 No Content\r\n\r\n${EVIL}`),
];

suite('hostile answers', () => {
  let recorder: Recorder;
  let target: Target;
  before(async () => {
    recorder = await startRecorder((request) => {
      const row = ROWS[Number(/^\/row\/(\d+)\/[12]$/.exec(request.target)?.[1] ?? -1)];
      if (!row) return answerOf(request);
      if (row.ends) setTimeout(() => endAll(recorder, request.target), 20);
      return row.answer;
    });
    const hcm = { access_log: [accessLogOf('%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%')] };
    target = await startTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway', hcm })], [clusterOf('up', recorder.port)]);
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });
  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    for (const [i, row] of ROWS.entries()) {
      test(`${row.name}, client of ${protocol}`, async () => {
        const path = `/row/${i}/${protocol === 'HTTP/2' ? 2 : 1}`;
        const got = protocol === 'HTTP/2' ? await askHttp2(target, path) : await askHttp1(target, path);
        await judge(row, got, { target, recorder, path });
      });
    }
  }
});

test('the table has the count of the plan', () => assert.equal(ROWS.length * 2, 80));

/** A request that met the end of a reused connection is sent again: all that saw it end. */
function endAll({ connections }: Recorder, path: string): void {
  for (const { received, socket } of connections) if (received.includes(`GET ${path} `)) socket.end();
}

type Got = { status: number; body: string; isComplete: boolean };

async function askHttp1(target: Target, path: string): Promise<Got> {
  const client = await openRaw(target.portOf('in'));
  try {
    await client.send([`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`]);
    const final = () => client.answers().find(({ status }) => status >= 200);
    await eventually(() => final() !== undefined || client.isClosed());
    const text = client.text();
    const answer = final();
    const status = Number(/(?:^|\r\n\r\n)HTTP\/1\.1 ([2-5]\d\d) /.exec(text)?.[1] ?? 0);
    return { status, body: text, isComplete: answer !== undefined };
  } finally {
    client.close();
  }
}

async function askHttp2(target: Target, path: string): Promise<Got> {
  const client = await openFrames(target.portOf('in'));
  try {
    client.send(headers(1, requestBlock({ path })));
    const { status, body, resetCode, ended } = await client.ended(1);
    assert.equal(client.goawayCode, undefined, client.summary());
    return { status, body, isComplete: ended && resetCode === undefined };
  } finally {
    client.close();
  }
}

async function judge(
  { outcome, name }: Row,
  { status, body, isComplete }: Got,
  place: { target: Target; recorder: Recorder; path: string },
): Promise<void> {
  const { target, recorder, path } = place;
  const told = `${status} ${JSON.stringify(body.slice(0, 300))}`;
  assert.ok(!body.includes('evil'), told);
  if (outcome === 'refused') assert.deepEqual([status, isComplete], [502, true], told);
  else if (outcome === 'reset') assert.deepEqual([status, isComplete], [503, true], told);
  else if (outcome === 'whole') assert.deepEqual([status, isComplete], [name.includes('204') ? 204 : 200, true], told);
  else assert.ok(status === 502 || (status === 200 && !isComplete), told);
  if (status === 502) await assertFlag(target, path, 'UPE');
  if (status === 503) await assertFlag(target, path, 'UC');
  const used = recorder.connections.filter(({ received }) => received.includes(`GET ${path} `));
  const canary = await askHttp1(target, '/canary');
  assert.equal(canary.status, 200);
  assert.ok(canary.body.endsWith('GET /canary 0'), canary.body);
  await eventually(() =>
    assert.ok(
      used.every(({ ended }) => ended),
      'the upstream connection stays open',
    ),
  );
  assert.ok(
    used.every(({ received }) => !received.slice(received.indexOf(`GET ${path} `)).includes('canary')),
    'the upstream connection was used again',
  );
}

async function assertFlag(target: Target, path: string, flag: string): Promise<void> {
  const lines = () => target.log.filter((text) => text.startsWith(`${path} `));
  await eventually(() => assert.ok(lines().length > 0, 'no line in the access log'));
  for (const text of lines()) assert.ok(text.split(' ')[2]?.split(',').includes(flag), text);
}
