// Plan B3: what HTTP/2 can carry and HTTP/1.1 cannot. Each request is refused, nothing of it reaches the upstream, and the
// connection (or the next one) serves the canary.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Recorder, startRecorder } from '../h1/recorder.ts';
import { clusterOf, listenerOf } from '../support/configuration.ts';
import { startTarget, type Target } from '../support/target.ts';
import { malformed } from './expectations.ts';
import { openFrames, requestBlock, requestFields } from './frame-client.ts';
import { data, headers } from './frames.ts';
import { block, type Field } from './hpack.ts';

type Row = {
  name: string;
  fields: readonly Field[];
  /** DATA frames, the last of which ends the stream unless there are trailers. */
  body?: readonly string[];
  trailers?: readonly Field[];
  /** The fault shows after the head: a torso may have gone upstream. */
  torso?: true;
};

const withField = (name: string, value: string): readonly Field[] => requestFields({}, [[name, value]]);
const post = (...more: Field[]): readonly Field[] => requestFields({ method: 'POST' }, more);
const SMUGGLED = '\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a.test';

const ROWS: readonly Row[] = [
  { name: 'CR LF and a header in a value', fields: withField('x-a', 'b\r\nx-b: c') },
  { name: 'a request in a value', fields: withField('x-a', `b${SMUGGLED}`) },
  { name: 'CR in a value', fields: withField('x-a', 'b\rc') },
  { name: 'LF in a value', fields: withField('x-a', 'b\nc') },
  { name: 'NUL in a value', fields: withField('x-a', 'b\0c') },
  { name: 'a request in :path', fields: requestFields({ path: `/x HTTP/1.1${SMUGGLED}` }) },
  { name: 'a space in :path', fields: requestFields({ path: '/x y' }) },
  { name: 'NUL in :path', fields: requestFields({ path: '/x\0y' }) },
  { name: ':path without a slash', fields: requestFields({ path: 'x' }) },
  { name: 'an absolute :path', fields: requestFields({ path: 'http://b.test/x' }) },
  { name: ':path * for GET', fields: requestFields({ path: '*' }) },
  { name: 'an empty :path', fields: requestFields({ path: '' }) },
  { name: 'a request in :method', fields: requestFields({ method: `GET /y HTTP/1.1${SMUGGLED}` }) },
  { name: 'a space in :method', fields: requestFields({ method: 'GET /y' }) },
  { name: 'an empty :method', fields: requestFields({ method: '' }) },
  { name: 'CR LF in :scheme', fields: requestFields({ scheme: 'http\r\nx: y' }) },
  { name: 'a URL in :scheme', fields: requestFields({ scheme: 'http://b.test/' }) },
  { name: 'CR LF in :authority', fields: requestFields({ authority: 'a.test\r\nx-b: c' }) },
  { name: 'a space in :authority', fields: requestFields({ authority: 'a.test b.test' }) },
  { name: 'user information in :authority', fields: requestFields({ authority: 'u@a.test' }) },
  { name: 'a path in :authority', fields: requestFields({ authority: 'a.test/x' }) },
  {
    name: 'two hosts and no :authority',
    fields: requestFields({ authority: undefined }, [
      ['host', 'a.test'],
      ['host', 'b.test'],
    ]),
  },
  { name: 'a length too small', fields: post(['content-length', '2']), body: ['hello'], torso: true },
  { name: 'a length too great', fields: post(['content-length', '9']), body: ['hello'], torso: true },
  { name: 'two lengths', fields: post(['content-length', '5'], ['content-length', '6']), body: ['hello'] },
  { name: 'a length that is none', fields: post(['content-length', '+5']), body: ['hello'] },
  { name: 'a length without a body', fields: withField('content-length', '5') },
  { name: 'Transfer-Encoding', fields: post(['transfer-encoding', 'chunked']), body: ['0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n'] },
  { name: 'Connection', fields: withField('connection', 'close') },
  { name: 'Upgrade', fields: withField('upgrade', 'websocket') },
  { name: 'TE other than trailers', fields: withField('te', 'gzip') },
  { name: 'a name in capital letters', fields: withField('X-A', 'b') },
  { name: 'an empty name', fields: withField('', 'b') },
  { name: 'a colon in a name', fields: withField('x-a: b\r\nx-c', 'd') },
  { name: 'a space in a name', fields: withField('x a', 'b') },
  { name: 'NUL in a name', fields: withField('x\0a', 'b') },
  { name: 'a byte beyond ASCII in a name', fields: withField('x\xe4', 'b') },
  { name: 'a control in a name', fields: withField('x\x01a', 'b') },
  { name: 'a pseudo-header in the trailers', fields: post(), body: ['hello'], trailers: [[':path', '/smuggled']], torso: true },
  { name: 'CR LF in the trailers', fields: post(), body: ['hello'], trailers: [['x-a', `b${SMUGGLED}`]], torso: true },
];

suite('HTTP/2 to HTTP/1.1', () => {
  let recorder: Recorder;
  let target: Target;
  before(async () => {
    recorder = await startRecorder();
    target = await startTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway' })], [clusterOf('up', recorder.port)]);
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });
  for (const row of ROWS) test(row.name, () => refuses(row, recorder, target.portOf('in')));
});

// White space around values and a Host beside :authority are mended, as Envoy and HAProxy do, not refused.
test('the table has the count of the plan', () => assert.equal(ROWS.length, 40));

async function refuses({ fields, body = [], trailers, torso }: Row, recorder: Recorder, port: number): Promise<void> {
  recorder.mark();
  const client = await openFrames(port);
  try {
    const lasts = trailers === undefined;
    client.send(
      headers(1, block(fields), { endStream: body.length === 0 }),
      ...body.map((text, i) => data(1, text, lasts && i === body.length - 1)),
      ...(trailers ? [headers(1, block(trailers))] : []),
    );
    await malformed(1)(client);
    const { requests, bytes, cut } = recorder.since();
    assert.deepEqual(requests, []);
    if (!torso) assert.equal(bytes, 0, cut.join());
    for (const part of cut) assert.ok(!part.includes('smuggled'), part);
    assert.deepEqual(recorder.violations, []);
    await canary(port, client.closed || client.goawayCode !== undefined ? undefined : client);
    assert.deepEqual(
      recorder.since().requests.map(({ target }) => target),
      ['/canary'],
    );
  } finally {
    client.close();
  }
}

async function canary(port: number, same: Awaited<ReturnType<typeof openFrames>> | undefined): Promise<void> {
  const client = same ?? (await openFrames(port));
  try {
    client.send(headers(3, requestBlock({ path: '/canary' })));
    const answer = await client.ended(3);
    assert.deepEqual([answer.status, answer.body], [200, 'GET /canary 0']);
  } finally {
    if (!same) client.close();
  }
}
