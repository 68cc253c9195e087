// The body of a request as far as it has arrived, kept until it could be sent, and then so that another attempt (or a mirror) can send
// it again.

import type { Exchange } from '../http/exchange.ts';

/** What may arrive of a body before its connection stands. Reading pauses then, but one read of a fast client has up to 256 KiB. */
const MIN_UNSENT_BYTES = 1024 * 1024;

/** Of bodies that only a lost connection would have sent again. */
const MAX_UNASKED_BYTES = 1024 * 1024;

/**
 * How much of a body may be kept. As Envoy: what may wait on the way in, or less where the route says so. `isRepeatAsked`: the
 * configuration speaks of further attempts or copies.
 */
export function replayLimitBytes({ context, protocol }: Exchange, routeLimitBytes: number | undefined, isRepeatAsked: boolean): number {
  const limitBytes = protocol === 'HTTP/2' ? context.hcm.http2.initialStreamWindowBytes : context.bufferLimitBytes;
  return Math.min(limitBytes, routeLimitBytes ?? (isRepeatAsked ? Infinity : MAX_UNASKED_BYTES));
}

export class ReplayBuffer {
  private readonly pieces: Buffer[] = [];
  private readonly limitBytes: number;
  private sizeBytes = 0;
  private isSent = false;
  /** The body outgrew the limit: it cannot be sent again. */
  overflowed = false;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** `bytes` must last. */
  add(bytes: Buffer): void {
    if (this.overflowed) return;
    this.sizeBytes += bytes.length;
    this.pieces.push(bytes);
    if (this.sizeBytes > (this.isSent ? this.limitBytes : Math.max(this.limitBytes, MIN_UNSENT_BYTES))) this.discard();
  }

  /** What is here went out: from now on it is only kept to be sent again. */
  sent(): void {
    this.isSent = true;
    if (this.sizeBytes > this.limitBytes) this.discard();
  }

  /** No further attempt: frees the memory. */
  discard(): void {
    this.overflowed = true;
    this.pieces.length = 0;
  }

  get bytes(): Buffer | undefined {
    if (this.pieces.length === 0) return undefined;
    return this.pieces.length === 1 ? this.pieces[0] : Buffer.concat(this.pieces);
  }
}
