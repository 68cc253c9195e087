// Timeouts of connections and requests: thousands armed and disarmed per second, few ever fire. A hashed wheel makes both
// O(1) and costs one coarse tick; precision is one tick. Nothing ticks while nothing is armed.

import type { Clock, Timer } from '@lateen/base';

const SLOTS = 512;

/** A timeout that can be armed again and again without allocation. Create one per purpose and owner. */
export class Timeout {
  readonly run: () => void;
  /** Wheel state; the wheel's own business. */
  prev: Timeout | undefined;
  next: Timeout | undefined;
  wheel: Wheel | undefined;
  slot = 0;
  dueTick = 0;

  constructor(run: () => void) {
    this.run = run;
  }

  get armed(): boolean {
    return this.wheel !== undefined;
  }

  /** Idempotent. */
  cancel(): void {
    this.wheel?.remove(this);
  }
}

/** Arms timeouts; `close()` drops them all. */
export type Timeouts = {
  /** (Re-)arms `timeout` to run once after `delayMs`. */
  arm(timeout: Timeout, delayMs: number): void;
  close(): void;
};

const FINE_TICK_MS = 10;
const COARSE_TICK_MS = 250;
const COARSE_FROM_MS = 30_000;

/** Short timeouts go to a 10 ms wheel, those of 30 s and more to a 250 ms wheel. */
export function createTimeouts(clock: Clock): Timeouts {
  const fine = new Wheel(clock, FINE_TICK_MS);
  const coarse = new Wheel(clock, COARSE_TICK_MS);
  return {
    arm(timeout, delayMs) {
      timeout.cancel();
      (delayMs >= COARSE_FROM_MS ? coarse : fine).add(timeout, delayMs);
    },
    close() {
      fine.close();
      coarse.close();
    },
  };
}

class Wheel {
  private readonly clock: Clock;
  private readonly tickMs: number;
  private readonly slots: (Timeout | undefined)[] = new Array(SLOTS).fill(undefined);
  private count = 0;
  private tick = 0;
  private originMs = 0;
  private ticker: Timer | undefined;
  private closed = false;

  constructor(clock: Clock, tickMs: number) {
    this.clock = clock;
    this.tickMs = tickMs;
  }

  add(timeout: Timeout, delayMs: number): void {
    if (this.closed) return;
    if (this.count === 0) this.start();
    const elapsed = this.clock.monotonicMs() - this.originMs;
    timeout.dueTick = Math.max(this.tick + 1, Math.ceil((elapsed + delayMs) / this.tickMs));
    this.insert(timeout);
    this.count++;
  }

  remove(timeout: Timeout): void {
    if (timeout.wheel !== this) return;
    if (timeout.prev) timeout.prev.next = timeout.next;
    else this.slots[timeout.slot] = timeout.next;
    if (timeout.next) timeout.next.prev = timeout.prev;
    timeout.prev = undefined;
    timeout.next = undefined;
    timeout.wheel = undefined;
    this.count--;
  }

  close(): void {
    this.closed = true;
    this.ticker?.cancel();
    this.ticker = undefined;
  }

  private start(): void {
    if (this.ticker) return;
    this.originMs = this.clock.monotonicMs();
    this.tick = 0;
    this.ticker = this.clock.every(this.tickMs, () => this.advance());
  }

  private insert(timeout: Timeout): void {
    const slot = timeout.dueTick % SLOTS;
    const head = this.slots[slot];
    timeout.slot = slot;
    timeout.wheel = this;
    timeout.next = head;
    if (head) head.prev = timeout;
    this.slots[slot] = timeout;
  }

  private advance(): void {
    const target = Math.floor((this.clock.monotonicMs() - this.originMs) / this.tickMs + 1e-6);
    // After a long stall each slot needs one visit only: an entry is due when its tick is not later than the target.
    const from = Math.max(this.tick + 1, target - SLOTS + 1);
    for (let tick = from; tick <= target; tick++) this.expire(tick % SLOTS, target);
    this.tick = Math.max(this.tick, target);
    if (this.count === 0 && !this.closed) {
      this.ticker?.cancel();
      this.ticker = undefined;
    }
  }

  private expire(slot: number, target: number): void {
    const due: Timeout[] = [];
    for (let timeout = this.slots[slot]; timeout; timeout = timeout.next) if (timeout.dueTick <= target) due.push(timeout);
    for (const timeout of due) {
      // An earlier one may have cancelled or re-armed it.
      if (timeout.wheel !== this || timeout.dueTick > target) continue;
      this.remove(timeout);
      try {
        timeout.run();
      } catch (error) {
        // One timeout's fault must not lose the others of its tick.
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }
}
