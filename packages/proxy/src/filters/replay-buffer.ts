// The body of a request as far as it has arrived, kept so that another attempt (or a mirror) can send it again.

export class ReplayBuffer {
  private readonly pieces: Buffer[] = [];
  private readonly limitBytes: number;
  private sizeBytes = 0;
  /** The body outgrew the limit: it cannot be sent again. */
  overflowed = false;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** `bytes` must last. */
  add(bytes: Buffer): void {
    if (this.overflowed) return;
    this.sizeBytes += bytes.length;
    if (this.sizeBytes > this.limitBytes) this.discard();
    else this.pieces.push(bytes);
  }

  /** No further attempt: frees the memory. */
  discard(): void {
    this.overflowed = true;
    this.pieces.length = 0;
  }

  get bytes(): Buffer | undefined {
    if (this.pieces.length === 0) return undefined;
    return this.pieces.length === 1 ? this.pieces[0] : Buffer.concat(this.pieces);
  }
}
