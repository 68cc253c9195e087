// The sending half of a connection: frames, flow control on both levels, and what waits for windows or for the socket.

import type { Connection } from '../io/connection.ts';
import * as f from './frames.ts';
import { copyBytes } from './hpack/field-block.ts';
import { Output } from './output.ts';

/** What a stream has to send and may send. */
export interface Sender {
  readonly id: number;
  /** May be negative after the peer made its windows smaller. */
  sendWindow: number;
  /** Waits in order; the stream is among the writer's `pending` as long as it is not empty. */
  queue: Buffer[];
  queuedBytes: number;
  /** After the queue: END_STREAM, with these trailers (an encoded header block) or without. */
  endsAfterQueue: boolean;
  trailerBlock: Buffer | undefined;
  /** When something of it was sent last, or began to wait. Monotonic. */
  progressMs: number;
  /** The queue has become empty and the stream is not ended: more may be sent. */
  onSendDrained(): void;
  /** END_STREAM has been sent from the queue. */
  onSendEnded(): void;
}

export type WriterLimits = { readonly maxOutboundFrames: number; readonly maxOutboundControlFrames: number };

export class FrameWriter {
  readonly output: Output;
  private readonly limits: WriterLimits;
  private readonly monotonicMs: () => number;
  /** Of the connection. */
  sendWindow: number = f.DEFAULT_WINDOW_BYTES;
  peerInitialWindow: number = f.DEFAULT_WINDOW_BYTES;
  peerMaxFrame: number = f.DEFAULT_FRAME_BYTES;
  /** Streams with something to send that must wait. */
  readonly pending: Sender[] = [];
  dataFramesSent = 0;
  private waiting: Sender[] = [];
  private framesWaiting = 0;
  private controlFramesWaiting = 0;
  /** The next header block must tell that our dynamic table is empty (RFC 7541 4.2). */
  private owesTableUpdate = false;
  private lastDataStream = 0;
  private lastDataFlags = 0;
  private lastDataEpoch = -1;

  constructor(connection: Connection, limits: WriterLimits, monotonicMs: () => number) {
    this.output = new Output(connection);
    this.limits = limits;
    this.monotonicMs = monotonicMs;
  }

  /** More is waiting for the socket than the limits allow: the peer makes us answer and does not read. */
  get isFlooded(): boolean {
    return this.framesWaiting > this.limits.maxOutboundFrames || this.controlFramesWaiting > this.limits.maxOutboundControlFrames;
  }

  get isFloodedByControl(): boolean {
    return this.controlFramesWaiting > this.limits.maxOutboundControlFrames;
  }

  /** The socket has taken what was queued. */
  onDrain(): void {
    this.output.blocked = false;
    this.framesWaiting = 0;
    this.controlFramesWaiting = 0;
    const { waiting } = this;
    this.waiting = [];
    this.pump();
    for (const stream of waiting) if (stream.queue.length === 0) stream.onSendDrained();
  }

  /** Nothing of the stream waits, but it shall send no more until the socket has drained. Always false. */
  private waitForSocket(stream: Sender): false {
    this.waiting.push(stream);
    return false;
  }

  // --- header blocks

  /** Where to write a header block of at most `maxBytes` into `output.bytes`; `endHeaders` follows. */
  beginHeaders(maxBytes: number): number {
    const { output } = this;
    output.reserve(maxBytes + 1 + f.FRAME_HEAD_BYTES * (2 + Math.floor(maxBytes / f.DEFAULT_FRAME_BYTES)));
    let at = output.length + f.FRAME_HEAD_BYTES;
    if (this.owesTableUpdate) {
      output.bytes[at++] = EMPTY_TABLE;
      this.owesTableUpdate = false;
    }
    return at;
  }

  /** The block ends at `end`: puts frame heads around it. */
  endHeaders(streamId: number, end: number, endStream: boolean): void {
    const { output } = this;
    const start = output.length + f.FRAME_HEAD_BYTES;
    const flags = endStream ? f.END_STREAM : 0;
    if (end - start <= f.DEFAULT_FRAME_BYTES) {
      f.writeFrameHead(output.bytes, output.length, { length: end - start, type: f.HEADERS, flags: flags | f.END_HEADERS, streamId });
      output.length = end;
    } else this.splitHeaders(streamId, Buffer.from(output.bytes.subarray(start, end)), flags);
    this.noteFrame(false);
  }

