// The HTTP/1.1 parsers, apart from their connections.

import assert from 'node:assert/strict';
import { BODY_CHUNKED, ChunkedDecoder } from '../../../packages/proxy/src/http/body-parser.ts';
import { readRequestFraming, readResponseFraming } from '../../../packages/proxy/src/http/framing.ts';
import { Head } from '../../../packages/proxy/src/http/head.ts';
import { parseRequestHead, parseResponseHead } from '../../../packages/proxy/src/http/head-parser.ts';
import { Framing } from '../../../packages/proxy/src/http/message-framing.ts';
import { ILLEGAL } from '../../conformance/h1/illegal.ts';
import { LEGAL } from '../../conformance/h1/legal.ts';
import type { Target } from '../target.ts';

const LIMITS = { maxBytes: 60 * 1024, maxCount: 100 };
const TOKENS = [
  '\r\n',
  '\n',
  '\r',
  ': ',
  ' HTTP/1.1\r\n',
  'Host: ',
  'Content-Length: ',
  'Transfer-Encoding: chunked\r\n',
  'Connection: ',
  'close',
  'Upgrade: ',
  '\0',
  '%00',
  'chunked',
  ', ',
];

type Parse = (head: Head, bytes: Uint8Array, start: number, end: number, limits: typeof LIMITS) => number;

/** Whatever the prefix, the verdict is the same or "more". */
function sameInPieces(parse: Parse, input: Buffer, whole: number): void {
  for (const end of [input.length >> 2, input.length >> 1, input.length - 1]) {
    if (end <= 0) continue;
    const part = parse(new Head(LIMITS.maxCount), Buffer.from(input), 0, end, LIMITS);
    if (part > 0) assert.equal(part, whole);
    if (part < 0) assert.ok(whole < 0, `refused with ${end} bytes, taken with all`);
  }
}

/** What may stand in a head that was accepted. */
function wellFormed(head: Head): void {
  for (let i = 0; i < head.count; i++) {
    assert.match(head.lineName(i), /^[!#$%&'*+\-.^_`|~0-9a-z]+$/);
    assert.match(head.lineValue(i), /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/);
  }
}

function target(name: string, parse: Parse, seeds: readonly string[], frame: (head: Head) => void): Target {
  return {
    name,
    tokens: TOKENS,
    seeds: () => seeds.map((text) => Buffer.from(text, 'latin1')),
    run(input) {
      const head = new Head(LIMITS.maxCount);
      const bytes = Buffer.from(input);
      const size = parse(head, bytes, 0, bytes.length, LIMITS);
      sameInPieces(parse, input, size);
      if (size <= 0) return undefined;
      assert.ok(size <= input.length);
      head.adopt(bytes, 0, size);
      wellFormed(head);
      frame(head);
      return undefined;
    },
  };
}

export const http1Request: Target = target(
  'http1-request',
  parseRequestHead,
  [...ILLEGAL, ...LEGAL].map(({ payload }) => payload),
  (head) => {
    const coded = head.values('transfer-encoding').length;
    const lengths = head.values('content-length').length;
    const framing = new Framing();
    const fault = readRequestFraming(framing, head);
    if (fault) return;
    assert.ok(coded + lengths <= 1, 'two framings were taken');
    assert.equal(framing.body === BODY_CHUNKED, coded === 1);
    assert.ok(Number.isSafeInteger(framing.length) && framing.length >= 0);
  },
);

const RESPONSES = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n',
  'HTTP/1.0 404\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
];

export const http1Response: Target = target('http1-response', parseResponseHead, RESPONSES, (head) => {
  assert.ok(head.status >= 100 && head.status <= 999);
  readResponseFraming(new Framing(), head, 'GET');
});

/** All data of a chunked body, or undefined when it is broken. */
function decode(input: Buffer, step: number): { text: string; end: boolean } | undefined {
  const decoder = new ChunkedDecoder();
  let text = '';
  for (let from = 0; from < input.length; from += step) {
    const piece = input.subarray(from, from + step);
    for (let at = 0; at < piece.length; ) {
      at = decoder.next(piece, at, piece.length);
      if (at < 0) return undefined;
      text += piece.toString('latin1', decoder.dataStart, decoder.dataEnd);
      if (decoder.atTrailers) return { text, end: true };
    }
  }
  return { text, end: false };
}

export const chunked: Target = {
  name: 'chunked',
  tokens: ['\r\n', '0\r\n', '5\r\nhello\r\n', ';a=b', 'FFFFFFFF', '\n', '0x'],
  seeds: () => ['5\r\nhello\r\n0\r\n\r\n', 'a;x=y\r\n0123456789\r\n0\r\nx: y\r\n\r\n', '000\r\n\r\n'].map((text) => Buffer.from(text)),
  run(input) {
    const whole = decode(input, input.length || 1);
    assert.deepEqual(decode(input, 1), whole);
    assert.deepEqual(decode(input, 3), whole);
    return whole?.text.length;
  },
};
