// The body of a message: how its length is framed, and the chunked coding (RFC 9112 section 7), byte by byte safe.

import { CR, hexValue, LF, SP, TAB } from './bytes.ts';

/** How a body ends. */
export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
export const BODY_UNTIL_CLOSE = 3;
export type BodyKind = typeof BODY_NONE | typeof BODY_LENGTH | typeof BODY_CHUNKED | typeof BODY_UNTIL_CLOSE;

/** A chunk header longer than this (extensions) is refused. */
const MAX_CHUNK_LINE = 4096;
const MAX_CHUNK_DIGITS = 13;

const STATE_SIZE = 0;
const STATE_EXTENSION = 1;
const STATE_SIZE_LF = 2;
const STATE_DATA = 3;
const STATE_DATA_CR = 4;
const STATE_DATA_LF = 5;
const STATE_TRAILERS = 6;
/** White space behind the size: only an extension or the end of the line may follow. */
const STATE_BLANK = 7;

/** Decodes chunked coding. `next` is called until it has used the input up; it never copies. */
export class ChunkedDecoder {
  /** The piece of body found by the last `next`, as offsets into its input. Empty when equal. */
  dataStart = 0;
  dataEnd = 0;
  private state = STATE_SIZE;
  private remaining = 0;
  private digits = 0;
  private lineBytes = 0;

  reset(): void {
    this.state = STATE_SIZE;
    this.remaining = 0;
    this.digits = 0;
    this.lineBytes = 0;
  }

  /** True once the last chunk was seen: what follows is trailer lines, which the caller parses. */
  get atTrailers(): boolean {
    return this.state === STATE_TRAILERS;
  }

  /** Reads from `at`; returns the new position, or -1 when the coding is broken. Stops after each piece of data. */
  next(bytes: Uint8Array, at: number, end: number): number {
    this.dataStart = 0;
    this.dataEnd = 0;
    let i = at;
    while (i < end) {
      if (this.state === STATE_DATA) {
        const take = Math.min(this.remaining, end - i);
        this.dataStart = i;
        this.dataEnd = i + take;
        this.remaining -= take;
        if (this.remaining === 0) this.state = STATE_DATA_CR;
        return i + take;
      }
      if (this.state === STATE_TRAILERS) return i;
      if (!this.step(bytes[i] as number)) return -1;
      i++;
    }
    return i;
  }

  private step(byte: number): boolean {
    switch (this.state) {
      case STATE_SIZE: {
        const digit = hexValue(byte);
        if (digit >= 0) {
          this.remaining = this.remaining * 16 + digit;
          return ++this.digits <= MAX_CHUNK_DIGITS;
        }
        if (this.digits === 0) return false;
        if (byte === CR) this.state = STATE_SIZE_LF;
        else if (byte === 59) this.state = STATE_EXTENSION;
        else if (byte === SP || byte === TAB) this.state = STATE_BLANK;
        else return false;
        return true;
      }
      case STATE_BLANK:
        if (byte === 59) this.state = STATE_EXTENSION;
        else if (byte === CR) this.state = STATE_SIZE_LF;
        else if (byte !== SP && byte !== TAB) return false;
        return ++this.lineBytes <= MAX_CHUNK_LINE;
      case STATE_EXTENSION:
        if (byte === CR) this.state = STATE_SIZE_LF;
        else if (byte === LF || byte === 0 || ++this.lineBytes > MAX_CHUNK_LINE) return false;
        return true;
      case STATE_SIZE_LF:
        if (byte !== LF) return false;
        this.state = this.remaining === 0 ? STATE_TRAILERS : STATE_DATA;
        this.digits = 0;
        return true;
      case STATE_DATA_CR:
        this.state = STATE_DATA_LF;
        return byte === CR;
      default:
        this.state = STATE_SIZE;
        this.remaining = 0;
        this.lineBytes = 0;
        return byte === LF;
    }
  }
}
