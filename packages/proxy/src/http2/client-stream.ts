// One request of ours on an HTTP/2 connection, and its answer: the counterpart of `Http1Client`, which has a connection to itself.

import type { Head } from '../http/head.ts';
import { knownId } from '../http/known-headers.ts';
import type { ClientStream, ClientStreamHandler, RequestLine, ResetReason } from '../http/stream.ts';
import type { Connection } from '../io/connection.ts';
import type { BreakerState } from '../upstream/circuit-breaker.ts';
import type { ClientSession } from './client-session.ts';
import * as f from './frames.ts';
import type { HeadTemplate } from './head-template.ts';
import { maxEncodedBytes, writeAuthority, writeField, writeLines, writeMethod, writePath, writeScheme } from './hpack/encoder.ts';
import { LENGTH_FAULT } from './message-fields.ts';
import { Http2Stream, type StreamEnd } from './stream.ts';
import { acceptOf } from './websocket.ts';

const FORWARDED_PROTO = knownId('x-forwarded-proto');
/** More than the pseudo headers take beyond their values. */
const PSEUDO_BYTES = 128;
const MAX_INFORMATIONAL = 20;

export class Http2ClientStream extends Http2Stream implements ClientStream {
  declare readonly session: ClientSession;
  readonly protocol = 'HTTP/2';
  /** Which circuit breaker it is counted under. */
  readonly breaker: BreakerState;
  readonly isReused: boolean;
  private handler: ClientStreamHandler | undefined;
  private headSent = false;
  private method = '';
  private upgrade = '';
  private websocketKey: string | undefined;
  private isTunnel = false;
  private headReceived = false;
  private informational = 0;
  responseStarted = false;

  constructor(session: ClientSession, id: number, breaker: BreakerState) {
    super(session, id);
    this.breaker = breaker;
    this.isReused = id > 1;
  }

  get connection(): Connection {
    return this.session.connection;
  }

  attach(handler: ClientStreamHandler): void {
    this.handler = handler;
  }

  // --- the request

  sendHead(line: RequestLine, head: Head, upgrade: string, body: { first: Buffer | undefined; end: boolean }): void {
    if (this.gone) return;
    this.headSent = true;
    this.method = line.method;
    this.upgrade = upgrade;
    const { first } = body;
    // A tunnel's request has no end; what follows is the tunnel.
    const end = body.end && upgrade === '' && line.method !== 'CONNECT';
    const bare = end && first === undefined;
    if (upgrade !== '') head.remove('content-length');
    if (upgrade === 'websocket') this.websocketKey = head.value('sec-websocket-key');
    this.writeHead(line, head, bare);
    if (bare) return this.onSendEnded();
    if (first) this.sendData(first, undefined);
    if (end) this.sendEnd(undefined);
  }

  private writeHead(line: RequestLine, head: Head, end: boolean): void {
    const { writer } = this.session;
    const authority = head.value('host') ?? '';
    const size = maxEncodedBytes(head) + line.method.length + line.path.length + authority.length + this.upgrade.length + PSEUDO_BYTES;
    const start = writer.beginHeaders(size);
    const out = writer.output.bytes;
    let at = writeMethod(out, start, this.upgrade === '' ? line.method : 'CONNECT');
    if (line.method !== 'CONNECT') {
      at = writeScheme(out, at, line.scheme ?? this.schemeOf(head));
      at = writePath(out, at, line.path);
    }
    if (this.upgrade !== '') at = writeField(out, at, ':protocol', this.upgrade);
    if (authority !== '') at = writeAuthority(out, at, authority);
    writer.endHeaders(this.id, writeLines(out, at, head), end);
  }

  private schemeOf(head: Head): string {
    const line = head.known(FORWARDED_PROTO);
    const told = line >= 0 ? head.lineValue(line) : head.value('x-forwarded-proto');
    return told === 'https' || told === 'http' ? told : this.connection.tls ? 'https' : 'http';
  }

  onSendDrained(): void {
    this.handler?.onRequestDrain();
  }

  onSendEnded(): void {
    this.localClosed = true;
    if (this.remoteClosed) this.session.closeStream(this);
  }

