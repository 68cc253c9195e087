// The decoding half of HPACK (RFC 7541): a header block to lines of text. Limits count decoded bytes and stand before anything is
// written; a block beyond them is still read to its end, because the dynamic table must keep in step with the peer's.

import { DynamicTable } from './dynamic-table.ts';
import { copyBytes, type FieldBlock, lastingCopy } from './field-block.ts';
import { COOKIE, NAME_TAG, NEVER_INDEXED, tagOfName, tagOfValue } from './field-tag.ts';
import { BAD_HUFFMAN, decodeHuffman, HUFFMAN_TOO_LONG } from './huffman.ts';
import { STATIC_COUNT } from './static-fields.ts';
import { STATIC_ENTRIES, STATIC_LINES } from './static-table.ts';

export const DECODED = 0;
/** The peer's encoder and we are out of step: the connection cannot go on. */
export const COMPRESSION_ERROR = 1;
/** More bytes (names and values) than allowed. */
export const FIELDS_TOO_LARGE = 2;
export const TOO_MANY_FIELDS = 3;
export type DecodeResult = typeof DECODED | typeof COMPRESSION_ERROR | typeof FIELDS_TOO_LARGE | typeof TOO_MANY_FIELDS;

/** Crumbs of a cookie do not count as fields, but their bytes do. */
export type FieldLimits = { readonly maxBytes: number; readonly maxCount: number };

/** A field that a block added to the dynamic table: its line, as the table holds it. */
export type Insertion = { readonly line: Buffer; readonly nameLength: number; readonly valueLength: number; readonly tag: number };

const NO_INSERTIONS: readonly Insertion[] = [];
const HUFFMAN = 0x80;
const MAX_INTEGER = 2 ** 28;
const BAD_INTEGER = -1;

export class HpackDecoder {
  readonly table: DynamicTable;
  /** Counts the blocks that changed the table: what was derived from it before does not hold any more. */
  generation = 0;
  /** The largest table that the peer may choose (our SETTINGS_HEADER_TABLE_SIZE). */
  private maxTableBytes: number;
  private at = 0;
  private overflow: DecodeResult = DECODED;
  private bytesUsed = 0;
  private fieldsUsed = 0;
  private nameTag = 0;
  private usedTable = false;
  private resizedTable = false;
  private inserted = 0;

  constructor(maxTableBytes: number) {
    this.table = new DynamicTable(maxTableBytes);
    this.maxTableBytes = maxTableBytes;
  }

  /** The last block changed the dynamic table. */
  get changedTable(): boolean {
    return this.inserted > 0 || this.resizedTable;
  }

  /** The last block means the same whatever the dynamic table holds, and what it added is still there. */
  get wasContextFree(): boolean {
    return !this.usedTable && !this.resizedTable && this.inserted <= this.table.count;
  }

  /** What the last block, which was free of context, added. */
  takeInsertions(): readonly Insertion[] {
    if (this.inserted === 0) return NO_INSERTIONS;
    const { table } = this;
    return Array.from({ length: this.inserted }, (_, i) => {
      const at = table.at(this.inserted - 1 - i);
      const [start = 0, nameLength = 0, valueLength = 0, tag = 0] = table.entries.subarray(at, at + 4);
      return { line: lastingCopy(table.lines, start, start + nameLength + valueLength + 4), nameLength, valueLength, tag };
    });
  }

  /** Adds again what a block added. */
  replay(insertions: readonly Insertion[]): void {
    if (insertions.length === 0) return;
    this.generation++;
    for (let i = 0; i < insertions.length; i++) {
      const insertion = insertions[i] as Insertion;
      this.table.insert(insertion.line, 0, insertion);
    }
  }

  /** The peer has acknowledged another limit. */
  setMaxTableBytes(maxTableBytes: number): void {
    this.maxTableBytes = maxTableBytes;
    if (this.table.maxBytes > maxTableBytes) {
      this.table.resize(maxTableBytes);
      this.generation++;
    }
  }

