// The frames that move no message: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM, GOAWAY, PRIORITY (RFC 9113 section 6).

import type { FieldReader } from './field-reader.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { FrameHead } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import * as f from './frames.ts';
import type { Keepalive } from './keepalive.ts';
import type { SessionOptions } from './session.ts';
import { readSettings, type SettingsFault } from './settings.ts';
import type { Http2Stream } from './stream.ts';
import type { StreamTable } from './stream-table.ts';

/** What these frames act on. Methods that answer a boolean say whether reading goes on. */
export interface ControlledSession {
  readonly options: SessionOptions;
  readonly writer: FrameWriter;
  readonly fields: FieldReader;
  readonly guard: FloodGuard;
  readonly keepalive: Keepalive | undefined;
  readonly streams: StreamTable<Http2Stream>;
  readonly over: boolean;
  readonly isServer: boolean;
  initialRecvWindow: number;
  peerMaxStreams: number;
  goawayReceived: boolean;
  isIdleStream(streamId: number): boolean;
  onGoaway(lastStreamId: number): void;
  onPeerSettings(): void;
  onRemoteReset(stream: Http2Stream, code: number): void;
  resetStream(stream: Http2Stream, code: number, why: string): boolean;
  calm(tooFar: boolean, what: string): boolean;
  fail(code: number, why: string): false;
}

export class ControlFrames {
  private readonly session: ControlledSession;
  /** The peer's SETTINGS have come. */
  hasSettings = false;
  private settingsAcked = false;

  constructor(session: ControlledSession) {
    this.session = session;
  }

  onFrame(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    switch (frame.type) {
      case f.WINDOW_UPDATE:
        return this.onWindowUpdate(frame, bytes, start);
      case f.RST_STREAM:
        return this.onReset(frame, bytes, start);
      case f.SETTINGS:
        return this.onSettings(frame, bytes, start, end);
      case f.PING:
        return this.onPing(frame, bytes, start);
      case f.GOAWAY:
        return this.onGoaway(frame, bytes, start);
      case f.PRIORITY:
        return this.onPriority(frame, bytes, start);
      default:
        return this.session.calm(this.session.guard.onIdleFrame(), 'unknown frames');
    }
  }

