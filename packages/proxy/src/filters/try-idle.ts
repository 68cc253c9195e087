// per_try_idle_timeout: how long the upstream of one attempt may say nothing.

import type { Clock } from '@lateen/base';
import { Timeout, type Timeouts } from '../io/timer-wheel.ts';

export class TryIdle {
  private readonly clock: Clock;
  private readonly timeouts: Timeouts;
  private readonly timeout: Timeout;
  private lastHeardMs: number;

  /** Begins at once. */
  constructor(services: { readonly clock: Clock; readonly timeouts: Timeouts }, timeoutMs: number, onIdle: () => void) {
    this.clock = services.clock;
    this.timeouts = services.timeouts;
    this.lastHeardMs = this.clock.monotonicMs();
    // Re-arming with each piece would cost more than looking at the time when the timeout fires.
    this.timeout = new Timeout(() => {
      const quietMs = this.clock.monotonicMs() - this.lastHeardMs;
      if (quietMs + 1 < timeoutMs) this.timeouts.arm(this.timeout, timeoutMs - quietMs);
      else onIdle();
    });
    this.timeouts.arm(this.timeout, timeoutMs);
  }

  heard(): void {
    this.lastHeardMs = this.clock.monotonicMs();
  }

  cancel(): void {
    this.timeout.cancel();
  }
}
