// Keeps the memory of a long-lived process near what it needs: what starting and bursts leave behind is collected while nobody
// waits for an answer.

import type { Clock } from '@lateen/base';
import { compactHeap } from './compact-heap.ts';

const LOOK_EVERY_MS = 2000;
/** An idle process is one that used less than this share of one CPU since the last look. */
const IDLE_SHARE = 0.02;
const WORTH_BYTES = 8 * 1024 * 1024;
const AT_MOST_EVERY_MS = 60_000;

export type CompactWhenIdleOptions = {
  clock: Clock;
  /** Not before this is true. */
  isStarted: () => boolean;
  /** Bytes in use, collected or not, and microseconds of CPU so far. Default: this process's. */
  read?: () => { residentBytes: number; cpuUs: number };
  compact?: () => void;
};

/** Compacts once after the start and then, at most once a minute, when 8 MiB have come on top. `close()` ends it. */
export function compactWhenIdle({ clock, isStarted, read = readProcess, compact = compactHeap }: CompactWhenIdleOptions): {
  close(): void;
} {
  let afterLastBytes = 0;
  let nextMs = 0;
  let { cpuUs } = read();
  const timer = clock.every(LOOK_EVERY_MS, () => {
    const now = read();
    const isIdle = now.cpuUs - cpuUs < IDLE_SHARE * LOOK_EVERY_MS * 1000;
    cpuUs = now.cpuUs;
    if (!isIdle || !isStarted() || clock.monotonicMs() < nextMs || now.residentBytes < afterLastBytes + WORTH_BYTES) return;
    compact();
    nextMs = clock.monotonicMs() + AT_MOST_EVERY_MS;
    const after = read();
    afterLastBytes = after.residentBytes;
    cpuUs = after.cpuUs;
  });
  return { close: () => timer.cancel() };
}

function readProcess(): { residentBytes: number; cpuUs: number } {
  const { user, system } = process.cpuUsage();
  return { residentBytes: process.memoryUsage.rss(), cpuUs: user + system };
}
