// One HTTP/2 connection, whichever end of it we are: reads frames, keeps windows and streams, answers what the protocol answers by
// itself, and ends the connection when the peer breaks the rules or wears us out (RFC 9113).

import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import type { Http2Settings } from '../runtime/model.ts';
import { ControlFrames, type ControlledSession } from './control-frames.ts';
import { exceedsLimits, FIELDS_TOO_MANY, FieldReader, type FieldsToMessage } from './field-reader.ts';
import { EARLY_RESET_MS, FloodGuard } from './flood-guard.ts';
import { type FrameHandler, type FrameHead, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import * as f from './frames.ts';
import { HeaderAssembly, type HeaderBlock } from './header-assembly.ts';
import type { FieldLimits } from './hpack/decoder.ts';
import type { Http2Event } from './http2-stats.ts';
import { Keepalive } from './keepalive.ts';
import { LENGTH_FAULT } from './message-fields.ts';
import { RecentStreams } from './recent-streams.ts';
import { SendStalls } from './send-stalls.ts';
import type { Http2Stream, StreamEnd } from './stream.ts';
import { StreamTable } from './stream-table.ts';

export type SessionServices = {
  readonly timeouts: Timeouts;
  readonly monotonicMs: () => number;
  readonly random: () => number;
};

export type SessionOptions = {
  readonly count: (event: Http2Event) => void;
  readonly settings: Http2Settings;
  readonly fieldLimits: FieldLimits;
  /** How long a peer that must hang up may take. */
  readonly lingerMs: number;
  /** A stream whose peer takes nothing for so long is reset; 0 = never. */
  readonly sendStallMs: number;
  readonly services: SessionServices;
};

const PING_DATA = Buffer.from('lateenka', 'latin1');
const TOO_MANY_CONTROL_FRAMES = 'too many control frames in the outbound queue.';
const TOO_MANY_FRAMES = 'too many frames in the outbound queue.';
const FLOODS: Readonly<Record<string, Http2Event>> = {
  'too many empty frames': 'inbound_empty_frames_flood',
  'too many PRIORITY frames': 'inbound_priority_frames_flood',
  'too many WINDOW_UPDATE frames': 'inbound_window_update_frames_flood',
  [TOO_MANY_CONTROL_FRAMES]: 'outbound_control_flood',
  [TOO_MANY_FRAMES]: 'outbound_flood',
};
const CLOSED: StreamEnd = { kind: 'connection_closed' };

export abstract class Session implements ConnectionHandler, FrameHandler, ControlledSession {
  readonly connection: Connection;
  readonly options: SessionOptions;
  readonly writer: FrameWriter;
  readonly streams = new StreamTable<Http2Stream>();
  /** Of streams opened from now on. */
  initialRecvWindow: number;
  /** When the bytes at hand were read: one look at the clock serves all their frames. */
  readMs: number;
  readonly fields: FieldReader;
  readonly guard: FloodGuard;
  protected readonly recent = new RecentStreams();
  readonly keepalive: Keepalive | undefined;
  /** The connection takes no part in anything any more. */
  over = false;
  /** Of its end, for statistics: who closed it, whether that broke off streams, whether the peer broke the protocol. */
  endedByPeer = false;
  brokeOff = false;
  isFaulty = false;
  wasToldToClose = false;
  protected goawaySent = false;
  goawayReceived = false;
  peerMaxStreams: number = Number.MAX_SAFE_INTEGER;
  private readonly control = new ControlFrames(this);
  private readonly reader = new FrameReader(this);
  protected readonly headers: HeaderAssembly;
  private readonly stalls: SendStalls;
  private recvWindow: number;
  private uncredited = 0;
  private dataStream: Http2Stream | undefined;
  private prefaceMissing: number;
  private linger: Timeout | undefined;

  constructor(connection: Connection, options: SessionOptions, { isServer, readHead }: { isServer: boolean; readHead: FieldsToMessage }) {
    const { settings, services, fieldLimits } = options;
    this.connection = connection;
    this.options = options;
    this.writer = new FrameWriter(connection, settings, services.monotonicMs);
    this.guard = new FloodGuard(settings, services.monotonicMs);
    this.fields = new FieldReader(fieldLimits, readHead);
    this.headers = new HeaderAssembly(fieldLimits.maxBytes);
    this.stalls = new SendStalls(options.sendStallMs, services, {
      pending: this.writer.pending,
      giveUp: (stream) => {
        this.options.count('tx_flush_timeout');
        this.resetStream(stream as Http2Stream, f.CANCEL, 'peer takes nothing');
      },
    });
    // Until our SETTINGS are acknowledged the peer may go by the default.
    this.initialRecvWindow = Math.max(settings.initialStreamWindowBytes, f.DEFAULT_WINDOW_BYTES);
    this.recvWindow = Math.max(settings.initialConnectionWindowBytes, f.DEFAULT_WINDOW_BYTES);
    this.prefaceMissing = isServer ? f.PREFACE.length : 0;
    this.readMs = services.monotonicMs();
    if (settings.keepalive) {
      this.keepalive = new Keepalive(settings.keepalive, services, {
        sendPing: () => this.writer.writePing(0, PING_DATA),
        onLost: () => {
          this.options.count('keepalive_timeout');
          this.fail(f.NO_ERROR, 'keepalive timeout');
        },
      });
    }
  }

  /** Sends our SETTINGS and opens the connection's window. */
  protected sendPreface(entries: readonly (readonly [number, number])[]): void {
    this.writer.writeSettings(entries);
    const more = this.recvWindow - f.DEFAULT_WINDOW_BYTES;
    if (more > 0) this.writer.writeWindowUpdate(0, more);
  }

  // --- what the two ends do differently

  /** A complete header block. False: stop reading. */
  protected abstract onHeaderBlock(block: HeaderBlock): boolean;
  /** A header block has begun that is not complete, or is now. */
  protected abstract onBlockPending(isPending: boolean): void;
  /** Whether no stream with this id was ever opened. */
  abstract isIdleStream(streamId: number): boolean;
  abstract onGoaway(lastStreamId: number): void;
  abstract onPeerSettings(): void;
  protected abstract onStreamRemoved(stream: Http2Stream): void;
  /** The last stream has ended. */
  protected abstract onStreamsGone(): void;
  /** Last call. */
  protected abstract onSessionOver(): void;
  /** The peer is a client. */
  abstract readonly isServer: boolean;
  /** Whether resets of streams, which the peer opens, wear us out. */
  protected abstract readonly countsResets: boolean;
  /** The largest stream id of the peer's that we have acted on: for GOAWAY. */
  protected abstract readonly lastPeerStream: number;

  // --- bytes

  onData(bytes: Buffer): void {
    if (this.over) return;
    this.readMs = this.options.services.monotonicMs();
    let start = 0;
    if (this.prefaceMissing > 0) {
      start = Math.min(this.prefaceMissing, bytes.length);
      const from = f.PREFACE.length - this.prefaceMissing;
      if (f.PREFACE.compare(bytes, 0, start, from, from + start) !== 0) return void this.fail(f.PROTOCOL_ERROR, 'no preface');
      this.prefaceMissing -= start;
    }
    this.reader.read(bytes, start);
    if (!this.writer.isFlooded) return;
    this.fail(f.ENHANCE_YOUR_CALM, this.writer.isFloodedByControl ? TOO_MANY_CONTROL_FRAMES : TOO_MANY_FRAMES);
  }

  onEnd(): void {
    if (this.over) return;
    this.endedByPeer = true;
    this.hangUp();
  }

  onDrain(): void {
    if (!this.over) this.writer.onDrain();
  }

  onClose(): void {
    this.linger?.cancel();
    if (!this.over) this.endedByPeer = true;
    this.finish(CLOSED);
  }

  // --- frames

  onFrameHead(frame: FrameHead): boolean {
    const { type } = frame;
    if (!this.control.hasSettings && type !== f.SETTINGS) return this.fail(f.PROTOCOL_ERROR, 'no SETTINGS first');
    if (frame.length > f.DEFAULT_FRAME_BYTES) return this.fail(f.FRAME_SIZE_ERROR, 'frame too large');
    if (!this.headers.admits(frame)) return this.fail(f.PROTOCOL_ERROR, 'header block interrupted');
    return type !== f.DATA || this.beginData(frame);
  }

  onFrame(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    switch (frame.type) {
      case f.HEADERS:
      case f.CONTINUATION:
        return this.onHeaders(frame, bytes, start, end);
      case f.PUSH_PROMISE:
        return this.fail(f.PROTOCOL_ERROR, 'PUSH_PROMISE');
      default:
        return this.control.onFrame(frame, bytes, start, end);
    }
  }

  onBadPadding(): void {
    this.fail(f.PROTOCOL_ERROR, 'bad padding');
  }

  /** Goes on unless the peer went too far. */
  calm(tooFar: boolean, what: string): boolean {
    return !tooFar || this.fail(f.ENHANCE_YOUR_CALM, `too many ${what}`);
  }

  // --- header blocks

  private onHeaders(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    const { headers } = this;
    const isFirst = frame.type === f.HEADERS;
    const isEmpty = start === end && (frame.flags & (isFirst ? f.END_HEADERS | f.END_STREAM : f.END_HEADERS)) === 0;
    if (!this.calm(this.guard.onMessageFrame(isEmpty), 'empty frames')) return false;
    const fault = isFirst ? headers.begin(frame, bytes, start, end) : headers.continue(frame, bytes, start, end);
    if (fault) return this.fail(fault.code, fault.why);
    if (!isFirst || headers.isOpen) this.onBlockPending(headers.isOpen);
    return headers.isOpen || this.onHeaderBlock(headers.block);
  }

  /** Compression is out of step. Always false. */
  protected failCompression(): false {
    return this.fail(f.COMPRESSION_ERROR_CODE, 'header compression');
  }

  /** Trailers of an open stream. */
  protected onTrailers(stream: Http2Stream, { endStream, bytes, start, end }: HeaderBlock): boolean {
    this.options.count('trailers');
    const trailers = this.fields.trailer(bytes, start, end);
    if (trailers === undefined) return this.failCompression();
    if (stream.remoteClosed) return this.resetStream(stream, f.STREAM_CLOSED, 'HEADERS after END_STREAM');
    if (typeof trailers === 'string') return this.malformed(stream, trailers);
    if (!endStream) return this.malformed(stream, 'trailers without END_STREAM');
    // Trailers without any field are none.
    const given = trailers.count > 0 ? trailers : undefined;
    return stream.receiveEnd(given) ? !this.over : this.resetStream(stream, f.PROTOCOL_ERROR, LENGTH_FAULT);
  }

  /** A message that breaks HTTP's rules costs its stream, or, as Envoy by default, the connection. */
  protected malformed(stream: Http2Stream, why: string): boolean {
    this.countFault(why);
    if (exceedsLimits(why)) return this.resetStream(stream, f.INTERNAL_ERROR, why);
    if (this.options.settings.streamErrorOnInvalidHttpMessage) return this.resetStream(stream, f.PROTOCOL_ERROR, why);
    this.streams.delete(stream.id);
    stream.gone = true;
    this.onStreamRemoved(stream);
    stream.onBroken({ kind: 'local_reset', code: f.PROTOCOL_ERROR, why });
    return this.fail(f.PROTOCOL_ERROR, why);
  }

  // --- data

  private beginData({ streamId, length, flags }: FrameHead): boolean {
    if (streamId === 0) return this.fail(f.PROTOCOL_ERROR, 'DATA on stream 0');
    if (!this.calm(this.guard.onMessageFrame(length === 0 && (flags & f.END_STREAM) === 0), 'empty frames')) return false;
    this.recvWindow -= length;
    if (this.recvWindow < 0) return this.fail(f.FLOW_CONTROL_ERROR, 'connection window');
    const stream = this.streams.get(streamId);
    this.dataStream = undefined;
    if (!stream || stream.remoteClosed || stream.recvWindow < length) {
      this.creditConnection(length);
      if (!stream) return this.onStrayData(streamId);
      if (stream.remoteClosed) return this.resetStream(stream, f.STREAM_CLOSED, 'DATA after END_STREAM');
      return this.resetStream(stream, f.FLOW_CONTROL_ERROR, 'stream window');
    }
    stream.recvWindow -= length;
    this.dataStream = stream;
    return true;
  }

  private onStrayData(streamId: number): boolean {
    if (this.isIdleStream(streamId)) return this.fail(f.PROTOCOL_ERROR, 'DATA on an idle stream');
    // Unless it was on its way when we reset the stream.
    if (!this.recent.wasResetByUs(streamId)) return this.fail(f.STREAM_CLOSED, 'DATA on a closed stream');
    return this.calm(this.guard.onIdleFrame(), 'frames on closed streams');
  }

  onDataPart(frame: FrameHead, part: Buffer, last: boolean): boolean {
    const stream = this.dataStream;
    if (!stream) return !this.over;
    if (stream.gone) this.creditConnection(part.length);
    else if (!stream.receive(part)) return this.resetStream(stream, f.PROTOCOL_ERROR, LENGTH_FAULT);
    if (!last || stream.gone) return !this.over;
    // Its padding is taken, too.
    if ((frame.flags & f.PADDED) !== 0) this.credit(stream, frame.length - this.reader.contentLength);
    if ((frame.flags & f.END_STREAM) !== 0 && !stream.receiveEnd(undefined)) {
      return this.resetStream(stream, f.PROTOCOL_ERROR, LENGTH_FAULT);
    }
    return !this.over;
  }

  /** A whole DATA frame that lies behind the head at hand, so that the two can be passed on together; undefined: there is none. */
  protected takeFirstData(stream: Http2Stream): { bytes: Buffer; end: boolean } | undefined {
    const length = this.reader.peekData(stream.id);
    if (length === 0 || length > f.DEFAULT_FRAME_BYTES || length > Math.min(stream.recvWindow, this.recvWindow)) return undefined;
    const end = (this.reader.peekedFlags & f.END_STREAM) !== 0;
    this.guard.onMessageFrame(false);
    this.recvWindow -= length;
    stream.recvWindow -= length;
    return { bytes: this.reader.takeData(length), end };
  }

  /** Gives the peer back the room that `bytes` took. */
  credit(stream: Http2Stream, bytes: number): void {
    this.creditConnection(bytes);
    if (stream.remoteClosed || stream.gone) return;
    stream.uncredited += bytes;
    if (stream.uncredited * 2 < this.options.settings.initialStreamWindowBytes) return;
    this.writer.writeWindowUpdate(stream.id, stream.uncredited);
    stream.recvWindow += stream.uncredited;
    stream.uncredited = 0;
  }

  private creditConnection(bytes: number): void {
    this.uncredited += bytes;
    if (this.over || this.uncredited * 2 < Math.max(this.options.settings.initialConnectionWindowBytes, f.DEFAULT_WINDOW_BYTES)) return;
    this.writer.writeWindowUpdate(0, this.uncredited);
    this.recvWindow += this.uncredited;
    this.uncredited = 0;
  }

  /** The peer has broken a stream off. */
  onRemoteReset(stream: Http2Stream, code: number): void {
    this.options.count('rx_reset');
    this.removeStream(stream, { isReset: true, byUs: false });
    stream.onBroken({ kind: 'remote_reset', code });
  }

  /** A stream waits for the peer's window. */
  watchStalls(): void {
    this.stalls.watch();
  }

  // --- the ends of streams

  protected writeReset(streamId: number, code: number): void {
    this.options.count('tx_reset');
    this.writer.writeReset(streamId, code);
  }

  /** A message that is malformed, or exceeds the limits. */
  protected countFault(why: string): void {
    const ofLimit = why === FIELDS_TOO_MANY ? 'header_overflow' : 'header_list_size_too_large';
    this.options.count(exceedsLimits(why) ? ofLimit : 'rx_messaging_error');
  }

  /** Breaks a stream off by RST_STREAM and tells it. Answers whether the connection goes on. */
  resetStream(stream: Http2Stream, code: number, why: string): boolean {
    if (stream.gone) return !this.over;
    this.writeReset(stream.id, code);
    this.removeStream(stream, { isReset: true, byUs: true });
    stream.onBroken({ kind: 'local_reset', code, why });
    return !this.over;
  }

  /** RST_STREAM wanted by the stream's own user, who needs no word of it. */
  abandonStream(stream: Http2Stream, code: number): void {
    if (stream.gone) return;
    this.writeReset(stream.id, code);
    this.removeStream(stream, { isReset: false, byUs: true });
  }

  /** Both messages are complete. */
  closeStream(stream: Http2Stream): void {
    if (!stream.gone) this.removeStream(stream, { isReset: false, byUs: false });
  }

  /** The peer has said that it did nothing with this stream. */
  protected dropRefused(stream: Http2Stream): void {
    this.removeStream(stream, { isReset: false, byUs: false });
    stream.onBroken({ kind: 'remote_reset', code: f.REFUSED_STREAM });
  }

  /** `isReset`: by the peer, or because of the peer. */
  private removeStream(stream: Http2Stream, { isReset, byUs }: { isReset: boolean; byUs: boolean }): void {
    stream.gone = true;
    this.streams.delete(stream.id);
    this.recent.note(stream.id, byUs && !stream.remoteClosed);
    if (stream.queue.length > 0) this.writer.forget(stream);
    // What the peer sent and nobody took must not cost the other streams their room.
    this.creditConnection(stream.dropHeld());
    this.onStreamRemoved(stream);
    if (this.countsResets) {
      const isEarly = isReset && this.options.services.monotonicMs() - stream.openedMs < EARLY_RESET_MS;
      if (this.guard.onStreamClosed(isEarly)) this.fail(f.ENHANCE_YOUR_CALM, 'too many resets');
    }
    if (this.streams.size === 0 && !this.over) this.onStreamsGone();
  }

  // --- the end of the connection

  protected sendGoaway(lastStreamId: number, code: number, debug = ''): void {
    this.goawaySent = true;
    this.options.count('goaway_sent');
    this.writer.writeGoaway(lastStreamId, code, debug);
  }

  /** The connection cannot go on: says why and hangs up. Always false. */
  fail(code: number, why: string): false {
    if (this.over) return false;
    const flood = FLOODS[why];
    if (flood) this.options.count(flood);
    this.sendGoaway(this.lastPeerStream, code, why);
    this.finish(code === f.NO_ERROR ? CLOSED : { kind: 'connection_failed', why });
    this.hangUp();
    return false;
  }

  /** Ends the connection; streams that are left break off. */
  protected hangUp(): void {
    this.finish(CLOSED);
    this.writer.output.flush();
    this.connection.end();
    if (this.connection.closed || this.linger) return;
    const { services, lingerMs } = this.options;
    this.linger = new Timeout(() => this.connection.destroy());
    services.timeouts.arm(this.linger, lingerMs);
  }

  private finish(cause: StreamEnd): void {
    if (this.over) return;
    this.over = true;
    this.stalls.stop();
    this.keepalive?.stop();
    const streams = this.streams.all();
    this.brokeOff = streams.length > 0;
    this.isFaulty = cause.kind === 'connection_failed';
    this.streams.clear();
    for (const stream of streams) {
      stream.gone = true;
      stream.dropHeld();
      this.onStreamRemoved(stream);
      stream.onBroken(cause);
    }
    this.onSessionOver();
  }
}
