// A TLS session used as Node documents it, as a stream.

import type { TLSSocket } from 'node:tls';
import { readSharedFrom } from '../io/shared-read.ts';
import { TlsConnection } from './tls-connection.ts';

export class TlsStreamConnection extends TlsConnection {
  /** Whether bytes given to `onData` are overwritten by the next read. */
  private transient = false;

  protected startFlow(session: TLSSocket): void {
    this.transient = readSharedFrom(session, this.deliver);
    if (!this.transient) session.on('data', this.deliver);
    session.on('end', this.deliverEnd);
    session.on('drain', () => this.handler.onDrain());
  }

  protected stopReading(): void {
    this.socket.pause();
  }

  protected startReading(): void {
    this.socket.resume();
  }

  keep(bytes: Buffer): Buffer {
    return this.transient ? Buffer.from(bytes) : bytes;
  }

  write(bytes: Buffer): boolean {
    if (this.closed || this.ended) return true;
    this.bytesWritten += bytes.length;
    return this.socket.write(bytes);
  }

  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  get isFlushed(): boolean {
    return this.socket.writableLength === 0;
  }

  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.socket.end();
  }
}
