// HTTP/2: field blocks against a decoder of our own that knows only what is right, frames however they are cut.

import assert from 'node:assert/strict';
import { FrameReader } from '../../../packages/proxy/src/http2/frame-reader.ts';
import { DECODED, HpackDecoder } from '../../../packages/proxy/src/http2/hpack/decoder.ts';
import { FieldBlock } from '../../../packages/proxy/src/http2/hpack/field-block.ts';
import { requestFields } from '../../conformance/h2/frame-client.ts';
import {
  data,
  FLAG,
  frame,
  goaway,
  headers,
  ping,
  priority,
  rstStream,
  settings,
  TYPE,
  windowUpdate,
} from '../../conformance/h2/frames.ts';
import { block, indexed, literal, HpackDecoder as PlainDecoder, tableSize } from '../../conformance/h2/hpack.ts';
import type { Target } from '../target.ts';

const LIMITS = { maxBytes: 60 * 1024, maxCount: 100 };

export const hpack: Target = {
  name: 'hpack',
  tokens: ['\x82', '\x84', '\x40', '\x00', '\x10', '\x20', '\x3f\xe1\x1f', '\x7f', '\xff\xff\xff\xff\xff\x0f', ':path', '\xbe'],
  seeds: () => [
    block(requestFields()),
    Buffer.concat([indexed(2), indexed(6), indexed(4), literal(1, 'a.test', { mode: 'incremental', huffman: true })]),
    Buffer.concat([tableSize(0), tableSize(4096), literal('x-a', 'b', { mode: 'incremental' }), indexed(62), indexed(62)]),
    literal('x-secret', 'value', { mode: 'never', huffman: true }),
  ],
  run(input) {
    const ours = new HpackDecoder(4096);
    const plain = new PlainDecoder();
    const found = new FieldBlock();
    // Two blocks on one table: the second begins where the first byte says.
    const cut = input.length === 0 ? 0 : input[0]! % input.length;
    for (const part of [input.subarray(0, cut), input.subarray(cut)]) {
      const result = ours.decode(Buffer.from(part), { start: 0, end: part.length }, found, LIMITS);
      if (result !== DECODED) return undefined;
      assert.ok(found.size <= LIMITS.maxBytes + 4 * 4096);
      const lines = plain.decode(Buffer.from(part)).map(([name, value]) => `${name}: ${value}\r\n`);
      assert.equal(found.bytes.toString('latin1', 0, found.size), lines.join(''));
    }
    // A block may be as large as the limit whatever its size: that is the limit's purpose.
    return 0;
  },
};

type Event = string;

function read(input: Buffer, step: number): Event[] {
  const events: Event[] = [];
  let dataText = '';
  const reader = new FrameReader({
    onFrameHead(head) {
      events.push(`head ${head.type} ${head.flags} ${head.streamId} ${head.length}`);
      return head.length <= 16_384;
    },
    onFrame(_head, bytes, start, end) {
      events.push(bytes.toString('hex', start, end));
      return true;
    },
    onDataPart(_head, part, last) {
      dataText += part.toString('hex');
      if (last) {
        events.push(`data ${dataText}`);
        dataText = '';
      }
      return true;
    },
    onBadPadding() {
      events.push('bad padding');
    },
  });
  for (let at = 0; at < input.length; at += step) {
    if (!reader.read(Buffer.from(input.subarray(at, at + step)), 0)) break;
  }
  return events;
}

export const http2Frames: Target = {
  name: 'http2-frames',
  tokens: ['\0\0\0', '\0\0\x01', '\0\x40\0', '\0\0\x04\x08', '\x08', '\x09', '\0\0\0\x01'],
  seeds: () => [
    Buffer.concat([settings([[4, 1]]), headers(1, block(requestFields())), data(1, 'hello'), ping()]),
    Buffer.concat([frame(TYPE.data, { stream: 1, flags: FLAG.padded, payload: Buffer.from('\x03abcdef') }), rstStream(1), goaway()]),
    Buffer.concat([priority(3, 1), windowUpdate(0, 5), frame(0x16, { payload: Buffer.alloc(9) })]),
  ],
  run(input) {
    const whole = read(input, input.length || 1);
    assert.deepEqual(read(input, 1), whole);
    assert.deepEqual(read(input, 7), whole);
    return undefined;
  },
};
