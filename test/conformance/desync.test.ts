// Known disagreements between parsers (http-garden, HTTP Request Smuggler) that plan A1 does not name, and what a body may hide behind
// an answer that came early: the upstream sees nothing, or a torso on a connection that ends, however the bytes are cut.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { DELIVERIES, openRaw, piecesOf } from '../support/raw-client.ts';
import { type Recorder, startRecorder } from './h1/recorder.ts';
import { clusterOf, listenerOf } from './support/configuration.ts';
import { startTarget, type Target } from './support/target.ts';

const CANARY = 'GET /canary HTTP/1.1\r\nHost: a.test\r\n\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
const head = (lines: string, body = ''): string => `POST /x HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n\r\n${body}`;
const coding = (value: string): string => head(`Transfer-Encoding: ${value}`, '0\r\n\r\n');
const chunks = (body: string): string => head('Transfer-Encoding: chunked', body);

const ROWS: readonly (readonly [name: string, payload: string, status: number])[] = [
  ['a no-break space before chunked', coding('\xa0chunked'), 501],
  ['a byte of 0xFF before chunked', coding('\xffchunked'), 501],
  ['chunked in apostrophes', coding("'chunked'"), 501],
  ['the beginning of chunked', coding('chunk'), 501],
  ['chunked between identities', coding('identity, chunked, identity'), 501],
  ['chunked with an accent', coding('ch\x96nked'), 501],
  ['a name cut by a line end', head('Transfer-\r\nEncoding: chunked', '0\r\n\r\n'), 400],
  ['a CR in the name of the coding', head('Tra\rnsfer-Encoding: chunked', '0\r\n\r\n'), 400],
  ['a line that begins with CR', head('X: y\r\n\rTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
  ['a backslash for the hyphen', head('Transfer\\Encoding: chunked', '0\r\n\r\n'), 400],
  ['a word between name and colon', head('Transfer-Encoding x: chunked', '0\r\n\r\n'), 400],
  ['0x85 behind the name of the length', head('Content-Length\x85: 5', 'hello'), 400],
  ['a length without colon', head('Content-Length 5', 'hello'), 400],
  ['a length that Connection takes away', head('Connection: content-length\r\nContent-Length: 5', 'hello'), 400],
  ['a length of digits and 0xA0', head('Content-Length: \xa05', 'hello'), 400],
  ['an underscore in a chunk size', chunks('0_5\r\nhello\r\n0\r\n\r\n'), 400],
  ['a plus before a chunk size', chunks('+5\r\nhello\r\n0\r\n\r\n'), 400],
  ['a minus before the last chunk', chunks('-0x0\r\n\r\n'), 400],
  ['no chunk size', chunks('\r\n\r\n'), 400],
  ['an extension and no chunk size', chunks(';a\r\nhello\r\n0\r\n\r\n'), 400],
  ['CR CR behind a chunk size', chunks('5\r\r;ABCD\r\nhello\r\n0\r\n\r\n'), 400],
  ['a line end in a quoted extension', chunks('5;a="\r\n"\r\nhello\r\n0\r\n\r\n'), 400],
  ['NUL in an extension', chunks('5;a\0\r\nhello\r\n0\r\n\r\n'), 400],
  ['a chunk longer than its size', chunks('4\r\nSEE-THIS\r\n0\r\n\r\n'), 400],
  ['LF behind chunk data', chunks('5\r\nhello\n0\r\n\r\n'), 400],
  ['an empty line between chunks', chunks('5\r\nhello\r\n\r\n0\r\n\r\n'), 400],
  ['LF behind the last chunk', chunks('0\n\r\n'), 400],
  ['LF ends the trailers', chunks('0\r\n\n'), 400],
  ['a folded trailer', chunks('0\r\nX: a\r\n b\r\n\r\n'), 400],
  ['a trailer that begins with a space', chunks('0\r\n X: a\r\n\r\n'), 400],
];

suite('requests that parsers disagree about', () => {
  let recorder: Recorder;
  let target: Target;
  before(async () => {
    recorder = await startRecorder();
    target = await startTarget([listenerOf({ name: 'in', port: 0, profile: 'inbound' })], [clusterOf('up', recorder.port)]);
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });

  for (const delivery of DELIVERIES) {
    for (const [name, payload, status] of ROWS) {
      test(`${delivery}: ${name}`, async () => {
        recorder.mark();
        const client = await openRaw(target.portOf('in'));
        try {
          await client.send(piecesOf(payload + CANARY, delivery));
          assert.notEqual(await client.closedWithin(5000), undefined, 'the connection stays open');
          assert.deepEqual(
            client.answers().map((answer) => answer.status),
            [status],
          );
          const { requests } = recorder.since();
          assert.deepEqual([requests, recorder.violations], [[], []]);
          await eventually(() =>
            assert.equal(recorder.connections.filter((one) => !one.ended && one.readTo < one.received.length).length, 0),
          );
        } finally {
          client.close();
        }
      });
    }
  }
});

suite('bodies behind an early answer', () => {
  let recorder: Recorder;
  let target: Target;
  before(async () => {
    recorder = await startRecorder();
    target = await startTarget(
      [
        listenerOf({
          name: 'in',
          port: 0,
          profile: 'inbound',
          routes: [
            { match: { path: '/refused' }, direct_response: { status: 403, body: { inline_string: 'no' } } },
            { match: { prefix: '/' }, route: { cluster: 'up' } },
          ],
        }),
      ],
      [clusterOf('up', recorder.port)],
    );
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });

  const REFUSED = 'POST /refused HTTP/1.1\r\nHost: a.test\r\n';
  const BODIES: readonly (readonly [name: string, lines: string, body: string])[] = [
    ['a length', `Content-Length: ${SMUGGLED.length}\r\n\r\n`, SMUGGLED],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n', `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`],
    ['an expectation', `Expect: 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n`, SMUGGLED],
  ];
  for (const [name, lines, body] of BODIES) {
    test(`${name}: what comes after the answer is no request`, async () => {
      recorder.mark();
      const client = await openRaw(target.portOf('in'));
      try {
        await client.send([REFUSED + lines]);
        assert.equal((await client.expectFinal()).status, 403);
        await client.send([body + CANARY]);
        assert.notEqual(await client.closedWithin(5000), undefined, 'the connection stays open');
        assert.equal(client.text().match(/HTTP\/1\.1 (?!100)/g)?.length, 1);
        assert.equal(recorder.since().bytes, 0);
      } finally {
        client.close();
      }
    });
  }
});
