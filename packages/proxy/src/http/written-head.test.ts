import assert from 'node:assert/strict';
import test from 'node:test';
import { WrittenConnection } from '../testing/written-connection.ts';
import { readRequestFraming } from './framing.ts';
import type { Head } from './head.ts';
import { parseRequestHead } from './head-parser.ts';
import { type CodecHead, takeRequestHead } from './head-pool.ts';
import { writeHead } from './message-writer.ts';

const TEXTS = [
  'GET /a HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\nX-Two: 2\r\nConnection: keep-alive\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\nX-Two:3\r\n\r\n',
];

/** As the codec does it. */
function receive(head: CodecHead, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  if (head.memory.repeat(head, bytes, 0) > 0) return;
  head.memory.keep(bytes, 0);
  const size = parseRequestHead(head, bytes, 0, bytes.length, { maxBytes: 60 * 1024, maxCount: 100 });
  assert.equal(size, bytes.length);
  head.adopt(bytes, 0, size);
  assert.equal(readRequestFraming(head.memory.framing, head), undefined);
  head.memory.settle(head);
}

function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test('a head with a memory is written as one without, whatever was written before', () => {
  const below = random(7);
  const connection = new WrittenConnection();
  const remembering = takeRequestHead(100, undefined);
  const values = ['a', 'b', 'long', 'l\xf6ng', '0'.repeat(36), '1'.repeat(36), 'x'.repeat(2000)];
  const edits: ((head: Head) => void)[] = [
    (head) => head.add('x-added', values[below(values.length)] as string),
    (head) => head.add('x-other', values[below(values.length)] as string),
    (head) => head.set('x-request-id', values[4 + below(2)] as string),
    (head) => head.set('x-one', values[below(3)] as string),
    (head) => head.remove(below(2) === 0 ? 'x-one' : 'x-two'),
  ];
  let kept = 0;
  for (let round = 0; round < 3000; round++) {
    receive(remembering, TEXTS[below(20) === 0 ? 1 : 0] as string);
    if (below(2) === 0) remembering.set('x-request-id', values[4 + below(2)] as string);
    else for (let times = below(4); times > 0; times--) edits[below(edits.length)]!(remembering);
    const message = {
      startLine: 'GET',
      target: below(10) === 0 ? '/b' : '/a',
      head: remembering,
      extraLines: below(10) === 0 ? 'content-length: 0\r\n' : '',
      first: below(10) === 0 ? Buffer.from('body') : undefined,
      chunked: false,
      properCase: false,
      end: true,
    };
    writeHead(connection, { ...message, head: remembering.clone() }, undefined);
    const expected = connection.take();
    writeHead(connection, message, undefined);
    assert.equal(connection.take(), expected);
    if (remembering.memory.written?.again(remembering, message)) kept++;
  }
  assert.ok(kept > 1000, `${kept} were kept`);
});
