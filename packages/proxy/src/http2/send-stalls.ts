// Streams whose peer opens no window hold memory for nothing; after a time they are given up.

import { Timeout, type Timeouts } from '../io/timer-wheel.ts';
import type { Sender } from './frame-writer.ts';

export class SendStalls {
  private readonly limitMs: number;
  private readonly timeouts: Timeouts;
  private readonly monotonicMs: () => number;
  private readonly timeout: Timeout;

  /** `limitMs` 0: they may wait for ever. `pending`: the streams that wait, now and later. */
  constructor(
    limitMs: number,
    services: { readonly timeouts: Timeouts; readonly monotonicMs: () => number },
    { pending, giveUp }: { pending: readonly Sender[]; giveUp: (stream: Sender) => void },
  ) {
    this.limitMs = limitMs;
    this.timeouts = services.timeouts;
    this.monotonicMs = services.monotonicMs;
    this.timeout = new Timeout(() => {
      const nowMs = this.monotonicMs();
      for (const stream of pending.filter((one) => nowMs - one.progressMs >= limitMs)) giveUp(stream);
      if (pending.length > 0) this.watch();
    });
  }

  /** A stream has begun to wait. */
  watch(): void {
    if (this.limitMs > 0 && !this.timeout.armed) this.timeouts.arm(this.timeout, this.limitMs);
  }

  stop(): void {
    this.timeout.cancel();
  }
}