  cancel(): void {
    this.handler = undefined;
    if (this.headSent) this.session.abandonStream(this, f.CANCEL);
    else this.session.closeStream(this);
  }

  // --- the response

  /** The head of a response, informational or final. A string says what is malformed. */
  receiveHead(template: HeadTemplate, first: Buffer | undefined, end: boolean): string | undefined {
    this.responseStarted = true;
    const { status } = template;
    if (status < 200) {
      if (end || ++this.informational > MAX_INFORMATIONAL) return 'informational response';
      this.handler?.onInformational(template.instantiate());
      return undefined;
    }
    this.headReceived = true;
    const isTunnel = status < 300 && (this.upgrade !== '' || this.method === 'CONNECT');
    if (!isTunnel) this.promisedBytes = this.isBodyless(status) ? 0 : template.contentLength;
    if (end) this.remoteClosed = true;
    // Content-length of an answer to HEAD is what GET would have.
    if (!this.countFirst(first?.length ?? 0) || (end && !this.endsAsPromised())) return LENGTH_FAULT;
    const head = template.instantiate();
    if (isTunnel) return this.beginTunnel(head, first, end);
    if (end) this.finish(() => this.handler?.onResponseHead(head, first, true));
    else this.handler?.onResponseHead(head, first, false);
    return undefined;
  }

  /** Nothing of a body may come before the final head: it would reach the client as if it were one. */
  override receive(bytes: Buffer): boolean {
    return this.headReceived && super.receive(bytes);
  }

  override receiveEnd(trailers: HeadTemplate | undefined): boolean {
    return this.headReceived && super.receiveEnd(trailers);
  }

  /** The final head has not come: the next fields are a head, not trailers. */
  get awaitsHead(): boolean {
    return !this.headReceived;
  }

  private isBodyless(status: number): boolean {
    return this.method === 'HEAD' || status === 204 || status === 304;
  }

  private beginTunnel(head: Head, first: Buffer | undefined, end: boolean): undefined {
    this.isTunnel = true;
    if (this.upgrade !== '') {
      // HTTP/1.1 on the other side knows a successful upgrade by 101, and a WebSocket by the answer to its key.
      head.status = 101;
      if (this.websocketKey !== undefined && !head.has('sec-websocket-accept')) {
        head.add('sec-websocket-accept', acceptOf(this.websocketKey));
      }
    }
    this.handler?.onUpgraded(head);
    if (first) this.handler?.onResponseData(first, this.connection);
    if (end) this.handler?.onResponseEnd(undefined);
    return undefined;
  }

  protected deliverData(bytes: Buffer): void {
    this.handler?.onResponseData(bytes, this.connection);
  }

  protected deliverEnd(trailers: HeadTemplate | undefined): void {
    if (this.isTunnel) {
      this.handler?.onResponseEnd(trailers?.instantiate());
      if (this.localClosed) this.session.closeStream(this);
      return;
    }
    this.finish(() => this.handler?.onResponseEnd(trailers?.instantiate()));
  }

  /** The response is complete: the stream is free before the answer is passed on. */
  private finish(tell: () => void): void {
    if (this.localClosed) this.session.closeStream(this);
    // Answered before the request was complete: nobody wants the rest of it.
    else this.session.abandonStream(this, f.NO_ERROR);
    tell();
    this.handler = undefined;
  }

  pauseResponse(): void {
    this.pauseReading();
  }

  resumeResponse(): void {
    this.resumeReading();
  }

  onBroken(cause: StreamEnd): void {
    const { handler } = this;
    this.handler = undefined;
    handler?.onUpstreamReset(reasonOf(cause), '');
  }
}

function reasonOf(cause: StreamEnd): ResetReason {
  switch (cause.kind) {
    case 'remote_reset':
      if (cause.code === f.PROTOCOL_ERROR) return 'protocol error';
      return cause.code === f.REFUSED_STREAM ? 'remote refused stream reset' : 'remote reset';
    case 'local_reset':
      return cause.code === f.CANCEL ? 'local reset' : 'protocol error';
    case 'connection_failed':
      return 'protocol error';
    case 'connection_closed':
      return 'connection termination';
  }
}
