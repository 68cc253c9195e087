// The downstream half of HTTP/1.1: bytes to requests, one at a time, and answers back to bytes. Pipelined requests wait until the
// one before them is answered.

import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { BODY_LENGTH, BODY_NONE, ChunkedDecoder } from './body-parser.ts';
import { CR, equalsAscii, LF, TOKEN_LOWER } from './bytes.ts';
import { dropLengthOfChunked, readRequestFraming, upgradeLines } from './framing.ts';
import type { Head } from './head.ts';
import { faultOf, type HeadFault, INCOMPLETE, parseRequestHead } from './head-parser.ts';
import { type CodecHead, recycleRequestHead, takeRequestHead } from './head-pool.ts';
import { HeldBytes } from './held-bytes.ts';
import type { Http1ServerHost, Http1ServerOptions } from './http1-server-host.ts';
import { knownId } from './known-headers.ts';
import { writeBody, writeHead, writeLastChunk } from './message-writer.ts';
import { oldStatusLine, statusLine } from './status-lines.ts';
import type { ServerStream, ServerStreamHandler } from './stream.ts';
import { TrailerReader } from './trailer-reader.ts';

const CONTENT_LENGTH = knownId('content-length');
// RFC 9110 9.3.6: it has no meaning, so peers would disagree on what it is.
const BODY_OF_CONNECT: HeadFault = { status: 400, details: 'http1.body_disallowed' };

/** RFC 9112 2.2: empty lines before a request line are ignored, "at least one". */
const MAX_EMPTY_LINE_BYTES = 2 * 16;

/** Answers that may wait for a client to read them before its next request is looked at. More than any connection's mark for `onDrain`. */
const MAX_UNREAD_BYTES = 256 * 1024;

const READING_HEAD = 0;
const READING_LENGTH = 1;
const READING_CHUNKED = 2;
const READING_TRAILERS = 3;
/** The request is complete and its answer is not. */
const WAITING = 4;
const TUNNEL = 5;
/** Nothing that arrives matters any more. */
const DISCARDING = 6;
/** The client does not read its answers: no further request until it does. */
const UNREAD = 7;

export class Http1Server implements ConnectionHandler, ServerStream {
  readonly connection: Connection;
  private readonly options: Http1ServerOptions;
  private readonly host: Http1ServerHost;
  /** Of the request that is being read or answered; undefined while there is none. */
  private heldHead: CodecHead | undefined;
  private readonly chunks = new ChunkedDecoder();
  private trailers: TrailerReader | undefined;
  private state = READING_HEAD;
  private remaining = 0;
  /** Partial head bytes in `head.bytes`. */
  private partial = 0;
  private readonly held: HeldBytes;
  private emptyLineBytes = 0;
  private request: ServerStreamHandler | undefined;
  private requestDone = false;
  private responseDone = false;
  private responseStarted = false;
  private chunkedResponse = false;
  private closing = false;
  private isLastRequest = false;
  private consuming = false;
  private peerEnded = false;
  /** Of the connection's end, for statistics: who closed it first, and whether that broke off a request. */
  endedByPeer = false;
  brokeOff = false;

  constructor(connection: Connection, host: Http1ServerHost, options: Http1ServerOptions) {
    this.connection = connection;
    this.host = host;
    this.options = options;
    this.held = new HeldBytes(connection);
    connection.handler = this;
  }

  private get head(): CodecHead {
    this.heldHead ??= takeRequestHead(this.options.limits.maxCount, this.options.preserveCase);
    return this.heldHead;
  }

  get isIdle(): boolean {
    return this.request === undefined && this.partial === 0;
  }

  // --- bytes from the client

  onData(bytes: Buffer): void {
    if (this.state === WAITING || this.state === UNREAD || this.consuming) return this.held.add(bytes, false);
    this.consume(bytes, false);
  }

