// The head of a message: its bytes as received, offsets into them, and the edits made since. No header becomes a string until
// somebody asks for it; untouched lines are copied to the wire as one range.

import { COLON, CR, equalsAscii, LF, SP, writeText } from './bytes.ts';
import type { HeadMemory, RequestTexts } from './head-memory.ts';
import { idOfName, KNOWN_COUNT } from './known-headers.ts';

const FIRST_BYTES = 1024;
const NO_BYTES = Buffer.allocUnsafeSlow(0);

/** A parsed head that several messages share: nothing of it changes any more. */
export type SharedHead = Readonly<
  Pick<Head, 'bytes' | 'size' | 'count' | 'spans' | 'odd' | 'first' | 'methodEnd' | 'targetStart' | 'targetEnd'> &
    Pick<Head, 'version' | 'status' | 'hasRepeats' | 'hasEnvoyHeaders'>
>;

export class Head {
  /** Holds the head; owned by this object. Names are in lower case already. */
  bytes: Buffer = NO_BYTES;
  /** Bytes of the head including the empty line. */
  size = 0;
  /** Header lines; line i is `spans[4i .. 4i+3]`: name start, name end, value start, value end. */
  count = 0;
  spans: Int32Array;
  /** 1: the line is not written as "name: value" CRLF and cannot be copied as it is. */
  odd: Uint8Array;
  dropped: Uint8Array;
  /** Known header number -> its first line, or -1. */
  readonly first: Int16Array;
  /** Start line of a request: method [methodStart, methodEnd), target. */
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** 20, 11 or 10. */
  version = 11;
  /** Of a response. */
  status = 0;
  /** What an HTTP/1.1 codec remembers with it; undefined for heads of other origin. */
  memory: HeadMemory | undefined;
  /** Some known header stands on several lines. */
  hasRepeats = false;
  /** Some line begins with "x-envoy-". */
  hasEnvoyHeaders = false;
  private addedNames: string[] = [];
  private addedValues: string[] = [];
  /** Lines that edits appended: see `addedName`, `addedValue`. */
  addedCount = 0;

  /** `shared`: begins with its lines, without a copy; edits are this head's own. `maxCount` must be its count then. */
  constructor(maxCount: number, shared?: SharedHead) {
    this.dropped = new Uint8Array(maxCount);
    if (!shared) {
      this.spans = new Int32Array(4 * maxCount);
      this.odd = new Uint8Array(maxCount);
      this.first = new Int16Array(KNOWN_COUNT).fill(-1);
      return;
    }
    this.bytes = shared.bytes;
    this.size = shared.size;
    this.count = shared.count;
    this.spans = shared.spans;
    this.odd = shared.odd;
    this.first = shared.first;
    this.methodEnd = shared.methodEnd;
    this.targetStart = shared.targetStart;
    this.targetEnd = shared.targetEnd;
    this.version = shared.version;
    this.status = shared.status;
    this.hasRepeats = shared.hasRepeats;
    this.hasEnvoyHeaders = shared.hasEnvoyHeaders;
  }

  /** What can remember the texts of the start line for the next message with the same head. */
  get textMemory(): { texts: RequestTexts | undefined } | undefined {
    return this.memory;
  }

  /** Forgets everything but the buffer. */
  reset(): void {
    this.size = 0;
    this.count = 0;
    this.status = 0;
    this.hasRepeats = false;
    this.hasEnvoyHeaders = false;
    this.first.fill(-1);
    this.addedCount = 0;
    if (this.memory) this.memory.texts = undefined;
  }

  /** Room for `size` bytes; what is there stays. */
  grow(size: number): void {
    if (this.bytes.length >= size) return;
    let capacity = Math.max(FIRST_BYTES, this.bytes.length);
    while (capacity < size) capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.bytes.copy(grown);
    this.bytes = grown;
  }

