// Memory for outgoing messages. A message is assembled in a slab and given to its connection; most writes end at once, and then
// the next message uses the same bytes again. What could not be written at once keeps its place.

import type { Connection } from './connection.ts';

const SLAB_BYTES = 256 * 1024;
const VIEWS = 2048;

/** One per process is enough: a message is assembled without giving up the thread. */
class Arena {
  slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Where the next message starts. */
  position = 0;
  private readonly views: (Buffer | undefined)[] = new Array(VIEWS).fill(undefined);

  /** Makes sure that `size` bytes can be written to `slab` from `position`. */
  reserve(size: number): void {
    if (this.slab.length - this.position >= size) return;
    this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, size));
    this.position = 0;
    this.views.fill(undefined);
  }

  /** Most messages are small and begin where the slab does: their views are made once. */
  private view(start: number, end: number): Buffer {
    if (start > 0 || end >= VIEWS) return this.slab.subarray(start, end);
    this.views[end] ??= this.slab.subarray(0, end);
    return this.views[end] as Buffer;
  }

  /** Sends the message that was assembled from `position` to `end`. False: wait for the connection to drain. */
  send(connection: Connection, end: number): boolean {
    const start = this.position;
    this.position = end;
    const flowing = connection.write(this.view(start, end));
    if (connection.isFlushed) this.position = start;
    return flowing;
  }

  /** As `send`, with the foreign bytes of a body behind the message. */
  sendWith(
    connection: Connection,
    end: number,
    body: { bytes: Buffer; source: Connection | undefined; after: Buffer | undefined },
  ): boolean {
    const start = this.position;
    this.position = end;
    const { bytes, source, after } = body;
    const flowing = connection.relay(bytes, source, { before: this.slab.subarray(start, end), after });
    if (connection.isFlushed) this.position = start;
    return flowing;
  }
}

export const arena = new Arena();