  /** `isOurs`: the bytes last. */
  private consume(bytes: Buffer, isOurs: boolean): void {
    let at = 0;
    this.consuming = true;
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
        case TUNNEL:
          this.request?.onRequestData(at === 0 ? bytes : bytes.subarray(at), this.connection);
          at = bytes.length;
          break;
        case WAITING:
        case UNREAD:
          this.held.add(bytes.subarray(at), isOurs);
          at = bytes.length;
          break;
        default:
          at = bytes.length;
      }
    }
    this.consuming = false;
  }

  private readHead(bytes: Buffer, from: number): number {
    let at = from;
    if (this.partial === 0) {
      const byte = bytes[at] as number;
      if ((byte === CR || byte === LF) && this.skipsEmptyLine(byte)) return at + 1;
      if (TOKEN_LOWER[byte] === 0 || (this.emptyLineBytes & 1) === 1) return this.refuseUnread(faultOf(-1), bytes.length);
      const { head } = this;
      const { limits } = this.options;
      const known = head.memory.repeat(head, bytes, at);
      if (known > 0 && known <= limits.maxBytes) return this.beginFramed(bytes, at + known);
      head.memory.keep(bytes, at);
      const size = parseRequestHead(head, bytes, at, bytes.length, limits);
      if (size > 0) {
        head.adopt(bytes, at, size);
        return this.begin(bytes, at + size);
      }
      if (size < 0) return this.refuseUnread(faultOf(size), bytes.length);
      this.host.onHeadStarted();
    }
    const { head } = this;
    head.memory.forget();
    head.grow(this.partial + bytes.length - at);
    bytes.copy(head.bytes, this.partial, at);
    const before = this.partial;
    this.partial += bytes.length - at;
    if (before > 0) head.memory.letters?.append(bytes, at);
    // Lines make progress; parsing again for each byte would be quadratic.
    if (before > 0 && bytes.indexOf(10, at) < 0 && this.partial <= this.options.limits.maxBytes) return bytes.length;
    const size = parseRequestHead(head, head.bytes, 0, this.partial, this.options.limits);
    if (size === INCOMPLETE) return bytes.length;
    if (size < 0) return this.refuseUnread(faultOf(size), bytes.length);
    at += size - before;
    this.partial = 0;
    head.size = size;
    return this.begin(bytes, at);
  }

  private skipsEmptyLine(byte: number): boolean {
    if (byte !== ((this.emptyLineBytes & 1) === 0 ? CR : LF) || this.emptyLineBytes === MAX_EMPTY_LINE_BYTES) return false;
    this.emptyLineBytes++;
    return true;
  }

  private begin(bytes: Buffer, at: number): number {
    const { head } = this;
    const { framing } = head.memory;
    const hadBoth = this.options.allowChunkedLength && dropLengthOfChunked(head);
    const fault = readRequestFraming(framing, head);
    if (fault) return this.refuse(fault, bytes.length);
    if (hadBoth) framing.keepAlive = false;
    head.memory.settle(head);
    return this.beginFramed(bytes, at);
  }

  private beginFramed(bytes: Buffer, at: number): number {
    const { framing } = this.head.memory;
    this.emptyLineBytes = 0;
    this.requestDone = false;
    this.responseDone = false;
    this.responseStarted = false;
    this.closing = this.isLastRequest || !framing.keepAlive;
    if (framing.body !== BODY_NONE && this.isConnect) return this.refuse(BODY_OF_CONNECT, bytes.length);
    if (framing.body === BODY_NONE) {
      this.requestDone = true;
      this.state = WAITING;
      this.accept(undefined, true);
      return at;
    }
    if (framing.body === BODY_LENGTH) {
      const take = Math.min(framing.length, bytes.length - at);
      this.remaining = framing.length - take;
      const end = this.remaining === 0;
      this.requestDone = end;
      this.state = end ? WAITING : READING_LENGTH;
      this.accept(take === 0 ? undefined : bytes.subarray(at, at + take), end);
      return at + take;
    }
    this.chunks.reset();
    this.state = READING_CHUNKED;
    this.accept(undefined, false);
    return at;
  }

  private accept(first: Buffer | undefined, end: boolean): void {
    const { head } = this;
    const handler = this.host.onRequest(head, head.memory.framing, first, end);
    // The answer may be complete before we learn whose it was.
    this.request = handler;
    this.completeIfDone();
  }

  private readLength(bytes: Buffer, at: number): number {
    const take = Math.min(this.remaining, bytes.length - at);
    this.remaining -= take;
    const piece = take === bytes.length ? bytes : bytes.subarray(at, at + take);
    const last = this.remaining === 0;
    if (last) this.requestDone = true;
    this.request?.onRequestData(piece, this.connection);
    if (last && this.state === READING_LENGTH) this.endRequest(undefined);
    return at + take;
  }

  private readChunks(bytes: Buffer, from: number): number {
    const at = this.chunks.next(bytes, from, bytes.length);
    if (at < 0) return this.breakOff('http1.invalid_chunk', bytes.length);
    if (this.chunks.dataEnd > this.chunks.dataStart) {
      this.request?.onRequestData(bytes.subarray(this.chunks.dataStart, this.chunks.dataEnd), this.connection);
    }
    if (this.state === READING_CHUNKED && this.chunks.atTrailers) this.state = READING_TRAILERS;
    return at;
  }

  private readTrailers(bytes: Buffer, at: number): number {
    this.trailers ??= new TrailerReader(this.options.limits);
    const next = this.trailers.read(bytes, at);
    if (next === INCOMPLETE) return bytes.length;
    if (next < 0) {
      const { status, details } = faultOf(next);
      return this.breakOff(status === 431 ? details : 'http1.invalid_trailers', bytes.length);
    }
    this.requestDone = true;
    this.endRequest(this.options.trailers ? this.trailers.fields : undefined);
    return next;
  }

  private endRequest(trailers: Head | undefined): void {
    this.state = WAITING;
    this.request?.onRequestEnd(trailers);
    // Whoever paused a request that has ended may never say that it can go on, and the next one comes the same way.
    this.resumeRequest();
    this.completeIfDone();
  }

  /** As `refuse`, when the head object does not hold this request: it may still hold another one's bytes. */
  private refuseUnread(fault: HeadFault, consumed: number): number {
    this.head.reset();
    return this.refuse(fault, consumed);
  }

  /** Answers a request that never became one, and closes. */
  private refuse(fault: HeadFault, consumed: number): number {
    this.state = DISCARDING;
    this.closing = true;
    const { status, body, lines } = this.host.onMalformedRequest(this.head, fault);
    const text = `${statusLine(status)}${lines}content-length: ${body.length}\r\nconnection: close\r\n\r\n`;
    this.connection.write(Buffer.concat([Buffer.from(text, 'latin1'), body]));
    this.hangUp();
    return consumed;
  }

  /** The head takes too long. */
  refuseSlowHead(fault: HeadFault): void {
    if (this.state === READING_HEAD) this.refuseUnread(fault, 0);
  }

  /** Takes a half-closed client for gone, unless its answer has begun. */
  giveUpHalfClosed(): void {
    const { request } = this;
    if (!request || this.responseStarted) return;
    this.state = DISCARDING;
    this.request = undefined;
    this.brokeOff = true;
    request.onDownstreamReset('downstream_remote_disconnect');
    this.connection.destroy();
  }

  /** The body of a request under way is broken. */
  private breakOff(details: string, consumed: number): number {
    this.state = DISCARDING;
    this.closing = true;
    this.request?.onDownstreamReset(details);
    return consumed;
  }

  onEnd(): void {
    this.peerEnded = true;
    if (this.state !== DISCARDING) this.endedByPeer = true;
    if (this.state === TUNNEL) {
      this.requestDone = true;
      this.request?.onRequestEnd(undefined);
      return;
    }
    this.closing = true;
    if (this.request === undefined) {
      if (this.partial > 0) this.brokeOff = true;
      this.hangUp();
    } else if (!this.requestDone) {
      this.state = DISCARDING;
      this.brokeOff = true;
      this.request.onDownstreamReset('downstream_remote_disconnect');
      this.connection.destroy();
    }
    // A complete request whose client half-closed is still answered; a client that left looks the same.
    else this.host.onHalfClosed();
  }

  onDrain(): void {
    this.request?.onResponseDrain();
    if (this.state !== UNREAD) return;
    this.state = READING_HEAD;
    this.releaseHeld();
  }

  onClose(error: string | undefined): void {
    if (error !== undefined && this.state !== DISCARDING) this.endedByPeer = true;
    this.state = DISCARDING;
    const { request } = this;
    this.request = undefined;
    if (request) this.brokeOff = true;
    this.held.drop();
    request?.onDownstreamReset('downstream_remote_disconnect');
    this.host.onConnectionClosed();
  }

  // --- the answer

  sendHead(head: Head, first: Buffer | undefined, end: boolean): void {
    const { status } = head;
    this.responseStarted = true;
    const bodyless = end && first === undefined;
    const hasLength = head.hasKnown(CONTENT_LENGTH, 'content-length');
    let extra = '';
    this.chunkedResponse = false;
    if (status >= 200 && status < 300 && !end && first === undefined && this.isConnect) {
      // The tunnel begins behind the head.
      head.removeKnown(CONTENT_LENGTH, 'content-length');
    } else if (status === 101) {
      extra = upgradeLines(head, this.head.memory.framing.upgrade);
    } else {
      // As Envoy: whoever is answered before the end of the request may never send that end, and is told now or never.
      this.closing ||= !this.requestDone;
      if (!hasLength && !isBodyForbidden(status)) {
        // As Envoy: an answer to HEAD says how the body would come.
        const { isHead } = this;
        if (bodyless && !isHead) extra = 'content-length: 0\r\n';
        else if (this.head.version >= 11) {
          extra = 'transfer-encoding: chunked\r\n';
          this.chunkedResponse = !isHead;
        } else this.closing ||= !isHead;
      }
      if (this.closing) extra += 'connection: close\r\n';
      else if (this.head.version < 11) extra += 'connection: keep-alive\r\n';
    }
    writeHead(
      this.connection,
      {
        startLine: this.head.version < 11 && this.options.acceptsHttp10 ? oldStatusLine(status) : statusLine(status),
        target: undefined,
        head,
        extraLines: extra,
        first,
        chunked: this.chunkedResponse,
        properCase: this.options.properCase,
        end,
      },
      undefined,
    );
    if (end) this.endResponse();
  }

  private get isConnect(): boolean {
    const { head } = this;
    return head.methodEnd === 7 && equalsAscii(head.bytes, 0, 7, 'CONNECT');
  }

  private get isHead(): boolean {
    return equalsAscii(this.head.bytes, 0, this.head.methodEnd, 'HEAD');
  }

  sendInformational(status: number, head: Head | undefined): void {
    if (this.head.version < 11) return;
    let text = statusLine(status);
    head?.forEach((name, value) => {
      text += `${name}: ${value}\r\n`;
    });
    this.connection.write(Buffer.from(`${text}\r\n`, 'latin1'));
  }

  sendData(bytes: Buffer, source: Connection | undefined): boolean {
    return writeBody(this.connection, bytes, { chunked: this.chunkedResponse, source });
  }

  sendEnd(trailers: Head | undefined): void {
    if (this.state === TUNNEL) {
      this.connection.end();
      this.endResponse();
      return;
    }
    // As Envoy: HTTP/1.1 trailers pass only where they are enabled.
    if (this.chunkedResponse) writeLastChunk(this.connection, this.options.trailers ? trailers : undefined);
    this.endResponse();
  }

  startTunnel(): void {
    this.state = TUNNEL;
    this.requestDone = false;
    this.closing = true;
    this.releaseHeld();
    if (this.peerEnded) this.onEnd();
  }

  reset(): void {
    // Length and chunks show by themselves that the answer was cut, and what came of it is the client's, however slowly it reads.
    const isFramed = this.responseStarted && this.state !== TUNNEL && this.head.version >= 11;
    this.state = DISCARDING;
    this.request = undefined;
    if (isFramed) this.hangUp();
    else this.connection.reset();
  }

  closeAfterResponse(): void {
    this.isLastRequest = true;
    this.closing = true;
  }

  pauseRequest(): void {
    this.connection.pause();
  }

  resumeRequest(): void {
    if (!this.held.isPausing) this.connection.resume();
  }

  private endResponse(): void {
    this.responseDone = true;
    if (!this.requestDone && this.state !== TUNNEL) {
      // An answer before the request was complete: the rest of the request is of no use to anybody.
      this.requestDone = true;
      this.closing = true;
      this.state = DISCARDING;
    }
    this.completeIfDone();
  }

  private completeIfDone(): void {
    const { request } = this;
    if (!request || !this.responseDone || !this.requestDone) return;
    this.request = undefined;
    request.onComplete();
    if (this.closing) {
      this.hangUp();
      return;
    }
    this.responseDone = false;
    this.state = this.connection.queuedBytes < MAX_UNREAD_BYTES ? READING_HEAD : UNREAD;
    if (this.heldHead) recycleRequestHead(this.heldHead);
    this.heldHead = undefined;
    this.host.onIdle();
    if (!this.consuming) this.releaseHeld();
  }

  private hangUp(): void {
    this.state = DISCARDING;
    this.held.drop();
    this.connection.end();
    // A client that still writes reads our answer afterwards.
    this.connection.resume();
    this.host.onClosing();
  }

  private releaseHeld(): void {
    while (this.state !== WAITING && this.state !== UNREAD && !this.consuming) {
      const held = this.held.take();
      if (!held) return;
      this.consume(held, true);
    }
  }
}

const isBodyForbidden = (status: number): boolean => status === 204 || status === 304 || status < 200;
