// A queue of keys for level-based reconciling: a key waits at most once, is never processed twice at a time, and is tried
// again with growing delays until it succeeds.

import { type Backoff, type Clock, createBackoff, type Logger, messageOf, silentLogger, systemClock, type Timer } from '@lateen/base';

export type WorkQueueOptions = {
  /** Brings the world in line with the key's present state. A rejection means: try again later. */
  process: (key: string) => Promise<void>;
  /** Keys in work at a time. Default 1. */
  concurrency?: number;
  /** Per key, doubling. Default 10 ms to 60 s. */
  retryBaseMs?: number;
  retryMaxMs?: number;
  onError?: (key: string, error: unknown) => void;
  clock?: Clock;
  logger?: Logger;
};

export type WorkQueue = {
  add(key: string): void;
  /** Adds after the delay; an earlier pending delay of the key stays. */
  addAfter(key: string, delayMs: number): void;
  /** Keys waiting, in work or waiting for a retry. */
  readonly pending: number;
  /** Takes no more; resolves when the keys in work are done. */
  close(): Promise<void>;
};

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const concurrency = options.concurrency ?? 1;
  const waiting = new Set<string>();
  const working = new Map<string, Promise<void>>();
  const again = new Set<string>();
  const delayed = new Map<string, { timer: Timer; atMs: number }>();
  const backoffs = new Map<string, Backoff>();
  let isClosed = false;

  function add(key: string): void {
    if (isClosed) return;
    if (working.has(key)) again.add(key);
    else waiting.add(key);
    fill();
  }

  function addAfter(key: string, delayMs: number): void {
    if (isClosed) return;
    const atMs = clock.monotonicMs() + delayMs;
    const earlier = delayed.get(key);
    if (earlier && earlier.atMs <= atMs) return;
    earlier?.timer.cancel();
    const timer = clock.after(delayMs, () => {
      delayed.delete(key);
      add(key);
    });
    delayed.set(key, { timer, atMs });
  }

  function fill(): void {
    for (const key of waiting) {
      if (working.size >= concurrency) return;
      waiting.delete(key);
      working.set(key, work(key));
    }
  }

  async function work(key: string): Promise<void> {
    try {
      // A turn later, so that `working` holds the key before `process` runs.
      await Promise.resolve();
      await options.process(key);
      backoffs.delete(key);
    } catch (error) {
      if (options.onError) options.onError(key, error);
      else logger.warn('processing failed, trying again', { key, error: messageOf(error) });
      const backoff = backoffs.get(key) ?? createBackoff({ baseMs: options.retryBaseMs ?? 10, maxMs: options.retryMaxMs ?? 60_000 });
      backoffs.set(key, backoff);
      addAfter(key, backoff.next());
    } finally {
      working.delete(key);
      if (again.delete(key)) add(key);
      else fill();
    }
  }

  return {
    add,
    addAfter,
    get pending() {
      return waiting.size + working.size + delayed.size;
    },
    async close() {
      isClosed = true;
      waiting.clear();
      for (const { timer } of delayed.values()) timer.cancel();
      delayed.clear();
      await Promise.all(working.values());
    },
  };
}
