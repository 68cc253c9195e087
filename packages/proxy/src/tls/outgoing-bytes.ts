// Bytes that wait for their connection, copied one behind the other into memory that connections lend each other: a body of many
// records costs no garbage, and goes out in one write.

const BLOCK_BYTES = 128 * 1024;
const MAX_SPARE = 64;
const spare: Buffer[] = [];

export class OutgoingBytes {
  private block: Buffer | undefined;
  length = 0;

  append(bytes: Buffer): void {
    const end = this.length + bytes.length;
    if (!this.block || this.block.length < end) this.grow(end);
    bytes.copy(this.block as Buffer, this.length);
    this.length = end;
  }

  private grow(size: number): void {
    const before = this.block;
    let capacity = BLOCK_BYTES;
    while (capacity < size) capacity *= 2;
    this.block = (capacity === BLOCK_BYTES ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(capacity);
    if (!before) return;
    before.copy(this.block, 0, 0, this.length);
    giveBack(before);
  }

  /** Empties it into `take`, which may keep nothing of the bytes. */
  drain<T>(take: (bytes: Buffer) => T): T {
    const { block, length } = this;
    this.block = undefined;
    this.length = 0;
    const result = take((block ?? empty).subarray(0, length));
    if (block) giveBack(block);
    return result;
  }

  clear(): void {
    if (this.block) giveBack(this.block);
    this.block = undefined;
    this.length = 0;
  }
}

const empty = Buffer.alloc(0);

function giveBack(block: Buffer): void {
  if (block.length === BLOCK_BYTES && spare.length < MAX_SPARE) spare.push(block);
}
