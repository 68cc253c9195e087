// The base64 of application/grpc-web-text, both ways, as it streams: what is kept from one piece to the next is less than a quantum.

import { GrpcFrameCounter } from './grpc-frames.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;
const QUANTUM = 4;
const NOT_A_DIGIT = 0xff;
const DIGITS = new Uint8Array(256).fill(NOT_A_DIGIT);
for (const [value, letter] of [...ALPHABET].entries()) DIGITS[letter.charCodeAt(0)] = value;

/**
 * Decodes base64 (RFC 4648) strictly: nothing outside of the alphabet, padding is mandatory, bits left over are 0. Any quantum may be
 * padded: each message may have been encoded by itself.
 */
export class Base64Decoder {
  /** Of the quantum under way: its bits, its letters and how many of them are padding. */
  private bits = 0;
  private letters = 0;
  private padding = 0;
  private failed = false;

  /** What `bytes` complete, in memory of its own. undefined: this is no base64, and nothing after it will be. */
  decode(bytes: Uint8Array): Buffer | undefined {
    const out = Buffer.allocUnsafe(Math.floor((this.letters + bytes.length) / QUANTUM) * 3);
    let end = 0;
    for (let i = 0; i < bytes.length && !this.failed; i++) {
      this.take(bytes[i] as number);
      if (this.letters === QUANTUM) end = this.write(out, end);
    }
    return this.failed ? undefined : out.subarray(0, end);
  }

  /** A quantum has begun that is not complete. */
  get isWithinQuantum(): boolean {
    return this.letters > 0;
  }

  private take(letter: number): void {
    this.letters++;
    if (letter === PAD) {
      this.padding++;
      this.bits <<= 6;
      this.failed = this.letters < 3;
      return;
    }
    const digit = DIGITS[letter] as number;
    this.bits = (this.bits << 6) | digit;
    this.failed = digit === NOT_A_DIGIT || this.padding > 0;
  }

  private write(out: Buffer, at: number): number {
    const { bits, padding } = this;
    const end = at + 3 - padding;
    this.failed ||= (bits & ((1 << (8 * padding)) - 1)) !== 0;
    if (at < end) out[at] = bits >> 16;
    if (at + 1 < end) out[at + 1] = bits >> 8;
    if (at + 2 < end) out[at + 2] = bits;
    this.bits = this.letters = this.padding = 0;
    return end;
  }
}

const NOTHING = Buffer.alloc(0);

/** Encodes a stream of gRPC messages in base64, each by itself, so that a client can decode it as soon as it is whole. */
export class GrpcTextEncoder {
  private readonly frames = new GrpcFrameCounter();
  /** Bytes of a message that fill no quantum yet. */
  private carry: Buffer = NOTHING;

  encode(bytes: Buffer): Buffer {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const end = this.frames.readMessage(bytes, at);
      text += this.encodePart(bytes.subarray(at, end), this.frames.isBetweenMessages);
      at = end;
    }
    return Buffer.from(text, 'latin1');
  }

  /** The rest of a message that will not be completed, then `frame`. */
  finish(frame: Buffer | undefined): Buffer {
    return Buffer.from(this.encodePart(NOTHING, true) + (frame ? frame.toString('base64') : ''), 'latin1');
  }

  private encodePart(part: Buffer, isLast: boolean): string {
    const bytes = this.carry.length > 0 ? Buffer.concat([this.carry, part]) : part;
    const end = isLast ? bytes.length : bytes.length - (bytes.length % 3);
    this.carry = end < bytes.length ? Buffer.from(bytes.subarray(end)) : NOTHING;
    return bytes.toString('base64', 0, end);
  }
}
