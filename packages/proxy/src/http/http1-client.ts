// The upstream half of HTTP/1.1: one request at a time on a connection that a pool owns.

import type { Connection, ConnectionHandler } from '../io/connection.ts';
import type { PreserveCase } from '../runtime/model.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, ChunkedDecoder } from './body-parser.ts';
import { dropLengthOfChunked, readResponseFraming, upgradeLines } from './framing.ts';
import type { Head } from './head.ts';
import { type HeadLimits, INCOMPLETE, parseResponseHead } from './head-parser.ts';
import { type CodecHead, takeResponseHead } from './head-pool.ts';
import { knownId } from './known-headers.ts';
import { writeBody, writeHead, writeLastChunk } from './message-writer.ts';
import type { ClientStream, ClientStreamHandler, RequestBody, RequestLine, ResetReason } from './stream.ts';
import { TrailerReader } from './trailer-reader.ts';

/** The pool's view of its connection. */
export interface Http1ClientHost {
  /** The exchange is over and the connection can serve another. */
  onReusable(client: Http1Client): void;
  /** The connection is gone or must not be used again. Called once. */
  onGone(client: Http1Client): void;
}

const CONTENT_LENGTH = knownId('content-length');
/** Envoy's default for answers. */
const DEFAULT_LIMITS: HeadLimits = { maxBytes: 80 * 1024, maxCount: 100 };
const MAX_INFORMATIONAL = 20;

const IDLE = 0;
const READING_HEAD = 1;
const READING_LENGTH = 2;
const READING_CHUNKED = 3;
const READING_TRAILERS = 4;
const READING_UNTIL_CLOSE = 5;
const TUNNEL = 6;
const GONE = 7;

export class Http1Client implements ConnectionHandler, ClientStream {
  readonly protocol = 'HTTP/1.1';
  connection!: Connection;
  private readonly host: Http1ClientHost;
  /** Of a response that has begun; it belongs to the handler once it was handed over. */
  private heldHead: CodecHead | undefined;
  private trailers: TrailerReader | undefined;
  private keepAlive = true;
  /** Of its end, for statistics: who closed it, whether that broke off a request, whether the host broke the protocol. */
  endedByPeer = false;
  brokeOff = false;
  isFaulty = false;
  wasToldToClose = false;
  private readonly chunks = new ChunkedDecoder();
  private state = IDLE;
  private handler: ClientStreamHandler | undefined;
  private method = '';
  private remaining = 0;
  private partial = 0;
  private informational = 0;
  private requestDone = false;
  private chunkedRequest = false;
  private upgrading = false;
  /** As Envoy, off: trailers are dropped both ways. */
  protected passesTrailers = false;
  protected properCase = false;
  protected preserveCase: PreserveCase | undefined;
  protected allowChunkedLength = false;
  protected sendFullyQualifiedUrl = false;
  /** Of the heads of answers. */
  protected limits: HeadLimits = DEFAULT_LIMITS;
  /** Requests begun on this connection. */
  requests = 0;
  /** Anything of the current response has arrived. */
  responseStarted = false;

  constructor(host: Http1ClientHost) {
    this.host = host;
  }

  get isReused(): boolean {
    return this.requests > 1;
  }

  /** Takes the connection for one exchange. */
  attach(handler: ClientStreamHandler): void {
    this.handler = handler;
    this.requests++;
    this.state = READING_HEAD;
    this.requestDone = false;
    this.responseStarted = false;
    this.informational = 0;
    this.partial = 0;
  }

  sendHead(line: RequestLine, head: Head, upgrade: string, body: RequestBody): void {
    this.method = line.method;
    this.upgrading = upgrade !== '';
    const { first, end } = body;
    const isConnect = line.method === 'CONNECT';
    const unframed = isConnect || body.tunnel === true;
    let extra = this.upgrading ? upgradeLines(head, upgrade) : '';
    this.chunkedRequest = false;
    if (!(end && first === undefined) && !unframed && !head.hasKnown(CONTENT_LENGTH, 'content-length')) {
      extra += 'transfer-encoding: chunked\r\n';
      this.chunkedRequest = true;
    } else if (end && first === undefined && !BODYLESS.has(line.method) && !head.hasKnown(CONTENT_LENGTH, 'content-length')) {
      extra += 'content-length: 0\r\n';
    }
    this.requestDone = end;
    writeHead(
      this.connection,
      {
        startLine: line.method,
        target: isConnect ? (head.value('host') ?? '') : this.sendFullyQualifiedUrl ? urlOf(line, head) : line.path,
        head,
        extraLines: extra,
        first,
        chunked: this.chunkedRequest,
        properCase: this.properCase,
        end,
      },
      undefined,
    );
  }

  sendData(bytes: Buffer, source: Connection | undefined): boolean {
    return writeBody(this.connection, bytes, { chunked: this.chunkedRequest, source });
  }

  sendEnd(trailers: Head | undefined): void {
    this.requestDone = true;
    if (this.state === TUNNEL) this.connection.end();
    else if (this.chunkedRequest) writeLastChunk(this.connection, this.passesTrailers ? trailers : undefined);
    // The response may have come first.
    if (this.state === IDLE) this.release(true);
  }

