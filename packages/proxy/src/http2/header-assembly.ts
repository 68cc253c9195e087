// Puts header blocks together: takes padding and priority off HEADERS, joins CONTINUATION frames, and stops those that never end.

import type { FrameHead } from './frame-reader.ts';
import * as f from './frames.ts';

/** Frames of one block beyond those that its size explains. */
const MAX_CONTINUATIONS = 8;

/** A header block; `bytes` may be the read buffer. */
export type HeaderBlock = { streamId: number; endStream: boolean; bytes: Buffer; start: number; end: number };
export type FrameFault = { readonly code: number; readonly why: string };

const fault = (code: number, why: string): FrameFault => ({ code, why });

export class HeaderAssembly {
  private readonly maxBytes: number;
  /** The block at hand, complete or not. */
  readonly block: HeaderBlock = { streamId: 0, endStream: false, bytes: Buffer.alloc(0), start: 0, end: 0 };
  private pieces: Buffer[] | undefined;
  private continuations = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Frames of the block are still to come; nothing else may come between. */
  get isOpen(): boolean {
    return this.pieces !== undefined;
  }

  /** Whether a frame may come now. */
  admits({ type, streamId }: FrameHead): boolean {
    return this.pieces ? type === f.CONTINUATION && streamId === this.block.streamId : type !== f.CONTINUATION;
  }

  /** Takes a HEADERS frame. */
  begin({ flags, streamId }: FrameHead, bytes: Buffer, start: number, end: number): FrameFault | undefined {
    const { block } = this;
    let from = start;
    let to = end;
    if (streamId === 0) return fault(f.PROTOCOL_ERROR, 'HEADERS on stream 0');
    if ((flags & f.PADDED) !== 0) {
      if (from === to) return fault(f.FRAME_SIZE_ERROR, 'padded HEADERS');
      to -= bytes[from++] as number;
    }
    if ((flags & f.PRIORITY_FLAG) !== 0) {
      if (to - from < 5) return fault(to < from ? f.PROTOCOL_ERROR : f.FRAME_SIZE_ERROR, 'HEADERS with priority');
      if (f.readUint31(bytes, from) === streamId) return fault(f.PROTOCOL_ERROR, 'stream depends on itself');
      from += 5;
    }
    if (to < from) return fault(f.PROTOCOL_ERROR, 'bad padding');
    block.streamId = streamId;
    block.endStream = (flags & f.END_STREAM) !== 0;
    block.bytes = bytes;
    block.start = from;
    block.end = to;
    if ((flags & f.END_HEADERS) !== 0) return undefined;
    this.pieces = [Buffer.from(bytes.subarray(from, to))];
    this.continuations = 0;
    return undefined;
  }

  /** Takes a CONTINUATION frame of the open block. */
  continue({ flags }: FrameHead, bytes: Buffer, start: number, end: number): FrameFault | undefined {
    const { block, maxBytes, pieces = [] } = this;
    if (++this.continuations > MAX_CONTINUATIONS + maxBytes / f.DEFAULT_FRAME_BYTES) {
      return fault(f.ENHANCE_YOUR_CALM, 'header block too long');
    }
    pieces.push(Buffer.from(bytes.subarray(start, end)));
    if ((flags & f.END_HEADERS) === 0) return undefined;
    block.bytes = Buffer.concat(pieces);
    block.start = 0;
    block.end = block.bytes.length;
    this.pieces = undefined;
    return undefined;
  }
}