  /** Copies the parsed head, which the offsets count from `start` of. */
  adopt(source: Buffer, start: number, size: number): void {
    if (this.bytes.length < size) this.grow(size);
    source.copy(this.bytes, 0, start, start + size);
    this.size = size;
  }

  /** A copy that lives by itself (mirrors). */
  clone(): Head {
    const copy = new Head(this.odd.length);
    copy.bytes = Buffer.from(this.bytes.subarray(0, this.size));
    copy.size = this.size;
    copy.count = this.count;
    copy.spans.set(this.spans);
    copy.odd.set(this.odd);
    copy.dropped.set(this.dropped);
    copy.first.set(this.first);
    copy.methodStart = this.methodStart;
    copy.methodEnd = this.methodEnd;
    copy.targetStart = this.targetStart;
    copy.targetEnd = this.targetEnd;
    copy.version = this.version;
    copy.status = this.status;
    copy.hasRepeats = this.hasRepeats;
    copy.hasEnvoyHeaders = this.hasEnvoyHeaders;
    copy.addedNames = this.addedNames.slice(0, this.addedCount);
    copy.addedValues = this.addedValues.slice(0, this.addedCount);
    copy.addedCount = this.addedCount;
    return copy;
  }

  text(start: number, end: number): string {
    return this.bytes.toString('latin1', start, end);
  }

  lineValue(line: number): string {
    const at = line * 4;
    return this.bytes.toString('latin1', this.spans[at + 2] as number, this.spans[at + 3] as number);
  }

  lineName(line: number): string {
    const at = line * 4;
    return this.bytes.toString('latin1', this.spans[at] as number, this.spans[at + 1] as number);
  }

  /** The first line with a known name (see `knownId`), or -1. Edits that added the name are not seen: see `value`. */
  known(id: number): number {
    const line = this.first[id] as number;
    return line >= 0 && this.dropped[line] === 0 ? line : -1;
  }

  has(name: string): boolean {
    return this.next(name, 0) >= 0 || this.nextAdded(name, 0) >= 0;
  }

  /** The header's lines joined with ",", or undefined. */
  value(name: string): string | undefined {
    let joined: string | undefined;
    for (let line = this.next(name, 0); line >= 0; line = this.next(name, line + 1)) {
      joined = joined === undefined ? this.lineValue(line) : `${joined},${this.lineValue(line)}`;
    }
    for (let i = this.nextAdded(name, 0); i >= 0; i = this.nextAdded(name, i + 1)) {
      joined = joined === undefined ? this.addedValues[i] : `${joined},${this.addedValues[i]}`;
    }
    return joined;
  }

  values(name: string): string[] {
    const all: string[] = [];
    for (let line = this.next(name, 0); line >= 0; line = this.next(name, line + 1)) all.push(this.lineValue(line));
    for (let i = this.nextAdded(name, 0); i >= 0; i = this.nextAdded(name, i + 1)) all.push(this.addedValues[i] as string);
    return all;
  }

  forEach(visit: (lowerName: string, value: string) => void): void {
    for (let line = 0; line < this.count; line++) if (this.dropped[line] === 0) visit(this.lineName(line), this.lineValue(line));
    for (let i = 0; i < this.addedCount; i++) visit(this.addedNames[i] as string, this.addedValues[i] as string);
  }

  addedName(i: number): string {
    return this.addedNames[i] as string;
  }

  addedValue(i: number): string {
    return this.addedValues[i] as string;
  }

  /** Appends a line. `value` is written as latin1, so UTF-8 text must have been encoded (see `wireText`). */
  add(lowerName: string, value: string): void {
    this.addedNames[this.addedCount] = lowerName;
    this.addedValues[this.addedCount] = value;
    this.addedCount++;
  }

  set(lowerName: string, value: string): void {
    this.remove(lowerName);
    this.add(lowerName, value);
  }

