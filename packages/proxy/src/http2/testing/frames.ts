// Frames for tests: written by hand as the RFC spells them, and read back as text.

import { FRAME_HEAD_BYTES, PREFACE, readUint32, writeFrameHead } from '../frames.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { writeField } from '../hpack/encoder.ts';
import { FieldBlock } from '../hpack/field-block.ts';

export type FrameText = { type: number; flags: number; streamId: number; payload: Buffer };

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  writeFrameHead(head, 0, { length: bytes.length, type, flags, streamId });
  return Buffer.concat([head, bytes]);
}

/** A header block of literals. */
export function fields(...list: readonly (readonly [name: string, value: string])[]): Buffer {
  const out = Buffer.alloc(64 * 1024);
  let at = 0;
  for (const [name, value] of list) at = writeField(out, at, name, value);
  return Buffer.from(out.subarray(0, at));
}

export const requestOf = (method: string, path: string, ...more: readonly (readonly [string, string])[]): Buffer =>
  fields([':method', method], [':scheme', 'http'], [':path', path], [':authority', 'a.test'], ...more);

/** Preface and empty SETTINGS, as text for `wire.send`. */
export const HELLO: Buffer = Buffer.concat([PREFACE, frame(4, 0, 0)]);

/** Whole frames in what was received. */
export function readFrames(latin1: string, from = 0): FrameText[] {
  const bytes = Buffer.from(latin1, 'latin1');
  const found: FrameText[] = [];
  for (let at = from; at + FRAME_HEAD_BYTES <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const end = at + FRAME_HEAD_BYTES + length;
    if (end > bytes.length) break;
    const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
    found.push({ type, flags, streamId: readUint32(bytes, at + 5), payload: bytes.subarray(at + FRAME_HEAD_BYTES, end) });
    at = end;
  }
  return found;
}

/** Reads the blocks of a connection in order, as "name: value" lines. */
export function createLineReader(): (payload: Buffer) => string[] {
  const decoder = new HpackDecoder(4096);
  const block = new FieldBlock();
  return (payload) => {
    decoder.decode(payload, { start: 0, end: payload.length }, block, { maxBytes: 1e6, maxCount: 1000 });
    return block.bytes.toString('latin1', 0, block.size).split('\r\n').slice(0, -1);
  };
}
