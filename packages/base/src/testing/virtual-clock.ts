import type { Clock, Timer } from '../clock.ts';

export type VirtualClock = Clock & {
  /** Moves time forward, running due timers in order. */
  advance(ms: number): void;
  readonly pendingTimers: number;
};

/** A clock that moves only when told to. Starts at `startMs` (default 0). */
export function createVirtualClock(startMs = 0): VirtualClock {
  let now = startMs;
  let sequence = 0;
  const timers = new Map<number, { at: number; run: () => void; periodMs: number | undefined }>();
  const schedule = (delayMs: number, run: () => void, periodMs?: number): Timer => {
    const id = sequence++;
    timers.set(id, { at: now + Math.max(0, delayMs), run, periodMs });
    return { cancel: () => void timers.delete(id) };
  };
  return {
    now: () => now,
    monotonicMs: () => now,
    after: (delayMs, run) => schedule(delayMs, run),
    every: (periodMs, run) => schedule(periodMs, run, periodMs),
    get pendingTimers() {
      return timers.size;
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (!due) break;
        const [id, timer] = due;
        now = timer.at;
        if (timer.periodMs === undefined) timers.delete(id);
        else timer.at += Math.max(1, timer.periodMs);
        timer.run();
      }
      now = end;
    },
  };
}
