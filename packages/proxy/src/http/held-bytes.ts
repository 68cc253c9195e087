// Bytes of pipelined requests, which wait until the request before them is answered.

import type { Connection } from '../io/connection.ts';

/** With more, the client is not read. */
const MAX_HELD = 64 * 1024;

export class HeldBytes {
  private readonly connection: Connection;
  private bytes: Buffer | undefined;
  /** Reading has stopped for them. */
  isPausing = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** `isOurs`: they last. Many small requests may lie in one read: what was copied once is not copied again for each of them. */
  add(bytes: Buffer, isOurs: boolean): void {
    const kept = isOurs ? bytes : this.connection.keep(bytes);
    this.bytes = this.bytes ? Buffer.concat([this.bytes, kept]) : kept;
    if (this.bytes.length > MAX_HELD && !this.isPausing) {
      this.isPausing = true;
      this.connection.pause();
    }
  }

  /** All of them; reading goes on. */
  take(): Buffer | undefined {
    const { bytes } = this;
    this.bytes = undefined;
    if (bytes && this.isPausing) {
      this.isPausing = false;
      this.connection.resume();
    }
    return bytes;
  }

  drop(): void {
    this.bytes = undefined;
  }
}
