// The server's end of a connection: opens streams for requests and hands them over.

import type { Connection } from '../io/connection.ts';
import { failureDetails, malformedDetails } from './codec-details.ts';
import { exceedsLimits } from './field-reader.ts';
import * as f from './frames.ts';
import type { HeadTemplate } from './head-template.ts';
import type { HeaderBlock } from './header-assembly.ts';
import { LENGTH_FAULT, readRequest } from './message-fields.ts';
import { Http2ServerStream } from './server-stream.ts';
import { Session, type SessionOptions } from './session.ts';
import { serverSettings } from './settings.ts';

/** The connection manager behind the session. */
export interface ServerSessionHost {
  /**
   * A well-formed request. `first` is the part of the body at hand (valid during the call), `end` tells that it is all. The host sets
   * the stream's handler.
   */
  onRequest(stream: Http2ServerStream, template: HeadTemplate, first: Buffer | undefined, end: boolean): void;
  /** A request that cannot be taken; its stream is reset, or the connection fails. `details` are for the log. */
  onMalformedRequest(details: string): void;
  /** The client resets too many streams soon after it opened them; the connection fails. */
  onTooManyResets(): void;
  /** The head of a request is being received, or has been. */
  onHeadPending(isPending: boolean): void;
  /** An answer is about to be sent. */
  onAnswer(): void;
  /** No stream is open any more. */
  onIdle(): void;
  onConnectionClosed(): void;
}

export class ServerSession extends Session {
  private readonly host: ServerSessionHost;
  private lastStream = 0;
  /** Requests above it are not taken; set by GOAWAY. */
  private lastAccepted = f.MAX_STREAM_ID;

  constructor(connection: Connection, host: ServerSessionHost, options: SessionOptions) {
    const { allowConnect } = options.settings;
    super(connection, options, { isServer: true, readHead: (fields) => readRequest(fields, allowConnect) });
    this.host = host;
    this.sendPreface(serverSettings(options.settings));
    connection.handler = this;
  }

  onAnswer(): void {
    this.host.onAnswer();
  }

  /** First word of a shutdown: no new requests, but those on their way are taken (RFC 9113 6.8). */
  announceShutdown(): void {
    if (!this.over && !this.goawaySent) this.sendGoaway(f.MAX_STREAM_ID, f.NO_ERROR);
  }

  /** Last word: what came until now is answered, nothing else; then the connection ends. */
  shutDown(): void {
    if (this.over || this.lastAccepted !== f.MAX_STREAM_ID) return;
    this.lastAccepted = this.lastStream;
    this.sendGoaway(this.lastStream, f.NO_ERROR);
    if (this.streams.size === 0) this.hangUp();
  }

  /** The head of a request takes too long. */
  failSlowHead(): void {
    this.fail(f.ENHANCE_YOUR_CALM, 'slow header block');
  }

  protected get lastPeerStream(): number {
    return this.lastStream;
  }

  isIdleStream(streamId: number): boolean {
    return streamId > this.lastStream || streamId % 2 === 0;
  }

  get isServer(): boolean {
    return true;
  }

  protected get countsResets(): boolean {
    return true;
  }

  protected onHeaderBlock(block: HeaderBlock): boolean {
    const { streamId, endStream } = block;
    const open = this.streams.get(streamId);
    if (open) return this.onTrailers(open, block);
    if (streamId % 2 === 0) return this.fail(f.PROTOCOL_ERROR, 'even stream id');
    const isNew = streamId > this.lastStream;
    if (!isNew && !this.recent.wasResetByUs(streamId)) {
      return this.fail(this.recent.wasOpen(streamId) ? f.STREAM_CLOSED : f.PROTOCOL_ERROR, 'HEADERS on a closed stream');
    }
    const template = this.fields.head(block.bytes, block.start, block.end);
    if (template === undefined) {
      if (isNew) this.host.onMalformedRequest(failureDetails('header compression'));
      return this.failCompression();
    }
    // Trailers of a request that we have given up; or one that the peer knew would not be taken.
    if (!isNew) return this.calm(this.guard.onIdleFrame(), 'frames on closed streams');
    if (streamId > this.lastAccepted) return true;
    this.lastStream = streamId;
    this.guard.onStreamOpened();
    if (this.streams.size >= this.options.settings.maxConcurrentStreams) return this.refuse(streamId, endStream, f.REFUSED_STREAM);
    if (typeof template === 'string') return this.refuseMalformed(streamId, endStream, template);
    return this.open(streamId, template, endStream);
  }

  private open(streamId: number, template: HeadTemplate, endStream: boolean): boolean {
    const stream = new Http2ServerStream(this, streamId, template);
    const first = endStream || stream.isRequestWhole ? undefined : this.takeFirstData(stream);
    if (first) this.credit(stream, first.bytes.length);
    const end = endStream || (first?.end ?? false);
    if (!stream.acceptFirst(first?.bytes.length ?? 0, end)) {
      if (endStream) return this.refuseMalformed(streamId, end, LENGTH_FAULT);
      this.host.onMalformedRequest(malformedDetails(LENGTH_FAULT));
      return this.refuse(streamId, end, f.PROTOCOL_ERROR);
    }
    this.streams.add(stream);
    this.host.onRequest(stream, template, first?.bytes, stream.isRequestWhole);
    return !this.over;
  }

  /** RST_STREAM for a request that never began. It counts like any reset that the peer brought about. */
  private refuse(streamId: number, endStream: boolean, code: number): boolean {
    this.writeReset(streamId, code);
    this.recent.note(streamId, !endStream);
    return this.calm(this.guard.onStreamClosed(true), 'resets');
  }

  private refuseMalformed(streamId: number, endStream: boolean, why: string): boolean {
    this.countFault(why);
    this.host.onMalformedRequest(malformedDetails(why));
    if (exceedsLimits(why)) return this.refuse(streamId, endStream, f.INTERNAL_ERROR);
    if (this.options.settings.streamErrorOnInvalidHttpMessage) return this.refuse(streamId, endStream, f.PROTOCOL_ERROR);
    return this.fail(f.PROTOCOL_ERROR, why);
  }

  override fail(code: number, why: string): false {
    if (!this.over && why === 'too many resets') this.host.onTooManyResets();
    // A request of which not even the head is whole.
    if (!this.over && this.headers.isOpen && this.headers.block.streamId > this.lastStream) {
      this.host.onMalformedRequest(failureDetails(why));
    }
    return super.fail(code, why);
  }

  protected onBlockPending(isPending: boolean): void {
    this.host.onHeadPending(isPending);
  }

  onGoaway(): void {
    // The client opens no more streams; ours run to their end.
    if (this.streams.size === 0) this.hangUp();
  }

  onPeerSettings(): void {}

  protected onStreamRemoved(): void {}

  protected onStreamsGone(): void {
    if (this.goawayReceived || this.lastAccepted !== f.MAX_STREAM_ID) this.hangUp();
    else this.host.onIdle();
  }

  protected onSessionOver(): void {
    this.host.onConnectionClosed();
  }
}
