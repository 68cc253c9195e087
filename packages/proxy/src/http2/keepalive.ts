// PINGs that tell whether the peer is still there.

import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import type { Http2Settings } from '../runtime/model.ts';

type Pinger = { sendPing(): void; onLost(): void };

export class Keepalive {
  private readonly config: NonNullable<Http2Settings['keepalive']>;
  private readonly services: { readonly timeouts: Timeouts; readonly random: () => number };
  private readonly pinger: Pinger;
  private isOutstanding = false;
  private readonly interval: Timeout = new Timeout(() => this.ping());
  private readonly answer: Timeout = new Timeout(() => this.pinger.onLost());

  constructor(config: NonNullable<Http2Settings['keepalive']>, services: Keepalive['services'], pinger: Pinger) {
    this.config = config;
    this.services = services;
    this.pinger = pinger;
    this.schedule();
  }

  /** Call before a new stream on a connection that has been quiet for `quietMs`. */
  probe(quietMs: number): void {
    const { idleIntervalMs } = this.config;
    if (idleIntervalMs > 0 && quietMs >= idleIntervalMs) this.ping();
  }

  onPong(): void {
    if (!this.isOutstanding) return;
    this.isOutstanding = false;
    this.answer.cancel();
    this.schedule();
  }

  stop(): void {
    this.interval.cancel();
    this.answer.cancel();
  }

  private schedule(): void {
    const { intervalMs, jitterPercent } = this.config;
    if (intervalMs === 0) return;
    this.services.timeouts.arm(this.interval, intervalMs * (1 + (jitterPercent / 100) * this.services.random()));
  }

  private ping(): void {
    if (this.isOutstanding) return;
    this.isOutstanding = true;
    this.interval.cancel();
    this.pinger.sendPing();
    this.services.timeouts.arm(this.answer, this.config.timeoutMs);
  }
}
