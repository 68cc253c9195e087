import type { Socket } from 'node:net';
import { Connection, ignoring } from '../io/connection.ts';

/** A connection without a socket: keeps what is written, and receives what the test hands to `received`. */
export class WrittenConnection extends Connection {
  private readonly pieces: Buffer[] = [];
  queuedBytes = 0;
  isFlushed = true;
  localAddress = '127.0.0.1:80';
  remoteAddress = '127.0.0.1:4000';
  constructor() {
    super(ignoring);
  }
  keep(bytes: Buffer): Buffer {
    return Buffer.from(bytes);
  }
  write(bytes: Buffer): boolean {
    this.pieces.push(Buffer.from(bytes));
    return true;
  }
  /** What was written since the last call. */
  take(): string {
    return Buffer.concat(this.pieces.splice(0)).toString('latin1');
  }
  cork(): void {}
  uncork(): void {}
  end(): void {}
  destroy(): void {}
  reset(): void {}
  pause(): void {}
  resume(): void {}
  release(): Socket {
    throw new Error('not here');
  }
}