  private splitHeaders(streamId: number, block: Buffer, flags: number): void {
    const { output } = this;
    for (let from = 0; from < block.length; from += f.DEFAULT_FRAME_BYTES) {
      const length = Math.min(f.DEFAULT_FRAME_BYTES, block.length - from);
      const last = from + length === block.length ? f.END_HEADERS : 0;
      const type = from === 0 ? f.HEADERS : f.CONTINUATION;
      const at = f.writeFrameHead(output.bytes, output.length, { length, type, flags: (from === 0 ? flags : 0) | last, streamId });
      output.length = at + block.copy(output.bytes, at, from, from + length);
    }
  }

  /** The peer's dynamic table may hold less than it did: ours, which is empty, must say so. */
  announceTableSize(): void {
    this.owesTableUpdate = true;
  }

  // --- data

  /** Sends what windows and socket allow and queues the rest (kept through `source`; undefined: the bytes are ours). False: wait. */
  sendData(stream: Sender, bytes: Buffer, source: Connection | undefined): boolean {
    let at = 0;
    if (stream.queue.length === 0) {
      while (at < bytes.length) {
        const length = this.allowance(stream, bytes.length - at);
        if (length <= 0) break;
        this.writeData(stream, bytes, at, length);
        at += length;
      }
      if (at === bytes.length) return !this.output.blocked || this.waitForSocket(stream);
    }
    const lasting = source ? source.keep(bytes) : bytes;
    this.enqueue(stream, at === 0 ? lasting : lasting.subarray(at));
    return false;
  }

  /** Ends the stream now or after its queue; true when it is done. */
  sendEnd(stream: Sender, trailerBlock: Buffer | undefined): boolean {
    if (stream.queue.length > 0) {
      stream.endsAfterQueue = true;
      stream.trailerBlock = trailerBlock;
      return false;
    }
    if (trailerBlock) this.writeTrailers(stream.id, trailerBlock);
    else if (this.lastDataStream === stream.id && this.lastDataEpoch === this.output.epoch) {
      // Its last frame is still in our hands.
      this.output.bytes[this.lastDataFlags] = (this.output.bytes[this.lastDataFlags] as number) | f.END_STREAM;
    } else this.writeEmptyData(stream.id);
    return true;
  }

  /** Takes the stream out of what waits. */
  forget(stream: Sender): void {
    stream.queue = [];
    stream.queuedBytes = 0;
    const at = this.pending.indexOf(stream);
    if (at >= 0) this.pending.splice(at, 1);
  }

  /** Sends what waits, one frame of each stream in turn. */
  pump(): void {
    const { pending, output } = this;
    let moved = true;
    while (moved && pending.length > 0 && !output.blocked && this.sendWindow > 0) {
      moved = false;
      for (const stream of [...pending]) {
        // A callback may have ended it.
        if (stream.queue.length === 0) continue;
        if (this.sendFromQueue(stream)) moved = true;
      }
    }
  }

  private sendFromQueue(stream: Sender): boolean {
    const first = stream.queue[0] as Buffer;
    const length = this.allowance(stream, first.length);
    if (length <= 0) return false;
    this.writeData(stream, first, 0, length);
    stream.queuedBytes -= length;
    stream.progressMs = this.monotonicMs();
    if (length < first.length) stream.queue[0] = first.subarray(length);
    else stream.queue.shift();
    if (stream.queue.length > 0) return true;
    this.pending.splice(this.pending.indexOf(stream), 1);
    if (!stream.endsAfterQueue) stream.onSendDrained();
    else {
      this.sendEnd(stream, stream.trailerBlock);
      stream.onSendEnded();
    }
    return true;
  }

