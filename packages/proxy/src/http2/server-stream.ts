// One request of a client's, and the answer to it: the HTTP/2 counterpart of what `Http1Server` is for HTTP/1.1.

import { equalsAscii } from '../http/bytes.ts';
import type { Head } from '../http/head.ts';
import type { ServerStream, ServerStreamHandler } from '../http/stream.ts';
import { failureDetails, malformedDetails } from './codec-details.ts';
import * as f from './frames.ts';
import type { HeadTemplate, TemplatedHead } from './head-template.ts';
import { maxEncodedBytes, writeLines, writeStatus } from './hpack/encoder.ts';
import type { ServerSession } from './server-session.ts';
import { Http2Stream, type StreamEnd } from './stream.ts';

const STATUS_BYTES = 8;

export class Http2ServerStream extends Http2Stream implements ServerStream {
  declare readonly session: ServerSession;
  readonly head: TemplatedHead;
  handler: ServerStreamHandler | undefined;
  /** An extended CONNECT that has not been answered: what the client sends already must not go anywhere yet. */
  private awaitsTunnel: boolean;
  private isTunnel = false;
  /** The client's end came before the tunnel stood. */
  private endedBefore = false;
  private responseStarted = false;

  constructor(session: ServerSession, id: number, template: HeadTemplate) {
    super(session, id);
    this.head = template.instantiate();
    this.promisedBytes = template.contentLength;
    this.awaitsTunnel = template.protocol !== '' || equalsAscii(this.head.bytes, 0, this.head.methodEnd, 'CONNECT');
    if (this.awaitsTunnel) this.pauseReading();
  }

  /** Counts what came together with the head; false when it is more than content-length says, or not enough. */
  acceptFirst(bytes: number, end: boolean): boolean {
    if (end) this.remoteClosed = this.endedBefore = true;
    return this.countFirst(bytes) && (!end || this.endsAsPromised());
  }

  /** A tunnel's client has nothing more to ask: its request is the head alone. */
  get isRequestWhole(): boolean {
    return this.remoteClosed || this.awaitsTunnel;
  }

  // --- the request

  protected deliverData(bytes: Buffer): void {
    this.handler?.onRequestData(bytes, this.session.connection);
  }

  protected deliverEnd(trailers: HeadTemplate | undefined): void {
    this.handler?.onRequestEnd(trailers?.instantiate());
    if (this.localClosed) this.complete();
  }

  override receiveEnd(trailers: HeadTemplate | undefined): boolean {
    if (!this.awaitsTunnel || this.isHolding) return super.receiveEnd(trailers);
    this.remoteClosed = this.endedBefore = true;
    return true;
  }

  pauseRequest(): void {
    this.pauseReading();
  }

  resumeRequest(): void {
    if (!this.awaitsTunnel) this.resumeReading();
  }

  onBroken(cause: StreamEnd): void {
    const { handler } = this;
    this.handler = undefined;
    handler?.onDownstreamReset(detailsOf(cause));
  }

  // --- the answer

  sendHead(head: Head, first: Buffer | undefined, end: boolean): void {
    if (this.gone) return;
    const { session } = this;
    session.onAnswer();
    this.responseStarted = true;
    const status = head.status === 101 ? 200 : head.status;
    if (head.status === 101) head.remove('sec-websocket-accept');
    const bare = end && first === undefined;
    this.writeHead(status, head, bare);
    if (bare) return this.onSendEnded();
    if (first) this.sendData(first, session.connection);
    if (end) this.sendEnd(undefined);
  }

  private writeHead(status: number, head: Head, end: boolean): void {
    const { writer } = this.session;
    const start = writer.beginHeaders(maxEncodedBytes(head) + STATUS_BYTES);
    const out = writer.output.bytes;
    writer.endHeaders(this.id, writeLines(out, writeStatus(out, start, status), head), end);
  }

  sendInformational(status: number, head: Head | undefined): void {
    if (this.gone || this.responseStarted) return;
    const { writer } = this.session;
    const start = writer.beginHeaders((head ? maxEncodedBytes(head) : 0) + STATUS_BYTES);
    const out = writer.output.bytes;
    const at = writeStatus(out, start, status);
    writer.endHeaders(this.id, head ? writeLines(out, at, head) : at, false);
  }

  onSendDrained(): void {
    this.handler?.onResponseDrain();
  }

  onSendEnded(): void {
    this.localClosed = true;
    if (this.remoteClosed) return this.complete();
    if (this.isTunnel) return;
    // Answered before the request was complete: the rest of it is of no use to anybody (RFC 9113 8.1).
    this.session.abandonStream(this, f.NO_ERROR);
    this.complete();
  }

  private complete(): void {
    const { handler } = this;
    this.handler = undefined;
    this.session.closeStream(this);
    handler?.onComplete();
  }

  startTunnel(): void {
    this.isTunnel = true;
    this.awaitsTunnel = false;
    this.promisedBytes = -1;
    this.resumeReading();
    if (this.remoteClosed && this.endedBefore) this.handler?.onRequestEnd(undefined);
  }

  reset(): void {
    this.handler = undefined;
    // RFC 9113 8.5
    this.session.abandonStream(this, this.isTunnel ? f.CONNECT_ERROR : f.INTERNAL_ERROR);
  }

  /** Other streams of the connection are not concerned; draining is the connection's own business. */
  closeAfterResponse(): void {}
}

function detailsOf(cause: StreamEnd): string {
  switch (cause.kind) {
    case 'remote_reset':
      return cause.code === f.REFUSED_STREAM ? 'http2.remote_refuse' : 'http2.remote_reset';
    case 'connection_failed':
      return failureDetails(cause.why);
    case 'connection_closed':
      return 'downstream_remote_disconnect';
    case 'local_reset':
      return cause.code === f.CANCEL ? 'stream_idle_timeout' : malformedDetails(cause.why);
  }
}
