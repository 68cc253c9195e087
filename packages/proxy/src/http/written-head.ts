// A head that repeats goes out again as it did the last time, but for a few values (a request id, a duration): those are changed in
// the bytes that were kept, and the whole is one copy.

import { writeText } from './bytes.ts';

/** What is longer is written anew each time. */
const KEPT_BYTES = 1536;

/** The part of a head that edits change. */
type Edited = {
  readonly count: number;
  readonly dropped: Uint8Array;
  readonly addedCount: number;
  addedName(i: number): string;
  addedValue(i: number): string;
};

/** What stands around the headers: as in `HeadMessage`. */
export type Around = { readonly startLine: string; readonly target: string | undefined; readonly extraLines: string };

export class WrittenHead {
  /** 0: nothing is kept. */
  size = 0;
  private bytes: Buffer | undefined;
  /** The first `size` bytes. */
  private view: Buffer | undefined;
  private startLine = '';
  private target: string | undefined;
  private extraLines = '';
  private readonly dropped: Uint8Array;
  private readonly names: string[] = [];
  private readonly values: string[] = [];
  private readonly valueStarts: number[] = [];
  private addedCount = 0;

  constructor(maxCount: number) {
    this.dropped = new Uint8Array(maxCount);
  }

  /** The bytes of `head`, edits made good; undefined when it must be written anew. Valid until the next call. */
  again(head: Edited, around: Around): Buffer | undefined {
    const { bytes, dropped, names, values, valueStarts, addedCount } = this;
    if (this.size === 0 || bytes === undefined || head.addedCount !== addedCount) return undefined;
    if (around.startLine !== this.startLine || around.target !== this.target || around.extraLines !== this.extraLines) return undefined;
    for (let line = 0; line < head.count; line++) if (head.dropped[line] !== dropped[line]) return undefined;
    for (let i = 0; i < addedCount; i++) {
      const value = head.addedValue(i);
      if (value === values[i] && head.addedName(i) === names[i]) continue;
      if (value.length !== (values[i] as string).length || head.addedName(i) !== names[i]) return undefined;
      values[i] = value;
      writeText(bytes, valueStarts[i] as number, value);
    }
    return this.view;
  }

  /** Keeps what was written to `out` from `start` to `end`: the whole head with its empty line. */
  keep(head: Edited, around: Around, { out, start, end }: { out: Buffer; start: number; end: number }): void {
    const size = end - start;
    this.size = 0;
    if (size > KEPT_BYTES) return;
    this.bytes ??= Buffer.allocUnsafeSlow(KEPT_BYTES);
    out.copy(this.bytes, 0, start, end);
    this.view = this.bytes.subarray(0, size);
    this.startLine = around.startLine;
    this.target = around.target;
    this.extraLines = around.extraLines;
    for (let line = 0; line < head.count; line++) this.dropped[line] = head.dropped[line] as number;
    let at = size - 2 - around.extraLines.length;
    for (let i = head.addedCount - 1; i >= 0; i--) {
      const name = head.addedName(i);
      const value = head.addedValue(i);
      at -= 2 + value.length;
      this.names[i] = name;
      this.values[i] = value;
      this.valueStarts[i] = at;
      at -= 2 + name.length;
    }
    this.addedCount = head.addedCount;
    this.size = size;
  }
}