  /** Decodes the block `bytes[start, end)` into `block`, which is cleared first. Beyond the limits the block's content is void. */
  decode(bytes: Buffer, { start, end }: { start: number; end: number }, block: FieldBlock, limits: FieldLimits): DecodeResult {
    block.clear();
    this.at = start;
    this.overflow = DECODED;
    this.bytesUsed = 0;
    this.fieldsUsed = 0;
    this.usedTable = false;
    this.resizedTable = false;
    this.inserted = 0;
    let mayResize = true;
    while (this.at < end) {
      const byte = bytes[this.at] as number;
      if (byte >= 0x80) {
        if (!this.indexed(bytes, end, block, limits)) return COMPRESSION_ERROR;
      } else if ((byte & 0xe0) === 0x20) {
        if (!mayResize || !this.resize(bytes, end)) return COMPRESSION_ERROR;
        continue;
      } else if (!this.literal(bytes, end, block, limits)) return COMPRESSION_ERROR;
      mayResize = false;
    }
    return this.overflow;
  }

  private indexed(bytes: Buffer, end: number, block: FieldBlock, limits: FieldLimits): boolean {
    const index = this.integer(bytes, end, 0x7f);
    if (index <= 0) return false;
    if (index <= STATIC_COUNT) this.copyEntry(STATIC_LINES, STATIC_ENTRIES, (index - 1) * 4, block, limits);
    else {
      const { table } = this;
      this.usedTable = true;
      if (index - STATIC_COUNT > table.count) return false;
      this.copyEntry(table.lines, table.entries, table.at(index - STATIC_COUNT - 1), block, limits);
    }
    return true;
  }

  // Positional parameters: called once per field.
  private copyEntry(lines: Buffer, entries: Int32Array, at: number, block: FieldBlock, limits: FieldLimits): void {
    const nameLength = entries[at + 1] as number;
    const valueLength = entries[at + 2] as number;
    const tag = entries[at + 3] as number;
    if (!this.admits(nameLength + valueLength, tag, limits)) return;
    const length = nameLength + valueLength + 4;
    block.reserve(length);
    copyBytes(lines, entries[at] as number, length, block.bytes, block.size);
    block.commit(nameLength, valueLength, tag);
  }

  /** Whether a field of that size fits into the limits; notes it as used. */
  private admits(size: number, tag: number, limits: FieldLimits): boolean {
    this.bytesUsed += size;
    if ((tag & COOKIE) === 0) this.fieldsUsed++;
    if (this.overflow !== DECODED) return false;
    if (this.bytesUsed > limits.maxBytes) this.overflow = FIELDS_TOO_LARGE;
    else if (this.fieldsUsed > limits.maxCount) this.overflow = TOO_MANY_FIELDS;
    return this.overflow === DECODED;
  }

  private literal(bytes: Buffer, end: number, block: FieldBlock, limits: FieldLimits): boolean {
    const first = bytes[this.at] as number;
    const isIndexing = (first & 0x40) !== 0;
    const index = this.integer(bytes, end, isIndexing ? 0x3f : 0x0f);
    // What goes into the table must be decoded whole, even if the limits refuse it; more than the table holds is not needed.
    const room = Math.max(isIndexing ? this.table.maxBytes : 0, limits.maxBytes - this.bytesUsed, 0) + 1;
    const nameLength = index === 0 ? this.literalName(bytes, end, block, room) : this.indexedName(index, block);
    if (nameLength < 0) return nameLength === HUFFMAN_TOO_LONG && this.skipValue(bytes, end, isIndexing);
    const tag = this.nameTag;
    block.reserve(nameLength + 2);
    const valueStart = block.separate(block.size + nameLength);
    const valueEnd = this.text(bytes, end, block, { position: valueStart, room });
    if (valueEnd < 0) {
      if (valueEnd !== HUFFMAN_TOO_LONG) return false;
      this.tooLong(isIndexing);
      return true;
    }
    block.reserve(valueEnd + 2 - block.size);
    block.terminate(valueEnd);
    const valueLength = valueEnd - valueStart;
    const bad = tagOfValue(block.bytes, valueStart, valueEnd);
    if (isIndexing) {
      this.generation++;
      this.inserted++;
      this.table.insert(block.bytes, block.size, { nameLength, valueLength, tag: tag | bad });
    }
    if (!this.admits(nameLength + valueLength, tag, limits)) return true;
    block.commit(nameLength, valueLength, tag | bad | ((first & 0xf0) === 0x10 ? NEVER_INDEXED : 0));
    return true;
  }

