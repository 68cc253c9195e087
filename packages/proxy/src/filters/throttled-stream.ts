// Lets an answer's body through at a fixed rate, a slice every 50 ms; what the upstream sends faster waits, and the upstream with it.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import type { Connection } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import { StreamFilter } from './stream-filter.ts';

const SLICE_MS = 50;
/** More than this waiting makes the upstream wait. */
const MAX_WAITING_BYTES = 64 * 1024;

export class ThrottledStream extends StreamFilter {
  private readonly exchange: Exchange;
  private readonly sliceBytes: number;
  private readonly timeout: Timeout;
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private ended = false;
  private trailers: Head | undefined;

  constructor(exchange: Exchange, bytesPerSecond: number) {
    super(exchange.stream);
    this.exchange = exchange;
    this.sliceBytes = Math.max(1, Math.floor((bytesPerSecond * SLICE_MS) / 1000));
    this.timeout = new Timeout(() => this.release());
  }

  override sendHead(head: Head, first: Buffer | undefined, end: boolean): void {
    if (!first || first.length === 0) return super.sendHead(head, first, end);
    super.sendHead(head, undefined, false);
    this.hold(Buffer.from(first));
    if (end) this.ended = true;
  }

  override sendData(bytes: Buffer, _source: Connection | undefined): boolean {
    this.hold(Buffer.from(bytes));
    return this.waitingBytes <= MAX_WAITING_BYTES;
  }

  override sendEnd(trailers: Head | undefined): void {
    if (this.waitingBytes === 0) return super.sendEnd(trailers);
    this.ended = true;
    this.trailers = trailers;
  }

  override reset(): void {
    this.timeout.cancel();
    this.waiting.length = 0;
    super.reset();
  }

  private hold(bytes: Buffer): void {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (!this.timeout.armed) this.exchange.context.proxy.timeouts.arm(this.timeout, SLICE_MS);
  }

  private release(): void {
    if (this.exchange.isFinished) return;
    let room = this.sliceBytes;
    const wasFull = this.waitingBytes > MAX_WAITING_BYTES;
    while (room > 0 && this.waiting.length > 0) {
      const next = this.waiting[0] as Buffer;
      const slice = next.subarray(0, room);
      if (slice.length === next.length) this.waiting.shift();
      else this.waiting[0] = next.subarray(slice.length);
      room -= slice.length;
      this.waitingBytes -= slice.length;
      this.next.sendData(slice, undefined);
    }
    if (this.waitingBytes > 0) this.exchange.context.proxy.timeouts.arm(this.timeout, SLICE_MS);
    else if (this.ended) super.sendEnd(this.trailers);
    if (wasFull && this.waitingBytes <= MAX_WAITING_BYTES) this.exchange.onResponseDrain();
  }
}
