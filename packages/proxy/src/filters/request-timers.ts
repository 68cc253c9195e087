// The clocks that run for one request on its way to a cluster. 0 ms means no limit everywhere.

import { Timeout } from '../io/timer-wheel.ts';
import { Deadline, type DeadlineOwner, type DeadlineServices } from './deadline.ts';

/** Who is told that a time is up. */
export interface TimedRequest {
  /** The whole answer took too long, its body included. */
  onTimeout(): void;
  onPerTryTimeout(): void;
  /** Neither side sent anything for so long. */
  onIdleTimeout(): void;
  onMaxDuration(): void;
  /** One attempt took too long, answer and all. */
  onUpstreamDuration(): void;
  /** It is time for the next attempt. */
  onBackoffOver(): void;
}

export class RequestTimers implements DeadlineOwner {
  private readonly services: DeadlineServices;
  private readonly request: TimedRequest;
  private idleTimeoutMs = 0;
  private lastActivityMs = 0;
  private whole: Deadline | undefined;
  private perTry: Timeout | undefined;
  private idle: Deadline | undefined;
  private backoff: Timeout | undefined;
  private duration: Timeout | undefined;
  private upstreamDuration: Timeout | undefined;

  constructor(services: DeadlineServices, request: TimedRequest) {
    this.services = services;
    this.request = request;
  }

  watchIdle(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.idleTimeoutMs = timeoutMs;
    this.lastActivityMs = this.services.clock.monotonicMs();
    this.idle = Deadline.take(this.services, this, timeoutMs);
  }

  /** Something was sent or received. */
  touch(): void {
    if (this.idleTimeoutMs > 0) this.lastActivityMs = this.services.clock.monotonicMs();
  }

  onDeadline(deadline: Deadline): void {
    if (deadline === this.idle) this.onIdle(deadline);
    else this.request.onTimeout();
  }

  // Setting it with each piece would cost more than looking at the time when it fires.
  private onIdle(idle: Deadline): void {
    const quietMs = this.services.clock.monotonicMs() - this.lastActivityMs;
    if (quietMs + 1 < this.idleTimeoutMs) idle.set(this.idleTimeoutMs - quietMs);
    else this.request.onIdleTimeout();
  }

  limitDuration(durationMs: number): void {
    if (durationMs === 0) return;
    this.duration = new Timeout(() => this.request.onMaxDuration());
    this.services.timeouts.arm(this.duration, durationMs);
  }

  limitAnswer(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.whole ??= Deadline.take(this.services, this, timeoutMs);
  }

  limitTry(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.perTry ??= new Timeout(() => this.request.onPerTryTimeout());
    this.services.timeouts.arm(this.perTry, timeoutMs);
  }

  limitUpstream(durationMs: number): void {
    if (durationMs === 0) return;
    this.upstreamDuration ??= new Timeout(() => this.request.onUpstreamDuration());
    this.services.timeouts.arm(this.upstreamDuration, durationMs);
  }

  endTry(): void {
    this.perTry?.cancel();
  }

  endUpstream(): void {
    this.upstreamDuration?.cancel();
  }

  backOff(delayMs: number): void {
    this.backoff ??= new Timeout(() => this.request.onBackoffOver());
    this.services.timeouts.arm(this.backoff, delayMs);
  }

  /** The answer has begun. */
  answered(): void {
    this.perTry?.cancel();
  }

  cancel(): void {
    this.perTry?.cancel();
    this.whole?.release();
    this.whole = undefined;
    this.idle?.release();
    this.idle = undefined;
    this.backoff?.cancel();
    this.duration?.cancel();
    this.upstreamDuration?.cancel();
  }
}
