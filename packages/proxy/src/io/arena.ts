// Memory for outgoing messages: carved from slabs, so that a message costs no allocation of its own. A slab is freed by the
// collector once every piece of it has been written.

const SLAB_BYTES = 128 * 1024;

/** One per process is enough: a message is assembled without giving up the thread. */
export class Arena {
  slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Where the next message starts. */
  position = 0;

  /** Makes sure that `size` bytes can be written to `slab` from `position`. */
  reserve(size: number): void {
    if (this.slab.length - this.position >= size) return;
    this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, size));
    this.position = 0;
  }

  /** Ends the message that was written up to `end` and returns it. */
  take(end: number): Buffer {
    const message = this.slab.subarray(this.position, end);
    this.position = end;
    return message;
  }
}

export const arena = new Arena();
