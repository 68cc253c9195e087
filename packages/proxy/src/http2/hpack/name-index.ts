// Finds names that mean something to HTTP/2 by their bytes: those of the static table, and those that it forbids.

import { equalsAscii } from '../../http/bytes.ts';

const BUCKETS = 256;

export class NameIndex {
  private readonly names: string[] = [];
  private readonly buckets: Int16Array[] = Array.from({ length: BUCKETS }, () => new Int16Array(0));

  constructor(names: readonly string[]) {
    for (const name of names) {
      if (this.names.includes(name)) continue;
      const bucket = bucketOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
      this.buckets[bucket] = Int16Array.of(...(this.buckets[bucket] as Int16Array), this.names.length);
      this.names.push(name);
    }
  }

  nameAt(index: number): string {
    return this.names[index] as string;
  }

  /** The place of the name `bytes[start, end)` among the distinct names, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const bucket = this.buckets[bucketOf(end - start, bytes[start] as number, bytes[end - 1] as number)] as Int16Array;
    for (let i = 0; i < bucket.length; i++) {
      const at = bucket[i] as number;
      if (equalsAscii(bytes, start, end, this.names[at] as string)) return at;
    }
    return -1;
  }
}

const bucketOf = (length: number, first: number, last: number): number => (length * 31 + first * 7 + last * 3) & (BUCKETS - 1);
