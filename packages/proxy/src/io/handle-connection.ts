// A connection over the TCP handle of a net.Socket: reads into the shared buffer, writes by plain system calls, no stream between.
// The socket stays the owner of the handle: it closes it, sends FIN and RST, and gets it back by `release`.

import { writeSync, writevSync } from 'node:fs';
import type { Socket } from 'node:net';
import { codeOf } from '@lateen/base';
import { Connection, type ConnectionHandler, type Framed, ignoring } from './connection.ts';
import { resetSocket } from './reset-socket.ts';
import { sharedView } from './shared-read.ts';
import {
  END_OF_FILE,
  errorName,
  lastWriteIsPending,
  newWriteRequest,
  readResult,
  type TcpHandle,
  type WriteRequest,
} from './tcp-handle.ts';

/** What may be queued before `write` answers false. */
const HIGH_WATER_BYTES = 64 * 1024;

// Most writes end at once and leave their request as it was.
let spareRequest: WriteRequest | undefined;

export class HandleConnection extends Connection {
  private readonly socket: Socket;
  /** undefined while connecting, and when the connection is over. */
  private handle: TcpHandle | undefined;
  private originalOnRead: TcpHandle['onread'] | undefined;
  private queue: Buffer[] | undefined;
  /** A write is under way: the kernel's part of the system has its bytes, and another must wait. */
  private writing = false;
  private corks = 0;
  private needsDrain = false;
  private errorCode: string | undefined;
  private ended = false;
  private finSent = false;
  private peerEnded = false;
  private broken = false;
  private paused = false;
  private localText: string | undefined;
  queuedBytes = 0;

