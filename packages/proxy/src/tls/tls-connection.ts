// A connection whose bytes are carried by a TLS session. A client's exists before its session does: while it connects there is only
// the socket below.

import { isIPv6, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { codeOf } from '@lateen/base';
import type { TlsFacts } from '../http/request-view.ts';
import { Connection, type ConnectionHandler } from '../io/connection.ts';
import { readSharedFrom } from '../io/shared-read.ts';
import { describeHandshakeError } from './failure.ts';

export class TlsConnection extends Connection {
  /** The socket below, later the session over it. */
  private socket: Socket;
  private readonly raw: Socket;
  private failure: string | undefined;
  private ended = false;
  private paused = false;
  /** Whether bytes given to `onData` are overwritten by the next read. */
  private transient = false;
  /** Decrypted before the pause took effect; then perhaps the end. */
  private held: Buffer[] = [];
  private hasHeldEnd = false;
  private local: string | undefined;
  private remote: string | undefined;

  constructor(raw: Socket, handler: ConnectionHandler) {
    super(handler);
    this.raw = raw;
    this.socket = raw;
    raw.on('error', this.onError);
    raw.on('close', this.onRawClose);
  }

  /** From here on errors and the end are the session's. */
  wrap(session: TLSSocket): void {
    this.socket = session;
    session.on('error', this.onError);
    session.on('_tlsError', this.onError);
    session.on('close', this.onSessionClose);
  }

  /** The handshake is done: bytes flow. */
  begin(facts: TlsFacts): void {
    this.tls = facts;
    const { socket } = this;
    socket.allowHalfOpen = true;
    // Records go out at once; else a large answer stalls for 40 ms at Nagle's mercy.
    this.raw.setNoDelay(true);
    this.transient = readSharedFrom(socket, this.onSessionData);
    if (!this.transient) socket.on('data', this.onSessionData);
    socket.on('end', this.onSessionEnd);
    socket.on('drain', this.onSessionDrain);
    if (this.paused) socket.pause();
  }

  /** Ends it for a reason of ours; the handler hears it. */
  fail(failure: string): void {
    this.failure ??= failure;
    this.destroy();
  }

  private readonly onSessionData = (bytes: Buffer): void => {
    // A record that was read is decrypted to its end, pause or not.
    if (this.paused || this.held.length > 0) this.held.push(Buffer.from(bytes));
    else this.received(bytes);
  };
  private readonly onSessionEnd = (): void => {
    if (this.held.length > 0) this.hasHeldEnd = true;
    else this.handler.onEnd();
  };
  private readonly onSessionDrain = (): void => this.handler.onDrain();
  private readonly onError = (error: unknown): void => {
    this.failure ??= this.socket === this.raw || this.tls ? (codeOf(error) ?? 'ECONNRESET') : describeHandshakeError(error);
  };
  private readonly onRawClose = (): void => {
    if (this.socket === this.raw) this.finish(this.failure);
    else if (!this.socket.destroyed) this.socket.destroy();
  };
  private readonly onSessionClose = (): void => {
    if (!this.raw.destroyed) this.raw.destroy();
    this.finish(this.failure);
  };

  keep(bytes: Buffer): Buffer {
    return this.transient ? Buffer.from(bytes) : bytes;
  }

  write(bytes: Buffer): boolean {
    if (this.closed || this.ended) return true;
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

  destroy(): void {
    this.ended = true;
    this.socket.destroy();
  }

  reset(): void {
    this.ended = true;
    if (this.closed) return;
    this.raw.resetAndDestroy();
    this.socket.destroy();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    if (this.tls) this.socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.held.length > 0) process.nextTick(this.giveHeld);
    else if (this.tls) this.socket.resume();
  }

  private readonly giveHeld = (): void => {
    while (!this.paused && !this.closed) {
      const bytes = this.held[0];
      if (!bytes) break;
      // Stays in front while it is given, so that what arrives meanwhile queues up behind it.
      this.received(bytes);
      this.held.shift();
    }
    if (this.paused || this.closed) return;
    if (!this.hasHeldEnd) return void this.socket.resume();
    this.hasHeldEnd = false;
    this.handler.onEnd();
  };

  release(): Socket {
    throw new Error('a TLS session is not given up to another owner');
  }

  get localAddress(): string {
    this.local ??= addressOf(this.raw.localAddress, this.raw.localPort);
    return this.local;
  }

  get remoteAddress(): string {
    this.remote ??= addressOf(this.raw.remoteAddress, this.raw.remotePort);
    return this.remote;
  }
}

const addressOf = (ip = '', port = 0): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);