  cancel(): void {
    this.handler = undefined;
    this.brokeOff = true;
    this.abandon();
  }

  pauseResponse(): void {
    // Once the answer is complete, the connection serves others.
    if (this.handler) this.connection.pause();
  }

  resumeResponse(): void {
    this.connection.resume();
  }

  onData(bytes: Buffer): void {
    let at = 0;
    this.responseStarted = true;
    while (at < bytes.length) {
      switch (this.state) {
        case READING_HEAD:
          at = this.readHead(bytes, at);
          break;
        case READING_LENGTH:
          at = this.readLength(bytes, at);
          break;
        case READING_CHUNKED:
          at = this.readChunks(bytes, at);
          break;
        case READING_TRAILERS:
          at = this.readTrailers(bytes, at);
          break;
        case READING_UNTIL_CLOSE:
        case TUNNEL:
          this.handler?.onResponseData(at === 0 ? bytes : bytes.subarray(at), this.connection);
          return;
        default:
          // Bytes that nobody asked for: the connection is out of step.
          this.abandon();
          return;
      }
    }
  }

  private get head(): CodecHead {
    this.heldHead ??= takeResponseHead(this.limits.maxCount, this.preserveCase);
    return this.heldHead;
  }

  private readHead(bytes: Buffer, from: number): number {
    const { head } = this;
    let at = from;
    let size: number;
    if (this.partial === 0) {
      const known = head.memory.repeat(head, bytes, at);
      if (known > 0 && !DECIDING.has(this.method)) return this.beginFramed(bytes, at + known);
      head.memory.keep(bytes, at);
      size = parseResponseHead(head, bytes, at, bytes.length, this.limits);
      if (size > 0) {
        head.adopt(bytes, at, size);
        return this.begin(bytes, at + size);
      }
      if (size < 0) return this.fail('protocol error', '', bytes.length);
    }
    const before = this.partial;
    head.memory.forget();
    head.grow(before + bytes.length - at);
    bytes.copy(head.bytes, before, at);
    this.partial += bytes.length - at;
    if (before > 0) head.memory.letters?.append(bytes, at);
    if (before > 0 && bytes.indexOf(10, at) < 0 && this.partial <= this.limits.maxBytes) return bytes.length;
    size = parseResponseHead(head, head.bytes, 0, this.partial, this.limits);
    if (size === INCOMPLETE) return bytes.length;
    if (size < 0) return this.fail('protocol error', '', bytes.length);
    at += size - before;
    this.partial = 0;
    head.size = size;
    return this.begin(bytes, at);
  }

  private begin(bytes: Buffer, from: number): number {
    const { head } = this;
    if (head.status < 200) return this.beginInformational(bytes, from);
    const { framing } = head.memory;
    const hadBoth = this.allowChunkedLength && dropLengthOfChunked(head);
    if (readResponseFraming(framing, head, this.method)) return this.fail('protocol error', '', bytes.length);
    if (hadBoth) framing.keepAlive = false;
    if (!DECIDING.has(this.method)) head.memory.settle(head);
    return this.beginFramed(bytes, from);
  }

  private beginFramed(bytes: Buffer, from: number): number {
    const { head, handler } = this;
    const { framing } = head.memory;
    let at = from;
    if (this.method === 'CONNECT' && head.status < 300) return this.beginTunnel(at);
    this.heldHead = undefined;
    // Who asked for a tunnel may have begun to speak, and the host may have begun to listen: nothing else goes over this connection.
    this.keepAlive = framing.keepAlive && !this.upgrading && this.method !== 'CONNECT';
    let first: Buffer | undefined;
    let end = false;
    switch (framing.body) {
      case BODY_NONE:
        end = true;
        break;
      case BODY_LENGTH: {
        const take = Math.min(framing.length, bytes.length - at);
        if (take > 0) first = bytes.subarray(at, at + take);
        at += take;
        this.remaining = framing.length - take;
        end = this.remaining === 0;
        this.state = READING_LENGTH;
        break;
      }
      case BODY_CHUNKED:
        this.chunks.reset();
        this.state = READING_CHUNKED;
        if (at < bytes.length) {
          at = this.chunks.next(bytes, at, bytes.length);
          if (at < 0) return this.fail('protocol error', '', bytes.length);
          if (this.chunks.dataEnd > this.chunks.dataStart) {
            first = bytes.subarray(this.chunks.dataStart, this.chunks.dataEnd);
            // The usual short answer: one chunk, the last chunk, no trailers, all in one read.
            if (bytes.length - at === 7 && bytes.toString('latin1', at) === '\r\n0\r\n\r\n') {
              end = true;
              at = bytes.length;
            }
          }
        }
        break;
      default:
        this.state = READING_UNTIL_CLOSE;
        if (at < bytes.length) first = bytes.subarray(at);
        at = bytes.length;
    }
    if (end) {
      // The connection is free before the answer is passed on: a pipelined request that follows at once shall find it.
      this.state = IDLE;
      this.finish(at === bytes.length && this.keepAlive);
      handler?.onResponseHead(head, first, true);
      return bytes.length;
    }
    handler?.onResponseHead(head, first, false);
    if (this.state === READING_CHUNKED && this.chunks.atTrailers) this.state = READING_TRAILERS;
    return at;
  }

