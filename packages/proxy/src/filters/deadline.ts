// A time limit that requests hand on to each other. Nearly every request ends long before its limit, so a deadline stays in the
// wheel when its request is over: the next one only notes its own time, and the wheel is asked again when it fires.

import { Timeout, type Timeouts } from '../io/timer-wheel.ts';

/** Who has a time limit. */
export interface DeadlineOwner {
  onDeadline(deadline: Deadline): void;
}

export type DeadlineServices = { readonly timeouts: Timeouts; readonly clock: { monotonicMs(): number } };

const MAX_SPARE = 512;
const spare: Deadline[] = [];

export class Deadline {
  private readonly services: DeadlineServices;
  private owner: DeadlineOwner | undefined;
  private dueMs = 0;
  /** When the wheel will run `timeout`, at the earliest. */
  private wheelMs = 0;
  private readonly timeout: Timeout = new Timeout(() => this.onTick());

  private constructor(services: DeadlineServices) {
    this.services = services;
  }

  /** Tells `owner` once when `delayMs` have passed; until then it may `set` it anew. To be given back by `release`. */
  static take(services: DeadlineServices, owner: DeadlineOwner, delayMs: number): Deadline {
    const known = spare.pop();
    const deadline = known && known.services === services ? known : new Deadline(services);
    if (known && known !== deadline) known.timeout.cancel();
    deadline.owner = owner;
    deadline.set(delayMs);
    return deadline;
  }

  /** From now on `delayMs` are left. */
  set(delayMs: number): void {
    this.dueMs = this.services.clock.monotonicMs() + delayMs;
    if (!this.timeout.armed || this.wheelMs > this.dueMs) this.arm(delayMs);
  }

  private arm(delayMs: number): void {
    this.wheelMs = this.dueMs;
    this.services.timeouts.arm(this.timeout, delayMs);
  }

  private onTick(): void {
    const { owner } = this;
    if (!owner) return;
    const leftMs = this.dueMs - this.services.clock.monotonicMs();
    if (leftMs > 0) this.arm(leftMs);
    else owner.onDeadline(this);
  }

  /** The owner is done with it and must forget it. */
  release(): void {
    this.owner = undefined;
    if (spare.length < MAX_SPARE) spare.push(this);
    else this.timeout.cancel();
  }
}
