// How a proxy goes: it tells its clients to come no more, waits for those that are there, and ends.

import { readFileSync } from 'node:fs';
import { type Clock, delay } from '@lateen/base';

/** `fixed`: wait this long, whatever happens. `when_idle`: at least so long, then until no connection is left. */
export type ShutdownPlan =
  | { readonly kind: 'fixed'; readonly drainMs: number }
  | { readonly kind: 'when_idle'; readonly minimumMs: number; readonly limitMs: number };

export type ShutdownOptions = {
  plan: ShutdownPlan;
  /** Connections of clients; the proxy's own admin and metrics endpoints are not among them. */
  connectionCount: () => number | Promise<number>;
  clock: Clock;
  /** Aborted when somebody has no more patience: ends the wait. */
  hurry?: AbortSignal | undefined;
};

const POLL_MS = 1000;

/** Waits as planned; the drain has begun before. Never rejects. */
export async function awaitShutdown({ plan, connectionCount, clock, hurry }: ShutdownOptions): Promise<void> {
  const wait = (ms: number) => delay(clock, ms, hurry).catch(() => {});
  if (plan.kind === 'fixed') return wait(plan.drainMs);
  const startMs = clock.monotonicMs();
  await wait(plan.minimumMs);
  while ((await connectionCount()) > 0 && !hurry?.aborted) {
    const leftMs = plan.limitMs - (clock.monotonicMs() - startMs);
    if (leftMs <= 0) return;
    await wait(Math.min(POLL_MS, leftMs));
  }
}

/** How many files this process may have open; undefined where the system does not say. */
export function readMaxOpenFiles(): number | undefined {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return line ? Number(line[1]) : undefined;
  } catch {
    return undefined;
  }
}
