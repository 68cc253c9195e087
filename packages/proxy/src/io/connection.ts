// The only view of a byte stream that the data path has. What carries it (a socket read through `onread`, a TLS session, a bare
// handle) is the business of the classes below this one.

import type { Socket } from 'node:net';
import type { TlsFacts } from './tls-facts.ts';
import { turn } from './turn-clock.ts';

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

/** Hears nothing. */
export const ignoring: ConnectionHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

/** Bytes that go out together with a piece of a body; they must last. */
export type Framed = { readonly before: Buffer; readonly after?: Buffer | undefined };

let nextConnectionId = 1;

export abstract class Connection {
  /** Unique in this process. */
  readonly id: number = nextConnectionId++;
  handler: ConnectionHandler;
  closed = false;
  /** Without what TLS adds. */
  bytesRead = 0;
  bytesWritten = 0;
  /** Of the TLS session that ends here; undefined for plaintext. Set once the handshake is done. */
  tls: TlsFacts | undefined;
  private closeListeners: (() => void)[] | undefined;

  constructor(handler: ConnectionHandler) {
    this.handler = handler;
  }

  /** `bytes`, safe to hold after the call that delivered them. */
  abstract keep(bytes: Buffer): Buffer;
  /** Takes the bytes over. False: more than the mark is queued; wait for `onDrain`. */
  abstract write(bytes: Buffer): boolean;
  /**
   * As `write`, for bytes that need not outlast the call: what the kernel does not take at once is kept through `source`, or copied.
   */
  relay(bytes: Buffer, source: Connection | undefined, around?: Framed): boolean {
    const lasting = source ? source.keep(bytes) : Buffer.from(bytes);
    if (!around) return this.write(lasting);
    this.cork();
    this.write(around.before);
    let flowing = this.write(lasting);
    if (around.after) flowing = this.write(around.after);
    this.uncork();
    return flowing;
  }
  /** Written and not yet taken by the kernel. */
  abstract readonly queuedBytes: number;
  /** What was written no longer needs the memory that the caller handed over: it may be used again. */
  abstract readonly isFlushed: boolean;
  /** Until `uncork`, writes are gathered into one. */
  abstract cork(): void;
  abstract uncork(): void;
  /** Sends FIN after what is queued. Idempotent. */
  abstract end(): void;
  /** Drops the connection and what is queued. */
  abstract destroy(): void;
  /** Drops the connection with RST, so that the peer cannot take it for a complete message. */
  abstract reset(): void;
  abstract pause(): void;
  abstract resume(): void;
  /** Our end as "ip:port". */
  abstract readonly localAddress: string;
  /** The peer as "ip:port". */
  abstract readonly remoteAddress: string;
  /**
   * Gives the socket up to another owner (TLS), with `unread` put back in front of what follows. This connection is then dead: its
   * handler hears nothing more, and its close listeners hear the socket's end.
   */
  abstract release(unread: Buffer | undefined): Socket;

  /** Calls `listener` after the handler's `onClose`; at once when that has been. */
  onceClosed(listener: () => void): void {
    if (this.closed) return listener();
    this.closeListeners ??= [];
    this.closeListeners.push(listener);
  }

  /** For the carrier: bytes have arrived. */
  received(bytes: Buffer): void {
    this.bytesRead += bytes.length;
    turn.id++;
    turn.active = true;
    try {
      this.handler.onData(bytes);
      turn.active = false;
    } catch (error) {
      // A fault of ours must cost one connection, not the process with everybody's connections.
      turn.active = false;
      process.emitWarning(error instanceof Error ? error : String(error));
      this.destroy();
    }
    const { atEnd } = turn;
    if (!atEnd) return;
    turn.atEnd = undefined;
    atEnd();
  }

  /** For who read them and did not take them: they go to the present handler, and are counted once. */
  receivedBefore(bytes: Buffer): void {
    this.bytesRead -= bytes.length;
    this.received(bytes);
  }

  /** For the carrier: the end. */
  protected finish(error: string | undefined): void {
    if (this.closed) return;
    this.closed = true;
    const last = this.handler;
    this.handler = ignoring;
    last.onClose(error);
    const listeners = this.closeListeners;
    this.closeListeners = undefined;
    if (listeners) for (const listener of listeners) listener();
  }
}
