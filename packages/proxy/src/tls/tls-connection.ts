// A connection whose bytes are carried by a TLS session. A client's exists before its session does: while it connects there is only
// the socket below. How the bytes of a standing session move is the business of the classes that extend this one.

import { isIPv6, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { codeOf } from '@lateen/base';
import { Connection, type ConnectionHandler } from '../io/connection.ts';
import { resetSocket } from '../io/reset-socket.ts';
import type { TlsFacts } from '../io/tls-facts.ts';
import { describeHandshakeError } from './failure.ts';

export abstract class TlsConnection extends Connection {
  /** The socket below, later the session over it. */
  protected socket: Socket;
  private readonly raw: Socket;
  protected failure: string | undefined;
  protected ended = false;
  protected paused = false;
  /** Nothing is to be heard any more, though the close is still to come. */
  private gone = false;
  /** Decrypted before the pause took effect; then perhaps the end. */
  private held: Buffer[] | undefined;
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

  /** The session broke against the rules of TLS; a peer that leaves or does not answer breaks none. */
  get isViolated(): boolean {
    return this.failure?.startsWith('TLS_error:|') ?? false;
  }

  /** From here on errors and the end are the session's. */
  wrap(session: TLSSocket): void {
    this.socket = session;
    session.on('error', this.onError);
    session.on('_tlsError', this.onSessionError);
    session.on('close', this.onSessionClose);
  }

  /** The handshake is done: bytes flow. */
  begin(facts: TlsFacts): void {
    this.tls = facts;
    this.socket.allowHalfOpen = true;
    // Records go out at once; else a large answer stalls for 40 ms at Nagle's mercy.
    this.raw.setNoDelay(true);
    this.startFlow(this.socket as TLSSocket);
    if (this.paused) this.stopReading();
  }

  /** `deliver` and `deliverEnd` get what the session says from now on. */
  protected abstract startFlow(session: TLSSocket): void;
  /** The session is over: let go of what belongs to it. */
  protected onClosed(): void {}
  protected abstract stopReading(): void;
  protected abstract startReading(): void;

  /** Ends it for a reason of ours; the handler hears it. */
  fail(failure: string): void {
    this.failure ??= failure;
    this.destroy();
  }

  protected readonly deliver = (bytes: Buffer): void => {
    if (this.gone) return;
    // A record that was read is decrypted to its end, pause or not.
    if (this.paused || this.held) {
      this.held ??= [];
      this.held.push(Buffer.from(bytes));
    } else this.received(bytes);
  };
  protected readonly deliverEnd = (): void => {
    if (this.gone) return;
    if (this.held || this.paused) this.hasHeldEnd = true;
    else this.onPeerEnd();
  };
  /** In its order among the bytes. */
  protected onPeerEnd(): void {
    this.handler.onEnd();
  }
  private readonly onError = (error: unknown): void => {
    this.failure ??= this.socket === this.raw || this.tls ? (codeOf(error) ?? 'ECONNRESET') : describeHandshakeError(error);
  };
  /** Node leaves a server's session that breaks after its handshake open. */
  private readonly onSessionError = (error: unknown): void => {
    this.onError(error);
    if (this.tls) this.destroy();
  };
  private readonly onRawClose = (): void => {
    if (this.socket === this.raw) this.finish(this.failure);
    else if (!this.socket.destroyed) this.socket.destroy();
  };
  private readonly onSessionClose = (): void => {
    if (!this.raw.destroyed) this.raw.destroy();
    this.gone = true;
    this.onClosed();
    this.finish(this.failure);
  };

  destroy(): void {
    this.ended = true;
    if (this.gone) return;
    this.gone = true;
    this.socket.destroy();
  }

  reset(): void {
    this.ended = true;
    if (this.gone) return;
    this.gone = true;
    // The session follows when the socket has closed. Destroyed together they would free OpenSSL's memory at once, perhaps while a
    // callback of OpenSSL is running, which ends the process.
    resetSocket(this.raw);
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    if (this.tls) this.stopReading();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.held || this.hasHeldEnd) process.nextTick(this.giveHeld);
    else if (this.tls) this.startReading();
  }

  private readonly giveHeld = (): void => {
    while (!this.paused && !this.gone && this.held) {
      const bytes = this.held[0] as Buffer;
      // Stays in front while it is given, so that what arrives meanwhile queues up behind it.
      this.received(bytes);
      this.held.shift();
      if (this.held.length === 0) this.held = undefined;
    }
    if (this.paused || this.gone) return;
    if (!this.hasHeldEnd) return this.startReading();
    this.hasHeldEnd = false;
    this.onPeerEnd();
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
