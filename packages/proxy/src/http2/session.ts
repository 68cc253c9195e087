// One HTTP/2 connection, whichever end of it we are: reads frames, keeps windows and streams, answers what the protocol answers by
// itself, and ends the connection when the peer breaks the rules or wears us out (RFC 9113).

import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import type { Http2Settings } from '../runtime/model.ts';
import { BlockMemo } from './block-memo.ts';
import { EARLY_RESET_MS, FloodGuard } from './flood-guard.ts';
import { type FrameHandler, type FrameHead, FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import * as f from './frames.ts';
import type { HeadTemplate } from './head-template.ts';
import { COMPRESSION_ERROR, DECODED, type FieldLimits, HpackDecoder } from './hpack/decoder.ts';
import { FieldBlock } from './hpack/field-block.ts';
import { readTrailers } from './message-fields.ts';
import { RecentStreams } from './recent-streams.ts';
import { readSettings, type SettingsFault } from './settings.ts';
import type { Http2Stream, StreamEnd } from './stream.ts';

export type SessionServices = {
  readonly timeouts: Timeouts;
  readonly monotonicMs: () => number;
  readonly random: () => number;
};

export type SessionOptions = {
  readonly settings: Http2Settings;
  readonly fieldLimits: FieldLimits;
  /** How long a peer that must hang up may take. */
  readonly lingerMs: number;
  /** A stream whose peer takes nothing for so long is reset; 0 = never. */
  readonly sendStallMs: number;
  readonly services: SessionServices;
};

const block = new FieldBlock();
/** CONTINUATION frames of one block beyond those that the size of the block explains. */
const MAX_CONTINUATIONS = 8;
const PING_DATA = Buffer.from('lateenka', 'latin1');

/** A header block whose END_HEADERS is still to come. */
type OpenBlock = { streamId: number; endStream: boolean; pieces: Buffer[]; bytes: number; frames: number };

export abstract class Session implements ConnectionHandler, FrameHandler {
  readonly connection: Connection;
  readonly options: SessionOptions;
  readonly writer: FrameWriter;
  readonly streams = new Map<number, Http2Stream>();
  /** Of streams opened from now on. */
  initialRecvWindow: number;
  protected readonly reader = new FrameReader(this);
  protected readonly decoder = new HpackDecoder(f.DEFAULT_TABLE_BYTES);
  protected readonly guard: FloodGuard;
  protected readonly recent = new RecentStreams();
  private readonly trailerMemo = new BlockMemo<HeadTemplate>();
  /** The connection takes no part in anything any more. */
  protected over = false;
  protected goawaySent = false;
  protected goawayReceived = false;
  private settingsReceived = false;
  private settingsAcked = false;
  private recvWindow: number;
  private uncredited = 0;
  private openBlock: OpenBlock | undefined;
  private dataStream: Http2Stream | undefined;
  private prefaceMissing: number;
  private stall: Timeout | undefined;
  private keepalive: Timeout | undefined;
  private pingOutstanding = false;
  private linger: Timeout | undefined;

  constructor(connection: Connection, options: SessionOptions, isServer: boolean) {
    const { settings, services } = options;
    this.connection = connection;
    this.options = options;
    this.writer = new FrameWriter(connection, settings, services.monotonicMs);
    this.guard = new FloodGuard(settings, services.monotonicMs);
    // Until our SETTINGS are acknowledged the peer may go by the default.
    this.initialRecvWindow = Math.max(settings.initialStreamWindowBytes, f.DEFAULT_WINDOW_BYTES);
    this.recvWindow = Math.max(settings.initialConnectionWindowBytes, f.DEFAULT_WINDOW_BYTES);
    this.prefaceMissing = isServer ? f.PREFACE.length : 0;
    this.armKeepalive();
  }

  monotonicMs(): number {
    return this.options.services.monotonicMs();
  }

  /** When the bytes at hand were read: one look at the clock serves all their frames. */
  readMs = 0;

  get isOver(): boolean {
    return this.over;
  }

  /** Sends our SETTINGS and opens the connection's window. */
  protected sendPreface(entries: readonly (readonly [number, number])[]): void {
    this.writer.writeSettings(entries);
    const more = this.recvWindow - f.DEFAULT_WINDOW_BYTES;
    if (more > 0) this.writer.writeWindowUpdate(0, more);
  }

  // --- what the two ends do differently

  /** A complete header block. False: stop reading. */
  protected abstract onHeaderBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): boolean;
  /** A frame for a stream that is not open: whether its id was ever used. */
  protected abstract isIdleStream(streamId: number): boolean;
  protected abstract onGoaway(lastStreamId: number, code: number): void;
  protected abstract onPeerSettings(): void;
  protected abstract onStreamRemoved(stream: Http2Stream): void;
  /** The last stream has ended. */
  protected abstract onStreamsGone(): void;
  /** Last call. */
  protected abstract onSessionOver(error: string | undefined): void;
  /** Whether resets of streams, which the peer opens, wear us out. */
  protected abstract countsResets(): boolean;
  /** The largest stream id of the peer's that we have acted on: for GOAWAY. */
  protected abstract readonly lastPeerStream: number;
  protected peerMaxStreams = Number.MAX_SAFE_INTEGER;
  peerAllowsConnect = false;

  // --- bytes

  onData(bytes: Buffer): void {
    if (this.over) return;
    this.readMs = this.monotonicMs();
    let start = 0;
    if (this.prefaceMissing > 0) {
      start = Math.min(this.prefaceMissing, bytes.length);
      const from = f.PREFACE.length - this.prefaceMissing;
      if (f.PREFACE.compare(bytes, 0, start, from, from + start) !== 0) return void this.fail(f.PROTOCOL_ERROR, 'no preface');
      this.prefaceMissing -= start;
    }
    this.reader.read(bytes, start);
    if (this.writer.isFlooded) this.fail(f.ENHANCE_YOUR_CALM, 'too many frames wait to be sent');
  }

  onEnd(): void {
    if (this.over) return;
    this.finish('remote closed');
    this.writer.output.flush();
    this.connection.end();
    this.destroySoon();
  }

  onDrain(): void {
    if (!this.over) this.writer.onDrain();
  }

  onClose(error: string | undefined): void {
    this.linger?.cancel();
    this.finish(error ?? 'closed');
  }

  // --- frames

  onFrameHead(frame: FrameHead): boolean {
    const { type, length, streamId } = frame;
    if (!this.settingsReceived && type !== f.SETTINGS) return this.fail(f.PROTOCOL_ERROR, 'no SETTINGS first');
    if (length > f.DEFAULT_FRAME_BYTES) return this.fail(f.FRAME_SIZE_ERROR, 'frame too large');
    const { openBlock } = this;
    if (openBlock ? type !== f.CONTINUATION || streamId !== openBlock.streamId : type === f.CONTINUATION) {
      return this.fail(f.PROTOCOL_ERROR, 'header block interrupted');
    }
    return type !== f.DATA || this.beginData(frame);
  }

  onFrame(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    switch (frame.type) {
      case f.HEADERS:
        return this.onHeaders(frame, bytes, start, end);
      case f.CONTINUATION:
        return this.onContinuation(frame, bytes, start, end);
      case f.WINDOW_UPDATE:
        return this.onWindowUpdate(frame, bytes, start);
      case f.RST_STREAM:
        return this.onReset(frame, bytes, start);
      case f.SETTINGS:
        return this.onSettings(frame, bytes, start, end);
      case f.PING:
        return this.onPing(frame, bytes, start);
      case f.GOAWAY:
        if (frame.streamId !== 0) return this.fail(f.PROTOCOL_ERROR, 'GOAWAY on a stream');
        if (frame.length < 8) return this.fail(f.FRAME_SIZE_ERROR, 'GOAWAY');
        this.goawayReceived = true;
        this.onGoaway(f.readUint31(bytes, start), f.readUint32(bytes, start + 4));
        return !this.over;
      case f.PRIORITY:
        return this.onPriority(frame, bytes, start);
      case f.PUSH_PROMISE:
        return this.fail(f.PROTOCOL_ERROR, 'PUSH_PROMISE');
      default:
        return this.calm(this.guard.onIdleFrame(), 'unknown frames');
    }
  }

  onBadPadding(): void {
    this.fail(f.PROTOCOL_ERROR, 'bad padding');
  }

  /** Goes on unless the peer went too far. */
  protected calm(tooFar: boolean, what: string): boolean {
    return !tooFar || this.fail(f.ENHANCE_YOUR_CALM, `too many ${what}`);
  }

  // --- header blocks

  private onHeaders(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    const { flags, streamId } = frame;
    if (streamId === 0) return this.fail(f.PROTOCOL_ERROR, 'HEADERS on stream 0');
    let from = start;
    let to = end;
    if ((flags & f.PADDED) !== 0) {
      if (from === to) return this.fail(f.FRAME_SIZE_ERROR, 'padded HEADERS');
      to -= bytes[from++] as number;
    }
    let dependsOnItself = false;
    if ((flags & f.PRIORITY_FLAG) !== 0) {
      if (to - from < 5) return this.fail(to < from ? f.PROTOCOL_ERROR : f.FRAME_SIZE_ERROR, 'HEADERS with priority');
      dependsOnItself = f.readUint31(bytes, from) === streamId;
      from += 5;
    }
    if (to < from) return this.fail(f.PROTOCOL_ERROR, 'bad padding');
    const endStream = (flags & f.END_STREAM) !== 0;
    if (!this.calm(this.guard.onMessageFrame(from === to && !endStream && (flags & f.END_HEADERS) === 0), 'empty frames')) return false;
    if (dependsOnItself) return this.fail(f.PROTOCOL_ERROR, 'stream depends on itself');
    if ((flags & f.END_HEADERS) !== 0) return this.onHeaderBlock(streamId, endStream, bytes, from, to);
    const piece = Buffer.from(bytes.subarray(from, to));
    this.openBlock = { streamId, endStream, pieces: [piece], bytes: piece.length, frames: 0 };
    this.onBlockOpened(true);
    return true;
  }

  /** A header block has begun that is not complete, or is now. */
  protected onBlockOpened(_isOpen: boolean): void {}

  private onContinuation(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    const open = this.openBlock as OpenBlock;
    if (!this.calm(this.guard.onMessageFrame(start === end && (frame.flags & f.END_HEADERS) === 0), 'empty frames')) return false;
    open.frames++;
    open.bytes += end - start;
    const { maxBytes } = this.options.fieldLimits;
    if (open.bytes > maxBytes + f.DEFAULT_FRAME_BYTES || open.frames > MAX_CONTINUATIONS + maxBytes / f.DEFAULT_FRAME_BYTES) {
      return this.fail(f.ENHANCE_YOUR_CALM, 'header block too long');
    }
    open.pieces.push(Buffer.from(bytes.subarray(start, end)));
    if ((frame.flags & f.END_HEADERS) === 0) return true;
    this.openBlock = undefined;
    this.onBlockOpened(false);
    const whole = Buffer.concat(open.pieces);
    return this.onHeaderBlock(open.streamId, open.endStream, whole, 0, whole.length);
  }

  /**
   * Decodes a block and reads it with `read`, or remembers what it meant last time. A string says what is malformed; undefined: the
   * connection has failed.
   */
  protected decodeBlock(
    memo: BlockMemo<HeadTemplate>,
    bytes: Buffer,
    span: { start: number; end: number },
    read: (fields: FieldBlock) => HeadTemplate | string,
  ): HeadTemplate | string | undefined {
    const { decoder } = this;
    const known = memo.get(bytes, span.start, span.end, decoder);
    if (known) return known;
    const result = decoder.decode(bytes, span, block, this.options.fieldLimits);
    if (result === COMPRESSION_ERROR) {
      this.fail(f.COMPRESSION_ERROR_CODE, 'header compression');
      return undefined;
    }
    if (result !== DECODED) return FIELDS_REFUSED;
    const message = read(block);
    if (typeof message !== 'string') memo.set(bytes, span, decoder, () => message.settle());
    return message;
  }

  /** Trailers of an open stream. */
  protected onTrailers(stream: Http2Stream, endStream: boolean, bytes: Buffer, span: { start: number; end: number }): boolean {
    const trailers = this.decodeBlock(this.trailerMemo, bytes, span, readTrailers);
    if (trailers === undefined) return false;
    if (stream.remoteClosed) return this.resetStream(stream, f.STREAM_CLOSED, 'HEADERS after END_STREAM');
    if (typeof trailers === 'string') return this.malformed(stream, trailers);
    if (!endStream) return this.malformed(stream, 'trailers without END_STREAM');
    if (!stream.receiveEnd(trailers)) return this.malformed(stream, 'body shorter than content-length');
    return !this.over;
  }

  /** A message that breaks HTTP's rules costs its stream, or, as Envoy by default, the connection. */
  protected malformed(stream: Http2Stream, why: string): boolean {
    if (this.options.settings.streamErrorOnInvalidHttpMessage) return this.resetStream(stream, f.PROTOCOL_ERROR, why);
    this.streams.delete(stream.id);
    stream.gone = true;
    this.onStreamRemoved(stream);
    stream.onBroken({ kind: 'local_reset', code: f.PROTOCOL_ERROR, why });
    return this.fail(f.PROTOCOL_ERROR, why);
  }

  // --- data

  private beginData(frame: FrameHead): boolean {
    const { streamId, length } = frame;
    if (streamId === 0) return this.fail(f.PROTOCOL_ERROR, 'DATA on stream 0');
    if (!this.calm(this.guard.onMessageFrame(length === 0 && (frame.flags & f.END_STREAM) === 0), 'empty frames')) return false;
    this.recvWindow -= length;
    if (this.recvWindow < 0) return this.fail(f.FLOW_CONTROL_ERROR, 'connection window');
    const stream = this.streams.get(streamId);
    this.dataStream = stream;
    if (!stream) return this.onStrayData(frame);
    if (stream.remoteClosed) {
      this.dataStream = undefined;
      this.creditConnection(length);
      return this.resetStream(stream, f.STREAM_CLOSED, 'DATA after END_STREAM');
    }
    stream.recvWindow -= length;
    if (stream.recvWindow < 0) {
      this.dataStream = undefined;
      this.creditConnection(length);
      return this.resetStream(stream, f.FLOW_CONTROL_ERROR, 'stream window');
    }
    // Padding is taken at once.
    if ((frame.flags & f.PADDED) !== 0) stream.uncredited += 1;
    return true;
  }

  private onStrayData({ streamId, length }: FrameHead): boolean {
    if (this.isIdleStream(streamId)) return this.fail(f.PROTOCOL_ERROR, 'DATA on an idle stream');
    if (!this.recent.wasResetByUs(streamId)) return this.fail(f.STREAM_CLOSED, 'DATA on a closed stream');
    // On its way when we reset the stream.
    this.creditConnection(length);
    return this.calm(this.guard.onIdleFrame(), 'frames on closed streams');
  }

  onDataPart(frame: FrameHead, part: Buffer, last: boolean): boolean {
    const stream = this.dataStream;
    if (!stream || stream.gone) return !this.over;
    if (!stream.receive(part)) return this.malformed(stream, 'body longer than content-length');
    if (last && (frame.flags & f.END_STREAM) !== 0 && !stream.gone && !stream.receiveEnd(undefined)) {
      return this.malformed(stream, 'body shorter than content-length');
    }
    return !this.over;
  }

  /** A whole DATA frame that lies behind the head at hand, so that the two can be passed on together; undefined: there is none. */
  protected takeFirstData(streamId: number, maxBytes: number): { bytes: Buffer; end: boolean } | undefined {
    const length = this.reader.peekData(streamId);
    if (length === 0 || length > f.DEFAULT_FRAME_BYTES || length > Math.min(maxBytes, this.recvWindow)) return undefined;
    const end = (this.reader.peekedFlags & f.END_STREAM) !== 0;
    this.guard.onMessageFrame(false);
    this.recvWindow -= length;
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

  protected creditConnection(bytes: number): void {
    this.uncredited += bytes;
    if (this.over || this.uncredited * 2 < Math.max(this.options.settings.initialConnectionWindowBytes, f.DEFAULT_WINDOW_BYTES)) return;
    this.writer.writeWindowUpdate(0, this.uncredited);
    this.recvWindow += this.uncredited;
    this.uncredited = 0;
  }

  // --- control frames

  private onWindowUpdate({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (length !== 4) return this.fail(f.FRAME_SIZE_ERROR, 'WINDOW_UPDATE');
    this.guard.dataFramesSent = this.writer.dataFramesSent;
    if (!this.calm(this.guard.onWindowUpdate(), 'WINDOW_UPDATE frames')) return false;
    const increment = f.readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) return this.fail(f.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      if (this.writer.sendWindow + increment > f.MAX_WINDOW_BYTES) return this.fail(f.FLOW_CONTROL_ERROR, 'window overflow');
      this.writer.sendWindow += increment;
      this.writer.pump();
      return !this.over;
    }
    const stream = this.streams.get(streamId);
    if (!stream) return !this.isIdleStream(streamId) || this.fail(f.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
    if (increment === 0) return this.resetStream(stream, f.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    if (stream.sendWindow + increment > f.MAX_WINDOW_BYTES) return this.resetStream(stream, f.FLOW_CONTROL_ERROR, 'window overflow');
    stream.sendWindow += increment;
    this.writer.pump();
    return !this.over;
  }

  private onReset({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (length !== 4) return this.fail(f.FRAME_SIZE_ERROR, 'RST_STREAM');
    if (streamId === 0 || this.isIdleStream(streamId)) return this.fail(f.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
    const stream = this.streams.get(streamId);
    if (!stream) return this.calm(this.guard.onIdleFrame(), 'frames on closed streams');
    const cause: StreamEnd = { kind: 'remote_reset', code: f.readUint32(bytes, start) };
    this.removeStream(stream, true, false);
    stream.onBroken(cause);
    return !this.over;
  }

  private onSettings({ flags, streamId, length }: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    if (streamId !== 0) return this.fail(f.PROTOCOL_ERROR, 'SETTINGS on a stream');
    if ((flags & f.ACK) !== 0) {
      if (length !== 0) return this.fail(f.FRAME_SIZE_ERROR, 'SETTINGS ack');
      if (!this.settingsReceived) return this.fail(f.PROTOCOL_ERROR, 'no SETTINGS first');
      this.onSettingsAcked();
      return this.calm(this.guard.onIdleFrame(), 'SETTINGS frames');
    }
    if (length % 6 !== 0) return this.fail(f.FRAME_SIZE_ERROR, 'SETTINGS');
    if (!this.calm(this.guard.onIdleFrame(), 'SETTINGS frames')) return false;
    this.settingsReceived = true;
    const fault = readSettings(bytes, start, end, (id, value) => this.applySetting(id, value));
    if (fault) return this.fail(fault.code, fault.why);
    this.writer.writeSettingsAck();
    this.onPeerSettings();
    return !this.over;
  }

  private applySetting(id: number, value: number): SettingsFault | undefined {
    const { writer } = this;
    switch (id) {
      case f.HEADER_TABLE_SIZE:
        if (value < f.DEFAULT_TABLE_BYTES) writer.announceTableSize();
        break;
      case f.MAX_CONCURRENT_STREAMS:
        this.peerMaxStreams = value;
        break;
      case f.INITIAL_WINDOW_SIZE:
        return this.moveSendWindows(value);
      case f.MAX_FRAME_SIZE:
        writer.peerMaxFrame = value;
        break;
      case f.ENABLE_CONNECT_PROTOCOL:
        this.peerAllowsConnect = value === 1;
        break;
      default:
    }
    return undefined;
  }

  private moveSendWindows(initial: number): SettingsFault | undefined {
    const { writer } = this;
    const move = initial - writer.peerInitialWindow;
    writer.peerInitialWindow = initial;
    for (const stream of this.streams.values()) {
      stream.sendWindow += move;
      if (stream.sendWindow > f.MAX_WINDOW_BYTES) return { code: f.FLOW_CONTROL_ERROR, why: 'window overflow' };
    }
    if (move > 0) writer.pump();
    return undefined;
  }

  private onSettingsAcked(): void {
    if (this.settingsAcked) return;
    this.settingsAcked = true;
    const { settings } = this.options;
    this.initialRecvWindow = settings.initialStreamWindowBytes;
    this.decoder.setMaxTableBytes(settings.hpackTableBytes);
  }

  private onPing({ flags, streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (streamId !== 0) return this.fail(f.PROTOCOL_ERROR, 'PING on a stream');
    if (length !== 8) return this.fail(f.FRAME_SIZE_ERROR, 'PING');
    if ((flags & f.ACK) !== 0) {
      this.pingOutstanding = false;
      return this.calm(this.guard.onIdleFrame(), 'PING frames');
    }
    this.writer.writePing(f.ACK, bytes.subarray(start, start + 8));
    return this.calm(this.guard.onIdleFrame(), 'PING frames');
  }

  private onPriority({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (streamId === 0) return this.fail(f.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    if (length !== 5) return this.fail(f.FRAME_SIZE_ERROR, 'PRIORITY');
    if (!this.calm(this.guard.onPriority(), 'PRIORITY frames')) return false;
    // RFC 9113 ignores priorities; a stream that depends on itself was an error before it, and stays suspect.
    return f.readUint31(bytes, start) !== streamId || this.fail(f.PROTOCOL_ERROR, 'stream depends on itself');
  }

  // --- keepalive and stalls

  private armKeepalive(): void {
    const { settings, services } = this.options;
    const { keepalive } = settings;
    if (!keepalive || keepalive.intervalMs === 0) return;
    this.keepalive ??= new Timeout(() => this.onKeepalive());
    const jitter = (keepalive.intervalMs * keepalive.jitterPercent * services.random()) / 100;
    services.timeouts.arm(this.keepalive, keepalive.intervalMs + jitter);
  }

  private onKeepalive(): void {
    if (this.over) return;
    if (this.pingOutstanding) {
      this.fail(f.NO_ERROR, 'keepalive timeout');
      return;
    }
    this.pingOutstanding = true;
    this.writer.writePing(0, PING_DATA);
    const { keepalive, services } = { ...this.options.settings, services: this.options.services };
    const check = new Timeout(() => {
      if (this.over) return;
      if (this.pingOutstanding) this.fail(f.NO_ERROR, 'keepalive timeout');
      else this.armKeepalive();
    });
    this.keepalive = check;
    services.timeouts.arm(check, keepalive?.timeoutMs ?? 0);
  }

  /** Watches streams whose peer takes nothing; call when one has begun to wait. */
  watchStalls(): void {
    const { sendStallMs, services } = this.options;
    if (sendStallMs === 0 || this.stall?.armed) return;
    this.stall ??= new Timeout(() => this.resetStalled());
    services.timeouts.arm(this.stall, sendStallMs);
  }

  private resetStalled(): void {
    const { sendStallMs } = this.options;
    const nowMs = this.monotonicMs();
    for (const stream of [...this.writer.pending]) {
      if (nowMs - stream.progressMs >= sendStallMs) this.resetStream(stream as Http2Stream, f.CANCEL, 'peer takes nothing');
    }
    if (this.writer.pending.length > 0 && !this.over) this.watchStalls();
  }

  // --- the ends of streams

  /** Breaks a stream off by RST_STREAM and tells it. Answers whether the connection goes on. */
  resetStream(stream: Http2Stream, code: number, why: string): boolean {
    if (stream.gone) return !this.over;
    this.writer.writeReset(stream.id, code);
    this.removeStream(stream, true, true);
    stream.onBroken({ kind: 'local_reset', code, why });
    return !this.over;
  }

  /** RST_STREAM wanted by the stream's own user, who needs no word of it. */
  abandonStream(stream: Http2Stream, code: number): void {
    if (stream.gone) return;
    this.writer.writeReset(stream.id, code);
    this.removeStream(stream, false, true);
  }

  /** Both messages are complete. */
  closeStream(stream: Http2Stream): void {
    if (!stream.gone) this.removeStream(stream, false, false);
  }

  /** The peer has said that it did nothing with this stream. */
  protected dropRefused(stream: Http2Stream): void {
    this.removeStream(stream, false, false);
    stream.onBroken({ kind: 'remote_reset', code: f.REFUSED_STREAM });
  }

  private removeStream(stream: Http2Stream, isReset: boolean, byUs: boolean): void {
    stream.gone = true;
    this.streams.delete(stream.id);
    this.recent.note(stream.id, byUs && !stream.remoteClosed);
    if (stream.queue.length > 0) this.writer.forget(stream);
    // What the peer sent and nobody took must not cost the other streams their room.
    this.creditConnection(stream.dropHeld());
    this.onStreamRemoved(stream);
    const isEarly = isReset && this.countsResets() && this.monotonicMs() - stream.openedMs < EARLY_RESET_MS;
    if (this.countsResets() && this.guard.onStreamClosed(isEarly)) this.fail(f.ENHANCE_YOUR_CALM, 'too many resets');
    if (this.streams.size === 0 && !this.over) this.onStreamsGone();
  }

  // --- the end of the connection

  protected sendGoaway(lastStreamId: number, code: number, debug = ''): void {
    this.goawaySent = true;
    this.writer.writeGoaway(lastStreamId, code, debug);
  }

  /** The connection cannot go on: says why and hangs up. Always false. */
  fail(code: number, why: string): false {
    if (this.over) return false;
    this.sendGoaway(this.lastPeerStream, code, why);
    this.finish(why);
    this.hangUp();
    return false;
  }

  /** Ends the connection in order; no stream is left. */
  protected hangUp(): void {
    this.finish('local close');
    this.writer.output.flush();
    this.connection.end();
    this.destroySoon();
  }

  private destroySoon(): void {
    const { services, lingerMs } = this.options;
    if (this.connection.closed || this.linger) return;
    this.linger = new Timeout(() => this.connection.destroy());
    services.timeouts.arm(this.linger, lingerMs);
  }

  private finish(why: string): void {
    if (this.over) return;
    this.over = true;
    this.stall?.cancel();
    this.keepalive?.cancel();
    const cause: StreamEnd = { kind: 'connection_closed', why };
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) {
      stream.gone = true;
      stream.dropHeld();
      this.onStreamRemoved(stream);
      stream.onBroken(cause);
    }
    this.onSessionOver(why);
  }
}

/** Instead of a message: the fields are more than the limits allow. */
export const FIELDS_REFUSED = 'header fields exceed the limits';