  private enqueue(stream: Sender, bytes: Buffer): void {
    if (stream.queue.length === 0) {
      stream.progressMs = this.monotonicMs();
      this.pending.push(stream);
    }
    stream.queue.push(bytes);
    stream.queuedBytes += bytes.length;
  }

  private allowance(stream: Sender, wanted: number): number {
    if (this.output.blocked) return 0;
    return Math.min(wanted, this.peerMaxFrame, MAX_DATA_BYTES, stream.sendWindow, this.sendWindow);
  }

  private writeData(stream: Sender, bytes: Buffer, from: number, length: number): void {
    const { output } = this;
    output.reserve(length + f.FRAME_HEAD_BYTES);
    const start = output.length;
    const at = f.writeFrameHead(output.bytes, start, { length, type: f.DATA, flags: 0, streamId: stream.id });
    copyBytes(bytes, from, length, output.bytes, at);
    output.length = at + length;
    stream.sendWindow -= length;
    this.sendWindow -= length;
    this.dataFramesSent++;
    this.lastDataStream = stream.id;
    this.lastDataFlags = start + 4;
    this.lastDataEpoch = output.epoch;
  }

  private writeEmptyData(streamId: number): void {
    const { output } = this;
    output.reserve(f.FRAME_HEAD_BYTES);
    output.length = f.writeFrameHead(output.bytes, output.length, { length: 0, type: f.DATA, flags: f.END_STREAM, streamId });
    this.dataFramesSent++;
    this.noteFrame(false);
  }

  private writeTrailers(streamId: number, block: Buffer): void {
    const at = this.beginHeaders(block.length);
    this.endHeaders(streamId, at + block.copy(this.output.bytes, at), true);
  }

  // --- control frames

  writeSettings(entries: readonly (readonly [id: number, value: number])[]): void {
    const { output } = this;
    let at = this.beginControl({ length: entries.length * 6, type: f.SETTINGS, flags: 0, streamId: 0 });
    for (const [id, value] of entries) {
      output.bytes[at] = id >>> 8;
      output.bytes[at + 1] = id;
      at = f.writeUint32(output.bytes, at + 2, value);
    }
    output.length = at;
  }

  writeSettingsAck(): void {
    this.output.length = this.beginControl({ length: 0, type: f.SETTINGS, flags: f.ACK, streamId: 0 });
  }

  /** `data`: eight bytes. */
  writePing(flags: number, data: Buffer): void {
    const at = this.beginControl({ length: 8, type: f.PING, flags, streamId: 0 });
    this.output.length = at + data.copy(this.output.bytes, at, 0, 8);
  }

  writeReset(streamId: number, code: number): void {
    const at = this.beginControl({ length: 4, type: f.RST_STREAM, flags: 0, streamId });
    this.output.length = f.writeUint32(this.output.bytes, at, code);
  }

  writeWindowUpdate(streamId: number, increment: number): void {
    const at = this.beginControl({ length: 4, type: f.WINDOW_UPDATE, flags: 0, streamId });
    this.output.length = f.writeUint32(this.output.bytes, at, increment);
  }

  writeGoaway(lastStreamId: number, code: number, debug: string): void {
    const at = this.beginControl({ length: 8 + debug.length, type: f.GOAWAY, flags: 0, streamId: 0 });
    const { bytes } = this.output;
    this.output.length = f.writeUint32(bytes, f.writeUint32(bytes, at, lastStreamId), code) + bytes.write(debug, at + 8, 'latin1');
  }

  private beginControl(frame: { length: number; type: number; flags: number; streamId: number }): number {
    const { output } = this;
    output.reserve(frame.length + f.FRAME_HEAD_BYTES);
    this.noteFrame(true);
    return f.writeFrameHead(output.bytes, output.length, frame);
  }

  private noteFrame(isControl: boolean): void {
    if (!this.output.blocked) return;
    this.framesWaiting++;
    if (isControl) this.controlFramesWaiting++;
  }
}

/** "Dynamic table size update" to 0. */
const EMPTY_TABLE = 0x20;
/** Larger frames would let one stream keep the others waiting. */
const MAX_DATA_BYTES = 16_384;
