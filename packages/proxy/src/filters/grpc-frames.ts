// Counts the messages of a gRPC stream: each is a flag byte, a length of four bytes and the payload. Nothing is copied.

const PREFIX_BYTES = 5;

export class GrpcFrameCounter {
  messages = 0;
  /** Bytes of a prefix seen so far, and the length they spell. */
  private prefixSeen = 0;
  private length = 0;
  /** Payload still to come. */
  private rest = 0;

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at = this.readMessage(bytes, at);
  }

  /** Reads from `at` to the end of the message or of `bytes`, and returns where that is. */
  readMessage(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.rest === 0) {
      if (this.prefixSeen > 0) this.length = this.length * 256 + (bytes[at] as number);
      at++;
      if (++this.prefixSeen < PREFIX_BYTES) continue;
      this.messages++;
      this.rest = this.length;
      this.prefixSeen = 0;
      this.length = 0;
      if (this.rest === 0) return at;
    }
    const skipped = Math.min(this.rest, bytes.length - at);
    this.rest -= skipped;
    return at + skipped;
  }

  /** What was read ends with a whole message. */
  get isBetweenMessages(): boolean {
    return this.rest === 0 && this.prefixSeen === 0;
  }
}
