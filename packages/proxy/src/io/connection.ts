// The only view of a socket that the data path has. Today it is a net.Socket read through 'data' or `onread` and written through
// `socket.write`; another kind of I/O takes the place of this file and nothing else.

import type { Socket } from 'node:net';
import { codeOf } from '@lateen/base';
import { readIntoShared } from './shared-read.ts';

export interface ConnectionHandler {
  /** `bytes` may be read and changed during the call only; `Connection.keep` makes them last. */
  onData(bytes: Buffer): void;
  /** The peer will send no more; writing still works. */
  onEnd(): void;
  /** After `write` returned false: the queue has drained. */
  onDrain(): void;
  /** Last call. `error` is the system's code, if the connection broke. */
  onClose(error: string | undefined): void;
}

const ignoring: ConnectionHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

let nextConnectionId = 1;

export class Connection {
  readonly id: number = nextConnectionId++;
  readonly socket: Socket;
  handler: ConnectionHandler;
  /** Whether bytes given to `onData` are overwritten by the next read. */
  private readonly transient: boolean;
  private errorCode: string | undefined;
  private ended = false;
  private paused = false;
  closed = false;
  private localText: string | undefined;

  /** `isRead`: the owner calls `received` itself, with bytes that do not last. */
  constructor(socket: Socket, handler: ConnectionHandler, isRead = false) {
    this.socket = socket;
    this.handler = handler;
    this.transient = isRead || readIntoShared(socket, (bytes) => this.received(bytes));
    // Half-closed connections are legal on both sides; we end our side when the message is done.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    if (!this.transient) socket.on('data', (bytes: Buffer) => this.received(bytes));
    socket.on('end', () => this.handler.onEnd());
    socket.on('drain', () => this.handler.onDrain());
    socket.on('error', (error) => {
      this.errorCode ??= codeOf(error) ?? 'ECONNRESET';
    });
    socket.on('close', () => {
      this.closed = true;
      const last = this.handler;
      this.handler = ignoring;
      last.onClose(this.errorCode);
    });
  }

  /** For the reader of a transient connection. */
  received(bytes: Buffer): void {
    try {
      this.handler.onData(bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  // A fault of ours must cost one connection, not the process with everybody's connections.
  private fail(error: unknown): void {
    process.emitWarning(error instanceof Error ? error : String(error));
    this.destroy();
  }

  /** `bytes`, safe to hold after the call that delivered them. */
  keep(bytes: Buffer): Buffer {
    return this.transient ? Buffer.from(bytes) : bytes;
  }

  /** Takes the bytes over. False: more than the mark is queued; wait for `onDrain`. */
  write(bytes: Buffer): boolean {
    if (this.closed || this.ended) return true;
    return this.socket.write(bytes);
  }

  /** Nothing that was written is still in memory. */
  get isFlushed(): boolean {
    return this.socket.writableLength === 0;
  }

  /** Until `uncork`, writes are gathered into one. */
  cork(): void {
    this.socket.cork();
  }

  uncork(): void {
    this.socket.uncork();
  }

  /** Sends FIN after what is queued. Idempotent. */
  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.socket.end();
  }

  /** Drops the connection and what is queued. */
  destroy(): void {
    this.ended = true;
    this.socket.destroy();
  }

  /** Drops the connection with RST, so that the peer cannot take it for a complete message. */
  reset(): void {
    this.ended = true;
    if (this.closed) return;
    this.socket.resetAndDestroy();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  /** Our end as "ip:port". */
  get localAddress(): string {
    this.localText ??= `${this.socket.localAddress}:${this.socket.localPort}`;
    return this.localText;
  }
}
