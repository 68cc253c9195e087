// Plan A6: each limit of HTTP/1.1 one below, at, and one above. The target has no limit of its own: Envoy counts it with the headers.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { openRaw } from '../../support/raw-client.ts';
import { clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { answerOf, type Recorder, startRecorder } from './recorder.ts';

const HEAD_BYTES = 60 * 1024;
const HEADERS = 100;
const CHUNK_LINE = 4096;
const INFORMATIONAL = 20;

const padded = (total: number, before: string, end: string): string => before + 'a'.repeat(total - before.length - end.length) + end;
const GET = 'GET /x HTTP/1.1\r\nHost: a.test\r\n';
const POST = 'POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';

type Limit = { name: string; limit: number; payload: (size: number) => string; above: number; hcm?: string };

const LIMITS: readonly Limit[] = [
  { name: 'bytes of the head', limit: HEAD_BYTES, payload: (size) => padded(size, `${GET}X: `, '\r\n\r\n'), above: 431 },
  { name: 'header lines', limit: HEADERS, payload: (count) => `${GET}${'X: y\r\n'.repeat(count - 1)}\r\n`, above: 431 },
  {
    name: 'bytes of the target',
    limit: HEAD_BYTES,
    payload: (size) => padded(size, 'GET /', ' HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    above: 431,
  },
  {
    name: 'bytes of a chunk extension',
    limit: CHUNK_LINE,
    payload: (size) => `${POST}5;${'a'.repeat(size)}\r\nhello\r\n0\r\n\r\n`,
    above: 400,
  },
  {
    name: 'bytes of the trailers',
    limit: HEAD_BYTES,
    payload: (size) => `${POST}5\r\nhello\r\n0\r\n${padded(size, 'X: ', '\r\n\r\n')}`,
    above: 431,
  },
  // Told to the upstream, which sends that many before its answer.
  {
    name: 'informational answers',
    limit: INFORMATIONAL,
    payload: (count) => `GET /informational/${count} HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    above: 502,
  },
];

suite('limits of HTTP/1.1', () => {
  let recorder: Recorder;
  let target: Target;
  before(async () => {
    recorder = await startRecorder((request) => {
      const count = Number(/^\/informational\/(\d+)$/.exec(request.target)?.[1] ?? 0);
      return 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(count) + answerOf(request);
    });
    target = await startTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway' })], [clusterOf('up', recorder.port)]);
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });
  for (const { name, limit, payload, above } of LIMITS) {
    for (const difference of [-1, 0, 1]) {
      test(`${name}: ${limit} ${difference < 0 ? '- 1' : difference > 0 ? '+ 1' : ''}`, async () => {
        recorder.mark();
        const client = await openRaw(target.portOf('in'));
        try {
          await client.send([payload(limit + difference)]);
          const answers = (await client.expectFinal()).status;
          assert.equal(answers, difference > 0 ? above : 200);
          const { requests } = recorder.since();
          assert.equal(requests.length, difference > 0 && above !== 502 ? 0 : 1);
          assert.deepEqual(recorder.violations, []);
        } finally {
          client.close();
        }
      });
    }
  }
});

test('the table has the count of the plan', () => assert.equal(LIMITS.length * 3, 18));
