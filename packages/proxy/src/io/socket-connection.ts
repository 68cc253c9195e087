// A connection over a net.Socket or a tls.TLSSocket: read through 'data' or `onread`, written through `socket.write`.

import type { Socket } from 'node:net';
import { codeOf } from '@lateen/base';
import { Connection, type ConnectionHandler, ignoring } from './connection.ts';
import { resetSocket } from './reset-socket.ts';
import { readIntoShared } from './shared-read.ts';

export class SocketConnection extends Connection {
  private readonly socket: Socket;
  /** Whether bytes given to `onData` are overwritten by the next read. */
  private readonly transient: boolean;
  private errorCode: string | undefined;
  private ended = false;
  private paused = false;
  private released = false;
  private localText: string | undefined;

  /** `isRead`: the owner calls `received` itself, with bytes that do not last. */
  constructor(socket: Socket, handler: ConnectionHandler, isRead = false) {
    super(handler);
    this.socket = socket;
    this.transient = isRead || readIntoShared(socket, (bytes) => this.received(bytes));
    // Half-closed connections are legal on both sides; we end our side when the message is done.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    if (!this.transient) socket.on('data', this.onSocketData);
    socket.on('end', this.onSocketEnd);
    socket.on('drain', this.onSocketDrain);
    socket.on('error', (error) => {
      this.errorCode ??= codeOf(error) ?? 'ECONNRESET';
    });
    socket.on('close', () => this.finish(this.errorCode));
  }

  private readonly onSocketData = (bytes: Buffer): void => this.received(bytes);
  private readonly onSocketEnd = (): void => this.handler.onEnd();
  private readonly onSocketDrain = (): void => this.handler.onDrain();

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

  destroy(): void {
    this.ended = true;
    this.socket.destroy();
  }

  reset(): void {
    this.ended = true;
    if (this.closed) return;
    resetSocket(this.socket);
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.paused || this.released) return;
    this.paused = false;
    this.socket.resume();
  }

  release(unread: Buffer | undefined): Socket {
    const { socket } = this;
    this.handler = ignoring;
    this.released = true;
    this.ended = true;
    socket.pause();
    socket.off('data', this.onSocketData);
    socket.off('end', this.onSocketEnd);
    socket.off('drain', this.onSocketDrain);
    if (unread && unread.length > 0) socket.unshift(unread);
    return socket;
  }

  get localAddress(): string {
    this.localText ??= `${this.socket.localAddress}:${this.socket.localPort}`;
    return this.localText;
  }

  get remoteAddress(): string {
    return `${this.socket.remoteAddress}:${this.socket.remotePort}`;
  }
}