  /** A name that no limit admits came; reads past its value. */
  private skipValue(bytes: Buffer, end: number, isIndexing: boolean): boolean {
    if (this.at >= end) return false;
    const length = this.integer(bytes, end, 0x7f);
    if (length < 0 || length > end - this.at) return false;
    this.at += length;
    this.tooLong(isIndexing);
    return true;
  }

  private tooLong(isIndexing: boolean): void {
    if (this.overflow === DECODED) this.overflow = FIELDS_TOO_LARGE;
    if (!isIndexing) return;
    this.generation++;
    this.resizedTable = true;
    this.table.clear();
  }

  private literalName(bytes: Buffer, end: number, block: FieldBlock, room: number): number {
    const start = block.size;
    const nameEnd = this.text(bytes, end, block, { position: start, room });
    if (nameEnd < 0) return nameEnd;
    this.nameTag = tagOfName(block.bytes, start, nameEnd);
    return nameEnd - start;
  }

  private indexedName(index: number, block: FieldBlock): number {
    if (index < 0) return BAD_HUFFMAN;
    const { table } = this;
    const isStatic = index <= STATIC_COUNT;
    if (!isStatic) this.usedTable = true;
    if (!isStatic && index - STATIC_COUNT > table.count) return BAD_HUFFMAN;
    const lines = isStatic ? STATIC_LINES : table.lines;
    const entries = isStatic ? STATIC_ENTRIES : table.entries;
    const at = isStatic ? (index - 1) * 4 : table.at(index - STATIC_COUNT - 1);
    const length = entries[at + 1] as number;
    block.reserve(length);
    copyBytes(lines, entries[at] as number, length, block.bytes, block.size);
    this.nameTag = (entries[at + 3] as number) & NAME_TAG;
    return length;
  }

  /** Decodes a string to `position` of the block's bytes; returns its end, or a negative fault. */
  private text(bytes: Buffer, end: number, block: FieldBlock, where: { position: number; room: number }): number {
    if (this.at >= end) return BAD_HUFFMAN;
    const isHuffman = (bytes[this.at] as number) >= HUFFMAN;
    const length = this.integer(bytes, end, 0x7f);
    if (length < 0 || length > end - this.at) return BAD_HUFFMAN;
    const start = this.at;
    this.at += length;
    const { position, room } = where;
    if (!isHuffman) {
      if (length > room) return HUFFMAN_TOO_LONG;
      block.reserve(position - block.size + length);
      copyBytes(bytes, start, length, block.bytes, position);
      return position + length;
    }
    // At most 8 bits per 5.
    const most = Math.min(room, Math.floor((length * 8) / 5));
    block.reserve(position - block.size + most);
    return decodeHuffman(bytes, { start, end: start + length }, block.bytes, { position, limit: position + most });
  }

  private resize(bytes: Buffer, end: number): boolean {
    const size = this.integer(bytes, end, 0x1f);
    if (size < 0 || size > this.maxTableBytes) return false;
    if (size !== this.table.maxBytes) {
      this.table.resize(size);
      this.generation++;
      this.resizedTable = true;
    }
    return true;
  }

  /** Reads an integer whose first byte has the bits of `mask` for it (RFC 7541 5.1). */
  private integer(bytes: Buffer, end: number, mask: number): number {
    let value = (bytes[this.at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 28 && this.at < end; shift += 7) {
      const byte = bytes[this.at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_INTEGER) return BAD_INTEGER;
      if (byte < 0x80) return value;
    }
    return BAD_INTEGER;
  }
}
