// What is kept with a head after its message is gone. Clients and servers repeat themselves: when the next head is the same, byte
// for byte, nothing needs to be parsed, framed or made into text again.

import { Framing } from './message-framing.ts';
import type { NameLetters } from './name-letters.ts';
import { WrittenHead } from './written-head.ts';

/** Longer heads are not compared with the one before. */
const REPEAT_BYTES = 1024;
/** After so many different heads in a row comparing pauses for as many. */
const MISSES = 16;

/** What was read of a request's start line and Host, under which rules. */
export type RequestTexts = {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly rules: object;
  readonly localPort: number;
};

/** The part of a head that edits change. */
type Edited = { readonly size: number; readonly count: number; readonly dropped: Uint8Array; addedCount: number };

export class HeadMemory {
  readonly framing: Framing = new Framing();
  texts: RequestTexts | undefined;
  /** How the head went out; made once it has repeated. */
  written: WrittenHead | undefined;
  /** Names as they stood, where they shall go out like that. Such a head is never taken for a repeated one. */
  letters: NameLetters | undefined;
  /** The head is the same as the one before. */
  isRepeated = false;
  /** The head as received. */
  private raw: Buffer | undefined;
  /** The first `rawSize` bytes of it: comparing two whole buffers costs half of comparing ranges. */
  private known: Buffer | undefined;
  private rawSize = 0;
  private misses = 0;
  /** `raw` begins with the head that is being parsed. */
  private hasRaw = false;
  /** `dropped` after the codec had taken out hop-by-hop fields. */
  private readonly settled: Uint8Array;

  constructor(maxCount: number) {
    this.settled = new Uint8Array(maxCount);
  }

  /**
   * Whether `bytes` from `start` begin with the very head that `head` holds; then it is as parsed and framed before, all edits
   * undone, and its size is returned. 0: parse it.
   */
  repeat(head: Edited, bytes: Buffer, start: number): number {
    const { raw, rawSize, known, settled } = this;
    if (rawSize === 0 || raw === undefined || bytes.length - start < rawSize) return 0;
    const isSame = bytes.length === rawSize ? known?.equals(bytes) === true : raw.compare(bytes, start, start + rawSize, 0, rawSize) === 0;
    if (!isSame) {
      this.misses++;
      return 0;
    }
    this.misses = 0;
    this.isRepeated = true;
    this.written ??= new WrittenHead(settled.length);
    head.addedCount = 0;
    for (let line = 0; line < head.count; line++) head.dropped[line] = settled[line] as number;
    return rawSize;
  }

  /** Before parsing, which changes the bytes. */
  keep(bytes: Buffer, start: number): void {
    this.forget();
    this.letters?.begin(bytes, start);
    if (this.misses >= MISSES) {
      this.misses = this.misses >= 2 * MISSES ? 0 : this.misses + 1;
      return;
    }
    this.raw ??= Buffer.allocUnsafeSlow(REPEAT_BYTES);
    bytes.copy(this.raw, 0, start, Math.min(bytes.length, start + REPEAT_BYTES));
    this.hasRaw = true;
  }

  /** The head does not come in one piece. */
  forget(): void {
    this.rawSize = 0;
    this.hasRaw = false;
    this.isRepeated = false;
    if (this.written) this.written.size = 0;
  }

  /** After framing was read and before anything else is edited: from here `repeat` starts again. */
  settle(head: Edited): void {
    if (!this.hasRaw || head.size > REPEAT_BYTES || head.addedCount > 0) return;
    for (let line = 0; line < head.count; line++) this.settled[line] = head.dropped[line] as number;
    this.rawSize = head.size;
    this.known = this.raw?.subarray(0, head.size);
  }
}
