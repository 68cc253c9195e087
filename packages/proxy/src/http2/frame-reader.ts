// Bytes to frames, however they are cut. A frame that arrived whole is read where it lies; DATA is passed on piece by piece; what
// else is cut in two is put together first.

import { DATA, FRAME_HEAD_BYTES, PADDED, readUint31 } from './frames.ts';

/** One frame's head; the reader uses the same object for every frame. */
export type FrameHead = { length: number; type: number; flags: number; streamId: number };

/** Each answers whether reading goes on. */
export interface FrameHandler {
  onFrameHead(frame: FrameHead): boolean;
  /** A whole frame other than DATA: its payload is `bytes[start, end)`. */
  onFrame(frame: FrameHead, bytes: Buffer, start: number, end: number): boolean;
  /** Part of a DATA frame's content, without padding. `last`: the frame is complete; comes once per frame. */
  onDataPart(frame: FrameHead, part: Buffer, last: boolean): boolean;
  /** Padding as long as the frame that it pads. */
  onBadPadding(): void;
}

const NOTHING = Buffer.alloc(0);
const FIRST_HELD_BYTES = 64;

const HEAD = 0;
const PAYLOAD = 1;
const PAD_LENGTH = 2;
const CONTENT = 3;
const PADDING = 4;

export class FrameReader {
  private readonly handler: FrameHandler;
  private readonly frame: FrameHead = { length: 0, type: 0, flags: 0, streamId: 0 };
  private state = HEAD;
  /** Part of a frame's head or payload, of which `have` bytes are there. */
  private held: Buffer = NOTHING;
  private have = 0;
  /** Of the DATA frame under way, without padding. */
  contentLength = 0;
  /** Content and padding of it still to come. */
  private content = 0;
  private padding = 0;
  private bytes: Buffer = NOTHING;
  private at = 0;

  constructor(handler: FrameHandler) {
    this.handler = handler;
  }

  /** Reads `bytes` from `start` on; false when the handler said stop. */
  read(bytes: Buffer, start: number): boolean {
    this.bytes = bytes;
    this.at = start;
    let goesOn = true;
    while (goesOn && this.at < bytes.length) {
      switch (this.state) {
        case HEAD:
          goesOn = this.readHead();
          break;
        case PAYLOAD:
          goesOn = this.readPayload();
          break;
        case PAD_LENGTH:
          goesOn = this.readPadLength();
          break;
        case CONTENT:
          goesOn = this.readContent();
          break;
        default:
          goesOn = this.readPadding();
      }
    }
    this.bytes = NOTHING;
    return goesOn;
  }

  /**
   * The length of the frame that follows the one just delivered, if it is a whole DATA frame of that stream, without padding, and
   * has content; otherwise 0. It may then be taken.
   */
  peekData(streamId: number): number {
    const { bytes, at } = this;
    if (bytes.length - at <= FRAME_HEAD_BYTES || bytes[at + 3] !== DATA) return 0;
    const length = lengthAt(bytes, at);
    const isFit = ((bytes[at + 4] as number) & PADDED) === 0 && readUint31(bytes, at + 5) === streamId;
    return isFit && bytes.length - at - FRAME_HEAD_BYTES >= length ? length : 0;
  }

  /** The flags of the frame that `peekData` found. */
  get peekedFlags(): number {
    return this.bytes[this.at + 4] as number;
  }

  /** Takes the frame that `peekData` found: its content, valid until the read ends. */
  takeData(length: number): Buffer {
    const start = this.at + FRAME_HEAD_BYTES;
    this.at = start + length;
    return this.bytes.subarray(start, start + length);
  }

  private readHead(): boolean {
    const { bytes, frame } = this;
    let source = bytes;
    let from = this.at;
    if (this.have > 0 || bytes.length - this.at < FRAME_HEAD_BYTES) {
      if (!this.fill(FRAME_HEAD_BYTES)) return true;
      source = this.held;
      from = 0;
      this.have = 0;
    } else this.at += FRAME_HEAD_BYTES;
    frame.length = lengthAt(source, from);
    frame.type = source[from + 3] as number;
    frame.flags = source[from + 4] as number;
    frame.streamId = readUint31(source, from + 5);
    if (!this.handler.onFrameHead(frame)) return false;
    return frame.type === DATA ? this.beginData() : this.beginPayload();
  }

  private beginPayload(): boolean {
    const { frame, bytes } = this;
    const start = this.at;
    if (bytes.length - start < frame.length) {
      this.state = PAYLOAD;
      return true;
    }
    this.held = NOTHING;
    this.at = start + frame.length;
    return this.handler.onFrame(frame, bytes, start, this.at);
  }

  private readPayload(): boolean {
    const { frame } = this;
    if (!this.fill(frame.length)) return true;
    const payload = this.held;
    this.held = NOTHING;
    this.have = 0;
    this.state = HEAD;
    return this.handler.onFrame(frame, payload, 0, frame.length);
  }

  /** Collects `size` bytes in `held`; room grows with what arrives, not with what is announced. */
  private fill(size: number): boolean {
    const take = Math.min(size - this.have, this.bytes.length - this.at);
    const needed = this.have + take;
    if (this.held.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(size, FRAME_HEAD_BYTES), Math.max(2 * needed, FIRST_HELD_BYTES)));
      this.held.copy(grown, 0, 0, this.have);
      this.held = grown;
    }
    this.bytes.copy(this.held, this.have, this.at, this.at + take);
    this.have = needed;
    this.at += take;
    return needed === size;
  }

  private beginData(): boolean {
    const { frame } = this;
    this.content = frame.length;
    this.contentLength = frame.length;
    this.padding = 0;
    if ((frame.flags & PADDED) !== 0) {
      if (frame.length === 0) return this.badPadding();
      this.state = PAD_LENGTH;
      return true;
    }
    if (frame.length === 0) return this.handler.onDataPart(frame, NOTHING, true);
    this.state = CONTENT;
    return true;
  }

  private readPadLength(): boolean {
    this.padding = this.bytes[this.at++] as number;
    this.content = this.frame.length - 1 - this.padding;
    this.contentLength = this.content;
    if (this.content < 0) return this.badPadding();
    return this.content > 0 ? this.enter(CONTENT) : this.endContent(NOTHING);
  }

  private readContent(): boolean {
    const { bytes, at } = this;
    const take = Math.min(this.content, bytes.length - at);
    this.at = at + take;
    this.content -= take;
    const part = take === bytes.length ? bytes : bytes.subarray(at, at + take);
    return this.content === 0 ? this.endContent(part) : this.handler.onDataPart(this.frame, part, false);
  }

  private endContent(part: Buffer): boolean {
    if (this.padding > 0) {
      this.state = PADDING;
      return part.length === 0 || this.handler.onDataPart(this.frame, part, false);
    }
    this.state = HEAD;
    return this.handler.onDataPart(this.frame, part, true);
  }

  private readPadding(): boolean {
    const take = Math.min(this.padding, this.bytes.length - this.at);
    this.at += take;
    this.padding -= take;
    if (this.padding > 0) return true;
    this.state = HEAD;
    return this.handler.onDataPart(this.frame, NOTHING, true);
  }

  private enter(state: number): boolean {
    this.state = state;
    return true;
  }

  private badPadding(): boolean {
    this.handler.onBadPadding();
    return false;
  }
}

const lengthAt = (bytes: Buffer, at: number): number =>
  ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
