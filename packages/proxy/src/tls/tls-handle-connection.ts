// A TLS session over Node's own TLS handle, without the stream on top: reads into the shared buffer, writes straight into OpenSSL.
// The TLSSocket stays the owner of the handle: it does the handshake, sends close_notify and closes.
//
// A write never ends within its call, and a second one before its end aborts the process (an assertion of Node). But OpenSSL has
// encrypted, or Node has copied, all bytes when the call returns: so they are the caller's again at once.

import type { TLSSocket } from 'node:tls';
import type { Connection, Framed } from '../io/connection.ts';
import { sharedRead, sharedView } from '../io/shared-read.ts';
import { END_OF_FILE, errorName, newWriteRequest, readResult, type WriteRequest } from '../io/tcp-handle.ts';
import { OutgoingBytes } from './outgoing-bytes.ts';
import { TlsConnection } from './tls-connection.ts';
import { type TlsHandle, tlsHandleOf } from './tls-handle.ts';

/** What may be queued before `write` answers false. A write under way counts, and even a fast one stays so until the next turn. */
const HIGH_WATER_BYTES = 256 * 1024;

type OwnedRequest = WriteRequest & { owner?: TlsHandleConnection };

export class TlsHandleConnection extends TlsConnection {
  /** undefined before the session stands. */
  private handle: TlsHandle | undefined;
  private readonly queue = new OutgoingBytes();
  /** A request may be used again once Node has let go of it, which is after its completion: so there are two, in turn. */
  private request: OwnedRequest | undefined;
  private otherRequest: OwnedRequest | undefined;
  private bytesUnderWay = 0;
  private writing = false;
  private corks = 0;
  private needsDrain = false;
  private finSent = false;
  private peerEnded = false;
  /** The peer takes no more. What it said before may still be unread, and reading will end the connection. */
  private broken = false;

  protected startFlow(session: TLSSocket): void {
    const handle = tlsHandleOf(session);
    if (!handle) return this.fail('ERR_TLS_HANDLE');
    this.handle = handle;
    const wasReading = handle.reading;
    // Without it node:net would start to read by itself.
    handle.reading = true;
    handle.useUserBuffer(sharedRead);
    handle.onread = () => this.onRead();
    session.on('finish', () => {
      this.finSent = true;
      if (this.peerEnded) this.destroy();
    });
    if (!wasReading) handle.readStart();
    this.flush();
    this.endWhenFlushed();
  }

  private onRead(): void {
    const size = readResult();
    if (size > 0) this.deliver(sharedView(size));
    else if (size === END_OF_FILE) this.deliverEnd();
    else if (size < 0) this.fail(errorName(size));
  }

  protected override onPeerEnd(): void {
    this.peerEnded = true;
    this.handler.onEnd();
    if (this.finSent || this.broken) this.destroy();
  }

  protected stopReading(): void {
    this.handle?.readStop();
    if (this.broken) this.destroy();
  }

  protected startReading(): void {
    this.handle?.readStart();
  }

  keep(bytes: Buffer): Buffer {
    return Buffer.from(bytes);
  }

  write(bytes: Buffer): boolean {
    if (this.ended || this.closed) return true;
    this.bytesWritten += bytes.length;
    if (this.writing || this.corks > 0 || !this.handle) this.queue.append(bytes);
    else this.send(bytes);
    return this.isFlowing();
  }

  override relay(bytes: Buffer, _source: Connection | undefined, around?: Framed): boolean {
    if (!around) return this.write(bytes);
    if (this.ended || this.closed) return true;
    this.bytesWritten += around.before.length + bytes.length + (around.after?.length ?? 0);
    this.queue.append(around.before);
    this.queue.append(bytes);
    if (around.after) this.queue.append(around.after);
    this.flush();
    return this.isFlowing();
  }

  private isFlowing(): boolean {
    if (this.queuedBytes < HIGH_WATER_BYTES) return true;
    this.needsDrain = true;
    return false;
  }

  /** One write is one record, up to 16 KiB. Nothing may be under way. */
  private send(bytes: Buffer): void {
    const { handle } = this;
    if (!handle) return;
    this.request ??= newWriteRequest();
    const request = this.request;
    this.request = this.otherRequest;
    this.otherRequest = request;
    request.owner = this;
    request.oncomplete = completed;
    this.bytesUnderWay = bytes.length;
    // Before the call: what fails at once is told from within it.
    this.writing = true;
    const error = handle.writeBuffer(request, bytes);
    if (error !== 0) this.onWritten(error);
  }

  onWritten(status: number): void {
    this.writing = false;
    this.bytesUnderWay = 0;
    if (this.closed || this.broken || !this.handle) return;
    if (status < 0) return this.onWriteFailed(errorName(status));
    this.flush();
    if (this.writing) return;
    if (this.ended) this.endWhenFlushed();
    else if (this.needsDrain) {
      this.needsDrain = false;
      this.handler.onDrain();
    }
  }

  private onWriteFailed(code: string): void {
    this.failure ??= code;
    this.ended = true;
    this.broken = true;
    this.queue.clear();
    if (this.paused || this.peerEnded) this.destroy();
  }

  private flush(): void {
    if (this.queue.length > 0 && this.handle && !this.writing && this.corks === 0) this.queue.drain((bytes) => this.send(bytes));
  }

  get queuedBytes(): number {
    return this.queue.length + this.bytesUnderWay;
  }

  /** Always: what is not sent was copied. */
  get isFlushed(): boolean {
    return true;
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
    this.endWhenFlushed();
  }

  /** close_notify would be lost behind the FIN if a write were still under way. */
  private endWhenFlushed(): void {
    if (this.ended && this.handle && !this.writing && !this.broken && !this.socket.writableEnded) this.socket.end();
  }

  protected override onClosed(): void {
    this.handle = undefined;
    this.queue.clear();
  }
}

function completed(this: WriteRequest, status: number): void {
  (this as OwnedRequest).owner?.onWritten(status);
}
