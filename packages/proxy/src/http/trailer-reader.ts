// Trailers of HTTP/1.1, behind requests and answers alike: lines until an empty one, in as many reads as they take.

import { CR, LF } from './bytes.ts';
import { Head } from './head.ts';
import { type HeadLimits, INCOMPLETE, parseTrailers } from './head-parser.ts';

export class TrailerReader {
  private readonly limits: HeadLimits;
  private head: Head | undefined;
  /** Bytes of it that have come. */
  private partial = 0;
  /** Those read last; undefined: none. Valid until the next are read. */
  fields: Head | undefined;

  constructor(limits: HeadLimits) {
    this.limits = limits;
  }

  /** Where the message ends, `INCOMPLETE` when all bytes were taken and it goes on, or a negative fault. */
  read(bytes: Buffer, at: number): number {
    this.fields = undefined;
    if (this.partial === 0 && bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
    this.head ??= new Head(this.limits.maxCount);
    const { head, partial: before } = this;
    head.grow(before + bytes.length - at);
    bytes.copy(head.bytes, before, at);
    this.partial += bytes.length - at;
    const size = parseTrailers(head, head.bytes, 0, this.partial, this.limits);
    if (size === INCOMPLETE) return INCOMPLETE;
    this.partial = 0;
    if (size < 0) return size;
    head.size = size;
    if (head.count > 0) this.fields = head;
    return at + size - before;
  }
}