  private onGoaway({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    const { session } = this;
    if (streamId !== 0) return session.fail(f.PROTOCOL_ERROR, 'GOAWAY on a stream');
    if (length < 8) return session.fail(f.FRAME_SIZE_ERROR, 'GOAWAY');
    session.goawayReceived = true;
    session.onGoaway(f.readUint31(bytes, start));
    return !session.over;
  }

  private onWindowUpdate({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (length !== 4) return this.session.fail(f.FRAME_SIZE_ERROR, 'WINDOW_UPDATE');
    const { writer } = this.session;
    this.session.guard.dataFramesSent = writer.dataFramesSent;
    if (!this.session.calm(this.session.guard.onWindowUpdate(), 'WINDOW_UPDATE frames')) return false;
    const increment = f.readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) return this.session.fail(f.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      if (writer.sendWindow + increment > f.MAX_WINDOW_BYTES) return this.session.fail(f.FLOW_CONTROL_ERROR, 'window overflow');
      writer.sendWindow += increment;
    } else {
      const stream = this.session.streams.get(streamId);
      if (!stream) return !this.session.isIdleStream(streamId) || this.session.fail(f.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
      if (increment === 0) return this.session.resetStream(stream, f.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      if (stream.sendWindow + increment > f.MAX_WINDOW_BYTES)
        return this.session.resetStream(stream, f.FLOW_CONTROL_ERROR, 'window overflow');
      stream.sendWindow += increment;
    }
    writer.pump();
    return !this.session.over;
  }

  private onReset({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (length !== 4) return this.session.fail(f.FRAME_SIZE_ERROR, 'RST_STREAM');
    if (streamId === 0 || this.session.isIdleStream(streamId)) return this.session.fail(f.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
    const stream = this.session.streams.get(streamId);
    if (!stream) return this.session.calm(this.session.guard.onIdleFrame(), 'frames on closed streams');
    this.session.onRemoteReset(stream, f.readUint32(bytes, start));
    return !this.session.over;
  }

  private onSettings({ flags, streamId, length }: FrameHead, bytes: Buffer, start: number, end: number): boolean {
    if (streamId !== 0) return this.session.fail(f.PROTOCOL_ERROR, 'SETTINGS on a stream');
    const isAck = (flags & f.ACK) !== 0;
    if (isAck ? length !== 0 : length % 6 !== 0) return this.session.fail(f.FRAME_SIZE_ERROR, 'SETTINGS');
    if (isAck && !this.hasSettings) return this.session.fail(f.PROTOCOL_ERROR, 'no SETTINGS first');
    if (!this.session.calm(this.session.guard.onIdleFrame(), 'SETTINGS frames')) return false;
    if (isAck) {
      this.onSettingsAcked();
      return true;
    }
    this.hasSettings = true;
    const fault = readSettings(bytes, start, end, (id, value) => this.applySetting(id, value));
    if (fault) return this.session.fail(fault.code, fault.why);
    const { writer } = this.session;
    writer.writeSettingsAck();
    // Behind the acknowledgement, which says by which windows it goes.
    writer.pump();
    this.session.onPeerSettings();
    return !this.session.over;
  }

  private applySetting(id: number, value: number): SettingsFault | undefined {
    const { writer } = this.session;
    switch (id) {
      case f.HEADER_TABLE_SIZE:
        if (value < f.DEFAULT_TABLE_BYTES) writer.announceTableSize();
        break;
      case f.ENABLE_PUSH:
        if (value === 1 && !this.session.isServer) return { code: f.PROTOCOL_ERROR, why: 'ENABLE_PUSH of a server' };
        break;
      case f.MAX_CONCURRENT_STREAMS:
        this.session.peerMaxStreams = value;
        break;
      case f.INITIAL_WINDOW_SIZE:
        return this.moveSendWindows(value);
      case f.MAX_FRAME_SIZE:
        writer.peerMaxFrame = value;
        break;
      default:
    }
    return undefined;
  }

  private moveSendWindows(initial: number): SettingsFault | undefined {
    const { writer } = this.session;
    const move = initial - writer.peerInitialWindow;
    writer.peerInitialWindow = initial;
    for (const stream of this.session.streams.all()) {
      stream.sendWindow += move;
      if (stream.sendWindow > f.MAX_WINDOW_BYTES) return { code: f.FLOW_CONTROL_ERROR, why: 'window overflow' };
    }
    return undefined;
  }

  private onSettingsAcked(): void {
    if (this.settingsAcked) return;
    this.settingsAcked = true;
    const { session } = this;
    session.initialRecvWindow = session.options.settings.initialStreamWindowBytes;
    session.fields.setMaxTableBytes(session.options.settings.hpackTableBytes);
  }

  private onPing({ flags, streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (streamId !== 0) return this.session.fail(f.PROTOCOL_ERROR, 'PING on a stream');
    if (length !== 8) return this.session.fail(f.FRAME_SIZE_ERROR, 'PING');
    if ((flags & f.ACK) !== 0) this.session.keepalive?.onPong();
    else this.session.writer.writePing(f.ACK, bytes.subarray(start, start + 8));
    this.session.guard.dataFramesSent = this.session.writer.dataFramesSent;
    return this.session.calm(this.session.guard.onIdleFrame(), 'PING frames');
  }

  private onPriority({ streamId, length }: FrameHead, bytes: Buffer, start: number): boolean {
    if (streamId === 0) return this.session.fail(f.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    if (length !== 5) return this.session.fail(f.FRAME_SIZE_ERROR, 'PRIORITY');
    if (!this.session.calm(this.session.guard.onPriority(), 'PRIORITY frames')) return false;
    // RFC 9113 ignores priorities; a stream that depends on itself was an error before it, and stays suspect.
    return f.readUint31(bytes, start) !== streamId || this.session.fail(f.PROTOCOL_ERROR, 'stream depends on itself');
  }
}
