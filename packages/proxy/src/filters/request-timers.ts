// The clocks that run for one request on its way to a cluster. 0 ms means no limit everywhere.

import type { Clock } from '@lateen/base';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';

/** Who is told that a time is up. */
export interface TimedRequest {
  /** The whole answer took too long. */
  onTimeout(): void;
  onPerTryTimeout(): void;
  /** Neither side sent anything for so long. */
  onIdleTimeout(): void;
  onMaxDuration(): void;
  /** It is time for the next attempt. */
  onBackoffOver(): void;
}

export class RequestTimers {
  private readonly timeouts: Timeouts;
  private readonly clock: Clock;
  private readonly request: TimedRequest;
  private idleTimeoutMs = 0;
  private lastActivityMs = 0;
  private whole: Timeout | undefined;
  private perTry: Timeout | undefined;
  private idle: Timeout | undefined;
  private backoff: Timeout | undefined;
  private duration: Timeout | undefined;

  constructor({ timeouts, clock }: { readonly timeouts: Timeouts; readonly clock: Clock }, request: TimedRequest) {
    this.timeouts = timeouts;
    this.clock = clock;
    this.request = request;
  }

  watchIdle(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.idleTimeoutMs = timeoutMs;
    this.lastActivityMs = this.clock.monotonicMs();
    this.idle = new Timeout(() => this.onIdle());
    this.timeouts.arm(this.idle, timeoutMs);
  }

  /** Something was sent or received. */
  touch(): void {
    if (this.idleTimeoutMs > 0) this.lastActivityMs = this.clock.monotonicMs();
  }

  // Re-arming with each piece would cost more than looking at the time when the timeout fires.
  private onIdle(): void {
    const quietMs = this.clock.monotonicMs() - this.lastActivityMs;
    if (this.idle && quietMs + 1 < this.idleTimeoutMs) this.timeouts.arm(this.idle, this.idleTimeoutMs - quietMs);
    else this.request.onIdleTimeout();
  }

  limitDuration(durationMs: number): void {
    if (durationMs === 0) return;
    this.duration = new Timeout(() => this.request.onMaxDuration());
    this.timeouts.arm(this.duration, durationMs);
  }

  limitAnswer(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.whole = new Timeout(() => this.request.onTimeout());
    this.timeouts.arm(this.whole, timeoutMs);
  }

  limitTry(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.perTry ??= new Timeout(() => this.request.onPerTryTimeout());
    this.timeouts.arm(this.perTry, timeoutMs);
  }

  endTry(): void {
    this.perTry?.cancel();
  }

  backOff(delayMs: number): void {
    this.backoff ??= new Timeout(() => this.request.onBackoffOver());
    this.timeouts.arm(this.backoff, delayMs);
  }

  /** The answer has begun. */
  answered(): void {
    this.whole?.cancel();
    this.perTry?.cancel();
  }

  cancel(): void {
    this.answered();
    this.idle?.cancel();
    this.backoff?.cancel();
    this.duration?.cancel();
  }
}
