// The client's end of a connection: opens streams for requests of ours and matches what comes to them.

import type { Connection } from '../io/connection.ts';
import type { BreakerState } from '../upstream/circuit-breaker.ts';
import { Http2ClientStream } from './client-stream.ts';
import * as f from './frames.ts';
import type { HeaderBlock } from './header-assembly.ts';
import { LENGTH_FAULT, readResponse } from './message-fields.ts';
import { Session, type SessionOptions } from './session.ts';
import { clientSettings } from './settings.ts';
import type { Http2Stream } from './stream.ts';

/** The pool behind the session. */
export interface ClientSessionHost {
  /** A stream has ended, or the peer allows more of them. */
  onStreamFree(session: ClientSession, stream: Http2ClientStream | undefined): void;
  /** No new stream can be opened; those that are open may go on. */
  onRetired(session: ClientSession): void;
  /** Last call. */
  onGone(session: ClientSession): void;
}

export class ClientSession extends Session {
  private readonly host: ClientSessionHost;
  private nextStream = 1;
  private retired = false;
  /** Requests begun on this connection. */
  requests = 0;

  constructor(connection: Connection, host: ClientSessionHost, options: SessionOptions) {
    super(connection, options, { isServer: false, readHead: readResponse });
    this.host = host;
    const { output } = this.writer;
    output.reserve(f.PREFACE.length);
    output.length += f.PREFACE.copy(output.bytes, output.length);
    this.sendPreface(clientSettings(options.settings));
    connection.handler = this;
  }

  /** How many streams may be opened now. */
  get room(): number {
    if (this.over || this.retired) return 0;
    return Math.min(this.peerMaxStreams, this.options.settings.maxConcurrentStreams) - this.streams.size;
  }

  /** `breaker`: what the request is counted under. */
  open(breaker: BreakerState): Http2ClientStream {
    this.keepalive?.probe(this.options.services.monotonicMs() - this.readMs);
    const stream = new Http2ClientStream(this, this.nextStream, breaker);
    this.nextStream += 2;
    this.requests++;
    this.guard.onStreamOpened();
    this.streams.add(stream);
    if (this.nextStream > f.MAX_STREAM_ID) this.retire();
    return stream;
  }

  /** No new streams; the connection ends with those it has. */
  retire(): void {
    if (this.over || this.retired) return;
    this.retired = true;
    this.host.onRetired(this);
    if (this.streams.size === 0) this.leave();
  }

  private leave(): void {
    if (this.over) return;
    if (!this.goawaySent) this.sendGoaway(0, f.NO_ERROR);
    this.hangUp();
  }

  protected get lastPeerStream(): number {
    return 0;
  }

  isIdleStream(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.nextStream;
  }

  get isServer(): boolean {
    return false;
  }

  protected get countsResets(): boolean {
    return false;
  }

  protected onHeaderBlock(block: HeaderBlock): boolean {
    const { streamId, endStream, bytes, start, end } = block;
    const stream = this.streams.get(streamId) as Http2ClientStream | undefined;
    if (!stream) return this.onStrayBlock(block);
    if (!stream.awaitsHead || stream.remoteClosed) return this.onTrailers(stream, block);
    const template = this.fields.head(bytes, start, end);
    if (template === undefined) return this.failCompression();
    if (typeof template === 'string') return this.malformed(stream, template);
    const first = endStream || template.status < 200 ? undefined : this.takeFirstData(stream);
    if (first) this.credit(stream, first.bytes.length);
    const fault = stream.receiveHead(template, first?.bytes, endStream || (first?.end ?? false));
    if (fault === undefined) return !this.over;
    return fault === LENGTH_FAULT && !endStream ? this.resetStream(stream, f.PROTOCOL_ERROR, fault) : this.malformed(stream, fault);
  }

  /** Of a stream that we gave up: decoded, because the table must keep in step, and dropped. */
  private onStrayBlock({ streamId, bytes, start, end }: HeaderBlock): boolean {
    if (this.isIdleStream(streamId)) return this.fail(f.PROTOCOL_ERROR, 'HEADERS on an idle stream');
    if (this.fields.head(bytes, start, end) === undefined) return this.failCompression();
    return this.calm(this.guard.onIdleFrame(), 'frames on closed streams');
  }

  protected onBlockPending(): void {}

  onGoaway(lastStreamId: number): void {
    this.retired = true;
    this.wasToldToClose = true;
    this.host.onRetired(this);
    // The peer says that it has not looked at these: they may be sent again elsewhere.
    for (const stream of this.streams.all()) if (stream.id > lastStreamId) this.dropRefused(stream);
    if (this.streams.size === 0) this.leave();
  }

  onPeerSettings(): void {
    this.host.onStreamFree(this, undefined);
  }

  protected onStreamRemoved(stream: Http2Stream): void {
    this.host.onStreamFree(this, stream as Http2ClientStream);
  }

  protected onStreamsGone(): void {
    if (this.retired) this.leave();
  }

  protected onSessionOver(): void {
    this.retired = true;
    this.host.onGone(this);
  }
}