  private beginInformational(bytes: Buffer, at: number): number {
    const { head, handler } = this;
    const isRefused = head.status === 101 ? !this.upgrading : ++this.informational > MAX_INFORMATIONAL;
    if (isRefused || readResponseFraming(head.memory.framing, head, this.method)) return this.fail('protocol error', '', bytes.length);
    if (head.status === 101) return this.beginTunnel(at);
    handler?.onInformational(head);
    return at;
  }

  private beginTunnel(at: number): number {
    const { head, handler } = this;
    this.heldHead = undefined;
    this.keepAlive = false;
    // Whatever framed the request's body: from here on bytes are bytes.
    this.chunkedRequest = false;
    this.state = TUNNEL;
    handler?.onUpgraded(head);
    return at;
  }

  private readLength(bytes: Buffer, at: number): number {
    const take = Math.min(this.remaining, bytes.length - at);
    this.remaining -= take;
    this.handler?.onResponseData(take === bytes.length ? bytes : bytes.subarray(at, at + take), this.connection);
    if (this.remaining === 0 && this.state === READING_LENGTH) {
      const reusable = at + take === bytes.length;
      this.complete(undefined, reusable);
      return bytes.length;
    }
    return at + take;
  }

  private readChunks(bytes: Buffer, from: number): number {
    const at = this.chunks.next(bytes, from, bytes.length);
    if (at < 0) return this.fail('protocol error', '', bytes.length);
    if (this.chunks.dataEnd > this.chunks.dataStart) {
      this.handler?.onResponseData(bytes.subarray(this.chunks.dataStart, this.chunks.dataEnd), this.connection);
    }
    if (this.state === READING_CHUNKED && this.chunks.atTrailers) this.state = READING_TRAILERS;
    return at;
  }

  private readTrailers(bytes: Buffer, at: number): number {
    this.trailers ??= new TrailerReader(this.limits);
    const next = this.trailers.read(bytes, at);
    if (next === INCOMPLETE) return bytes.length;
    if (next < 0) return this.fail('protocol error', '', bytes.length);
    this.complete(this.passesTrailers ? this.trailers.fields : undefined, next === bytes.length);
    return bytes.length;
  }

  private complete(trailers: Head | undefined, inStep: boolean): void {
    const { handler } = this;
    this.state = IDLE;
    this.finish(inStep && this.keepAlive);
    handler?.onResponseEnd(trailers);
  }

  /** The response is complete; the connection is free once the request is, too. */
  private finish(reusable: boolean): void {
    this.handler = undefined;
    this.connection.resume();
    this.release(reusable && this.requestDone);
  }

  private release(reusable: boolean): void {
    if (reusable) return this.host.onReusable(this);
    this.wasToldToClose = !this.keepAlive;
    this.abandon();
  }

  private fail(reason: ResetReason, detail: string, consumed: number): number {
    const { handler } = this;
    this.handler = undefined;
    this.brokeOff = true;
    this.isFaulty = reason === 'protocol error';
    this.abandon();
    handler?.onUpstreamReset(reason, detail);
    return consumed;
  }

  /** Closes the connection; the pool forgets it. */
  abandon(): void {
    if (this.state === GONE) return;
    this.state = GONE;
    this.host.onGone(this);
    this.connection.destroy();
  }

  onEnd(): void {
    const { state, handler } = this;
    if (state === GONE) return;
    this.endedByPeer = true;
    if (state === READING_UNTIL_CLOSE) {
      this.state = IDLE;
      this.handler = undefined;
      handler?.onResponseEnd(undefined);
      this.abandon();
    } else if (state === TUNNEL) handler?.onResponseEnd(undefined);
    else if (state === IDLE) this.abandon();
    else this.fail(this.reasonOfEnd, '', 0);
  }

  /** As Envoy: a message that ends before its time is broken, not merely missing. */
  private get reasonOfEnd(): ResetReason {
    const { state, partial } = this;
    const isInMessage = state === READING_HEAD ? partial > 0 : state !== TUNNEL && state !== READING_UNTIL_CLOSE;
    return this.responseStarted && isInMessage ? 'protocol error' : 'connection termination';
  }

  onDrain(): void {
    this.handler?.onRequestDrain();
  }

  onClose(): void {
    if (this.state === GONE) return;
    const { handler, state, reasonOfEnd } = this;
    this.handler = undefined;
    this.state = GONE;
    this.endedByPeer = true;
    this.brokeOff = state !== IDLE;
    this.host.onGone(this);
    if (state !== IDLE) handler?.onUpstreamReset(reasonOfEnd, '');
  }
}

const urlOf = ({ scheme = 'http', path }: RequestLine, head: Head): string => `${scheme}://${head.value('host') ?? ''}${path}`;

// The body of a response to these depends on the method, too.
const DECIDING = new Set(['HEAD', 'CONNECT']);

// Requests of all other methods say it when they have no body (RFC 9110 8.6).
const BODYLESS = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);
