// A decoded header block: its fields as lines of text, in order, with their spans and tags. One serves the whole process, because a
// block is decoded and turned into a head without giving up the thread.

import { COLON, CR, LF, SP } from '../../http/bytes.ts';
import { isBlank } from './field-tag.ts';

const FIRST_BYTES = 16 * 1024;
const FIRST_FIELDS = 128;
/** Copying fewer bytes than this is cheaper in a loop than in a call. */
const LOOP_BYTES = 24;

export class FieldBlock {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  size = 0;
  count = 0;
  /** Field i at 4i: name start, name end, value start, value end. */
  spans: Int32Array = new Int32Array(4 * FIRST_FIELDS);
  tags: Int32Array = new Int32Array(FIRST_FIELDS);

  clear(): void {
    this.size = 0;
    this.count = 0;
  }

  /** Makes room for one more field of `size` bytes with its punctuation. */
  reserve(size: number): void {
    if (this.bytes.length - this.size < size) this.growBytes(this.size + size);
    if (this.count === this.tags.length) this.growFields();
  }

  /** Notes the field whose line was written at the end of `bytes`. */
  commit(nameLength: number, valueLength: number, tag: number): void {
    const start = this.size;
    const slot = this.count * 4;
    const valueStart = start + nameLength + 2;
    this.spans[slot] = start;
    this.spans[slot + 1] = start + nameLength;
    this.spans[slot + 2] = valueStart;
    this.spans[slot + 3] = valueStart + valueLength;
    this.tags[this.count++] = tag;
    this.size = valueStart + valueLength + 2;
  }

  /** Puts ": " after a name that ends at `at`. */
  separate(at: number): number {
    this.bytes[at] = COLON;
    this.bytes[at + 1] = SP;
    return at + 2;
  }

  terminate(at: number): void {
    this.bytes[at] = CR;
    this.bytes[at + 1] = LF;
  }

  /** Takes white space off the ends of a field's value, which moves within its place. */
  trimValue(field: number): void {
    const { bytes, spans } = this;
    const at = spans[field * 4 + 2] as number;
    let start = at;
    let end = spans[field * 4 + 3] as number;
    while (start < end && isBlank(bytes[start] as number)) start++;
    while (end > start && isBlank(bytes[end - 1] as number)) end--;
    bytes.copyWithin(at, start, end);
    spans[field * 4 + 3] = at + end - start;
    this.terminate(at + end - start);
  }

  private growBytes(size: number): void {
    let capacity = this.bytes.length;
    while (capacity < size) capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(capacity);
    // What stands behind `size` is a field in the making.
    this.bytes.copy(grown);
    this.bytes = grown;
  }

  private growFields(): void {
    const spans = new Int32Array(this.spans.length * 2);
    spans.set(this.spans);
    this.spans = spans;
    const tags = new Int32Array(this.tags.length * 2);
    tags.set(this.tags);
    this.tags = tags;
  }
}

/** Copies `length` bytes. */
export function copyBytes(source: Buffer, start: number, length: number, target: Buffer, at: number): void {
  // `set` stays within V8 and costs half of `copy`, but takes whole arrays only.
  if (length > LOOP_BYTES && length === source.length) target.set(source, at);
  else if (length > LOOP_BYTES) source.copy(target, at, start, start + length);
  else for (let i = 0; i < length; i++) target[at + i] = source[start + i] as number;
}

/** A copy that holds on to nothing but itself. */
export function lastingCopy(bytes: Buffer, start = 0, end = bytes.length): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
