// Remembers what header blocks of a connection decoded to: clients repeat themselves, and a block that neither reads a changed
// dynamic table nor changes it means the same again. Bounded in blocks and bytes; a table change forgets everything.

const SLOTS = 32;
const MAX_BLOCK_BYTES = 1024;

type Entry<T> = { readonly block: Buffer; readonly value: T };

export class BlockMemo<T> {
  private slots: (Entry<T> | undefined)[] | undefined;
  private generation = 0;

  /** What `bytes[start, end)` meant; undefined when it is not known. `generation` is the table's. */
  get(bytes: Buffer, start: number, end: number, generation: number): T | undefined {
    if (!this.slots || generation !== this.generation) return undefined;
    const entry = this.slots[slotOf(bytes, start, end)];
    if (!entry) return undefined;
    const { block } = entry;
    const length = end - start;
    if (block.length !== length) return undefined;
    for (let i = 0; i < length; i++) if (block[i] !== bytes[start + i]) return undefined;
    return entry.value;
  }

  /** Keeps `value` for a block that did not change the table. */
  set(bytes: Buffer, { start, end }: { start: number; end: number }, generation: number, value: T): void {
    if (end - start > MAX_BLOCK_BYTES) return;
    if (!this.slots || generation !== this.generation) {
      this.slots = new Array(SLOTS).fill(undefined);
      this.generation = generation;
    }
    this.slots[slotOf(bytes, start, end)] = { block: Buffer.from(bytes.subarray(start, end)), value };
  }
}

function slotOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  return ((hash >>> 16) ^ hash) & (SLOTS - 1);
}