  /** Returns whether there was one. */
  remove(lowerName: string): boolean {
    let found = false;
    for (let line = this.next(lowerName, 0); line >= 0; line = this.next(lowerName, line + 1)) {
      this.dropped[line] = 1;
      found = true;
    }
    for (let i = this.nextAdded(lowerName, 0); i >= 0; i = this.nextAdded(lowerName, i)) {
      this.addedNames.splice(i, 1);
      this.addedValues.splice(i, 1);
      this.addedCount--;
      found = true;
    }
    return found;
  }

  /** As `remove`, for a known header (see `knownId`). */
  removeKnown(id: number, lowerName: string): boolean {
    const line = this.first[id] as number;
    if (this.hasRepeats || this.nextAdded(lowerName, 0) >= 0) return this.remove(lowerName);
    if (line < 0 || this.dropped[line] !== 0) return false;
    this.dropped[line] = 1;
    return true;
  }

  /** Sets a known header to a single value: as `set`, cheaper. */
  setKnown(id: number, lowerName: string, value: string): void {
    this.removeKnown(id, lowerName);
    this.add(lowerName, value);
  }

  /** Whether a known header is there, added ones included. */
  hasKnown(id: number, lowerName: string): boolean {
    const line = this.first[id] as number;
    if (line >= 0 && this.dropped[line] === 0) return true;
    return this.hasRepeats ? this.has(lowerName) : this.nextAdded(lowerName, 0) >= 0;
  }

  /** An upper bound of what `writeHeaders` writes. */
  maxSize(): number {
    let size = this.size + 2 * this.count;
    for (let i = 0; i < this.addedCount; i++) size += (this.addedNames[i] as string).length + (this.addedValues[i] as string).length + 4;
    return size;
  }

  /** Writes the lines that stand, in order, then the added ones and `tail`; returns the end. `out` must have room for `maxSize()` and the tail. */
  writeHeaders(out: Buffer, position: number, tail: string): number {
    const { bytes, spans, dropped, odd, count } = this;
    let at = position;
    let runStart = -1;
    let runEnd = 0;
    for (let line = 0; line < count; line++) {
      if (dropped[line] === 0 && odd[line] === 0) {
        if (runStart < 0) runStart = spans[line * 4] as number;
        runEnd = (spans[line * 4 + 3] as number) + 2;
        continue;
      }
      if (runStart >= 0) {
        at += bytes.copy(out, at, runStart, runEnd);
        runStart = -1;
      }
      if (dropped[line] === 0) at += out.write(`${this.lineName(line)}: ${this.lineValue(line)}\r\n`, at, 'latin1');
    }
    if (runStart >= 0) at += bytes.copy(out, at, runStart, runEnd);
    for (let i = 0; i < this.addedCount; i++) {
      at = writeText(out, at, this.addedNames[i] as string);
      out[at++] = COLON;
      out[at++] = SP;
      at = writeText(out, at, this.addedValues[i] as string);
      out[at++] = CR;
      out[at++] = LF;
    }
    return writeText(out, at, tail);
  }

  private next(name: string, from: number): number {
    const id = idOfName(name);
    let line = from;
    if (id >= 0) {
      const first = this.first[id] as number;
      if (first < 0) return -1;
      if (first > line) line = first;
    }
    for (; line < this.count; line++) {
      if (this.dropped[line] !== 0) continue;
      if (equalsAscii(this.bytes, this.spans[line * 4] as number, this.spans[line * 4 + 1] as number, name)) return line;
    }
    return -1;
  }

  private nextAdded(name: string, from: number): number {
    for (let i = from; i < this.addedCount; i++) if (this.addedNames[i] === name) return i;
    return -1;
  }
}

/** Text as it goes on the wire: its UTF-8 bytes as latin1 characters, line breaks and NUL removed. */
export function wireText(text: string): string {
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7e || code < 0x20) {
      plain = false;
      break;
    }
  }
  return plain ? text : Buffer.from(text.replaceAll(/[\r\n\0]/g, ''), 'utf8').toString('latin1');
}
