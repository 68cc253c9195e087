// Remembers what header blocks of a connection decoded to: peers repeat themselves. A block is kept when it comes the second time.
// One that refers to the dynamic table means the same as long as the table does not change; one that only adds to the table means
// the same always, if what it adds is added again.

import type { HpackDecoder, Insertion } from './hpack/decoder.ts';
import { lastingCopy } from './hpack/field-block.ts';

const SLOTS = 32;
const MAX_BLOCK_BYTES = 1024;
const ALWAYS = -1;

type Entry<T> = { readonly block: Buffer; readonly value: T; readonly generation: number; readonly insertions: readonly Insertion[] };

export class BlockMemo<T> {
  private slots: (Entry<T> | undefined)[] | undefined;
  /** Of the last unknown block in each slot. */
  private seen: Int32Array | undefined;
  private hash = 0;
  /** What `get` found last: most peers say the same again. */
  private last: Entry<T> | undefined;

  /** What `bytes[start, end)` meant; undefined when it is not known. The decoder is then as if it had decoded the block. */
  get(bytes: Buffer, start: number, end: number, decoder: HpackDecoder): T | undefined {
    const { last } = this;
    const isLast = last !== undefined && equals(last.block, bytes, start, end);
    // `set` needs the hash of what is not known.
    const entry = isLast && isValid(last, decoder) ? last : this.find(bytes, start, end);
    if (!entry || !isValid(entry, decoder)) return undefined;
    if (entry.generation === ALWAYS) decoder.replay(entry.insertions);
    this.last = entry;
    return entry.value;
  }

  private find(bytes: Buffer, start: number, end: number): Entry<T> | undefined {
    this.hash = hashOf(bytes, start, end);
    const entry = this.slots?.[this.hash & (SLOTS - 1)];
    return entry && equals(entry.block, bytes, start, end) ? entry : undefined;
  }

  /** Notes what the block that `get` did not know meant; `make` gives the lasting form, and is called when the block is kept. */
  set(bytes: Buffer, { start, end }: { start: number; end: number }, decoder: HpackDecoder, make: () => T): void {
    if (end - start > MAX_BLOCK_BYTES) return;
    const slot = this.hash & (SLOTS - 1);
    this.seen ??= new Int32Array(SLOTS);
    if (this.seen[slot] !== this.hash) {
      this.seen[slot] = this.hash;
      return;
    }
    const generation = decoder.wasContextFree ? ALWAYS : decoder.generation;
    if (generation !== ALWAYS && decoder.changedTable) return;
    this.slots ??= new Array(SLOTS).fill(undefined);
    this.slots[slot] = { block: lastingCopy(bytes, start, end), value: make(), generation, insertions: decoder.takeInsertions() };
  }
}

/** Whether the block still means what it meant. */
const isValid = ({ generation }: Entry<unknown>, decoder: HpackDecoder): boolean =>
  generation === ALWAYS || generation === decoder.generation;

function equals(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (block.length !== length) return false;
  for (let i = 0; i < length; i++) if (block[i] !== bytes[start + i]) return false;
  return true;
}

function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  return hash ^ (hash >>> 15);
}