  /** `socket`: connected, or connecting (then `attach` follows). */
  constructor(socket: Socket, handler: ConnectionHandler) {
    super(handler);
    this.socket = socket;
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.errorCode ??= codeOf(error) ?? 'ECONNRESET';
    });
    socket.on('finish', () => {
      this.finSent = true;
      if (this.peerEnded) this.socket.destroy();
    });
    socket.on('close', () => {
      this.handle = undefined;
      this.queue = undefined;
      this.finish(this.errorCode);
    });
  }

  /** Takes over the socket's handle, which must be connected. */
  attach(handle: TcpHandle): void {
    this.handle = handle;
    this.originalOnRead = handle.onread;
    handle.onread = () => this.onRead();
    const wasReading = handle.reading;
    // Without it node:net would start to read by itself.
    handle.reading = true;
    if (this.paused) {
      if (wasReading) handle.readStop();
    } else if (!wasReading) handle.readStart();
    this.flush();
    if (this.ended && this.isFlushed) this.socket.end();
  }

  private onRead(): void {
    const size = readResult();
    if (size > 0) this.received(sharedView(size));
    else if (size === END_OF_FILE) this.onEndOfFile();
    else if (size < 0) this.fail(errorName(size));
  }

  private onEndOfFile(): void {
    this.peerEnded = true;
    this.handler.onEnd();
    if (this.finSent || this.broken) this.socket.destroy();
  }

  private fail(code: string): void {
    this.errorCode ??= code;
    this.destroy();
  }

  /** The peer takes no more. What it said before may still be unread, and reading will end the connection. */
  private onWriteFailed(code: string): void {
    this.errorCode ??= code;
    this.ended = true;
    this.broken = true;
    this.queue = undefined;
    this.queuedBytes = 0;
    if (this.paused || this.peerEnded) this.socket.destroy();
  }

  keep(bytes: Buffer): Buffer {
    return Buffer.from(bytes);
  }

  write(bytes: Buffer): boolean {
    if (this.ended) return true;
    this.bytesWritten += bytes.length;
    const { handle } = this;
    if (this.writing || this.corks > 0 || !handle) return this.enqueue(bytes);
    spareRequest ??= newWriteRequest();
    const request = spareRequest;
    const error = handle.writeBuffer(request, bytes);
    if (error !== 0) {
      spareRequest = undefined;
      this.onWriteFailed(errorName(error));
      return true;
    }
    return lastWriteIsPending() ? this.onPending(request, bytes, bytes.length) : true;
  }

  override relay(bytes: Buffer, source: Connection | undefined, around?: Framed): boolean {
    if (this.ended) return true;
    const { handle } = this;
    if (this.writing || this.corks > 0 || !handle) return super.relay(bytes, source, around);
    // The file interface of Node tells how much was taken, so that nothing ever points into bytes that are not ours.
    const pieces = around && (around.after ? [around.before, bytes, around.after] : [around.before, bytes]);
    let taken = 0;
    try {
      taken = pieces ? writevSync(handle.fd, pieces) : writeSync(handle.fd, bytes, 0, bytes.length);
    } catch (error) {
      const code = codeOf(error) ?? 'EPIPE';
      if (code !== 'EAGAIN') {
        this.onWriteFailed(code);
        return true;
      }
    }
    const size = bytes.length + (around ? around.before.length + (around.after?.length ?? 0) : 0);
    this.bytesWritten += taken;
    if (taken === size) return true;
    return this.write(Buffer.from((pieces ? Buffer.concat(pieces) : bytes).subarray(taken)));
  }

  private enqueue(bytes: Buffer): boolean {
    this.queue ??= [];
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    // What is only corked is about to be written.
    return this.corks > 0 && !this.writing ? true : this.isFlowing();
  }

  private isFlowing(): boolean {
    if (this.queuedBytes < HIGH_WATER_BYTES) return true;
    this.needsDrain = true;
    return false;
  }

  /** `request` holds `bytes` until it has ended. */
  private onPending(request: WriteRequest, bytes: unknown, size: number): boolean {
    spareRequest = undefined;
    this.writing = true;
    this.queuedBytes += size;
    request.bytes = bytes;
    request.oncomplete = (status) => {
      this.writing = false;
      this.queuedBytes -= size;
      this.onWritten(status);
    };
    return this.isFlowing();
  }

  private onWritten(status: number): void {
    if (!this.handle || this.broken) return;
    if (status < 0) {
      if (!this.socket.destroyed) this.onWriteFailed(errorName(status));
      return;
    }
    this.flush();
    if (this.writing || this.queuedBytes > 0) return;
    if (this.ended && !this.socket.writableEnded) this.socket.end();
    else if (this.needsDrain) {
      this.needsDrain = false;
      this.handler.onDrain();
    }
  }

  /** Gives what is queued to the system, in one call. */
  private flush(): void {
    const { queue, handle } = this;
    if (!queue || !handle || this.writing || this.corks > 0) return;
    this.queue = undefined;
    const size = this.queuedBytes;
    this.queuedBytes = 0;
    const request = newWriteRequest();
    const error = queue.length === 1 ? handle.writeBuffer(request, queue[0] as Buffer) : handle.writev(request, queue, true);
    if (error !== 0) this.onWriteFailed(errorName(error));
    else if (lastWriteIsPending()) this.onPending(request, queue, size);
  }

  get isFlushed(): boolean {
    return !this.writing && this.queuedBytes === 0;
  }

  cork(): void {
    this.corks++;
  }

  uncork(): void {
    this.corks--;
    this.flush();
  }

  end(): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    if (this.isFlushed) this.socket.end();
  }

  destroy(): void {
    this.ended = true;
    this.socket.destroy();
  }

  reset(): void {
    this.ended = true;
    if (!this.closed) resetSocket(this.socket);
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.handle?.readStop();
    if (this.broken) this.socket.destroy();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.handle?.readStart();
  }

  release(unread: Buffer | undefined): Socket {
    const { socket, handle } = this;
    this.handler = ignoring;
    this.ended = true;
    this.handle = undefined;
    if (handle && this.originalOnRead) {
      handle.onread = this.originalOnRead;
      handle.readStop();
      handle.reading = false;
    }
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
