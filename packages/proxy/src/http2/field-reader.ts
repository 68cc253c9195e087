// Header blocks of one connection to messages: decompression, validation, and the memory of what came before.

import { BlockMemo } from './block-memo.ts';
import * as f from './frames.ts';
import type { HeadTemplate } from './head-template.ts';
import { COMPRESSION_ERROR, DECODED, type FieldLimits, HpackDecoder, TOO_MANY_FIELDS } from './hpack/decoder.ts';
import { FieldBlock } from './hpack/field-block.ts';
import { type Malformed, readTrailers } from './message-fields.ts';

/** Instead of a message: the fields are more than the limits allow. */
export const FIELDS_TOO_LARGE = 'header fields too large';
export const FIELDS_TOO_MANY = 'too many header fields';
export const exceedsLimits = (fault: Malformed): boolean => fault === FIELDS_TOO_LARGE || fault === FIELDS_TOO_MANY;

// A block is read without giving up the thread: one serves the process.
const fields = new FieldBlock();

/** Reads the fields of a block as a message of one kind. */
export type FieldsToMessage = (fields: FieldBlock) => HeadTemplate | Malformed;

export class FieldReader {
  private readonly decoder = new HpackDecoder(f.DEFAULT_TABLE_BYTES);
  private readonly limits: FieldLimits;
  private readonly readHead: FieldsToMessage;
  private readonly heads = new BlockMemo<HeadTemplate>();
  private readonly trailers = new BlockMemo<HeadTemplate>();

  constructor(limits: FieldLimits, readHead: FieldsToMessage) {
    this.limits = limits;
    this.readHead = readHead;
  }

  /** The head of a message; a string says what is malformed; undefined: compression is out of step. */
  head(bytes: Buffer, start: number, end: number): HeadTemplate | Malformed | undefined {
    return this.heads.get(bytes, start, end, this.decoder) ?? this.decode(this.heads, bytes, { start, end }, this.readHead);
  }

  trailer(bytes: Buffer, start: number, end: number): HeadTemplate | Malformed | undefined {
    return this.trailers.get(bytes, start, end, this.decoder) ?? this.decode(this.trailers, bytes, { start, end }, readTrailers);
  }

  /** The peer has acknowledged another table size. */
  setMaxTableBytes(bytes: number): void {
    this.decoder.setMaxTableBytes(bytes);
  }

  private decode(
    memo: BlockMemo<HeadTemplate>,
    bytes: Buffer,
    span: { start: number; end: number },
    read: FieldsToMessage,
  ): HeadTemplate | Malformed | undefined {
    const result = this.decoder.decode(bytes, span, fields, this.limits);
    if (result === COMPRESSION_ERROR) return undefined;
    if (result !== DECODED) return result === TOO_MANY_FIELDS ? FIELDS_TOO_MANY : FIELDS_TOO_LARGE;
    const message = read(fields);
    if (typeof message !== 'string') memo.set(bytes, span, this.decoder, () => message.settle());
    return message;
  }
}
