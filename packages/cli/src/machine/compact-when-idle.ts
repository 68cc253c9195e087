// Keeps the memory of a long-lived process near what it needs: what starting and bursts leave behind is collected while nobody
// waits for an answer.

import type { Clock } from '@lateen/base';
import { compactHeap } from './compact-heap.ts';
import { releaseProgramPages } from './program-pages.ts';
import { trimMalloc } from './trim-malloc.ts';

const LOOK_EVERY_MS = 2000;
/** An idle process is one that used less than this share of one CPU since the last look. */
const IDLE_SHARE = 0.02;
/**
 * How long a process that has worked must be idle. A collection without any connection alive undoes the optimised code that
 * handled them, so a pause between two bursts is not the time (docs/decisions/0006).
 */
const IDLE_AFTER_WORK_MS = 30_000;
const WORTH_BYTES = 4 * 1024 * 1024;
const AT_MOST_EVERY_MS = 60_000;
/** Compiled code that start-up alone needed is dropped once it has gone unused through several collections. */
const ROUNDS = 6;

export type CompactWhenIdleOptions = {
  clock: Clock;
  /** Not before this is true. */
  isStarted: () => boolean;
  /** Bytes in use, collected or not, and microseconds of CPU so far. Default: this process's. */
  read?: () => { residentBytes: number; cpuUs: number };
  compact?: () => void;
};

/**
 * Compacts once the process is started and idle for 2 s, and then, at most once a minute, when 4 MiB have come on top and it is idle
 * for 30 s: six times each. `close()` ends it.
 */
export function compactWhenIdle({ clock, isStarted, read = readProcess, compact = compactProcess }: CompactWhenIdleOptions): {
  close(): void;
} {
  let afterLastBytes = 0;
  let nextMs = 0;
  let roundsLeft = 0;
  let idleMs = 0;
  let enoughIdleMs = LOOK_EVERY_MS;
  let { cpuUs } = read();
  const timer = clock.every(LOOK_EVERY_MS, () => {
    const now = read();
    const isIdle = now.cpuUs - cpuUs < IDLE_SHARE * LOOK_EVERY_MS * 1000;
    cpuUs = now.cpuUs;
    idleMs = isIdle ? idleMs + LOOK_EVERY_MS : 0;
    if (!isIdle && afterLastBytes > 0) enoughIdleMs = IDLE_AFTER_WORK_MS;
    if (idleMs < enoughIdleMs || !isStarted()) return;
    if (roundsLeft === 0) {
      if (clock.monotonicMs() < nextMs || now.residentBytes < afterLastBytes + WORTH_BYTES) return;
      roundsLeft = ROUNDS;
      nextMs = clock.monotonicMs() + AT_MOST_EVERY_MS;
    }
    roundsLeft--;
    compact();
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

function compactProcess(): void {
  compactHeap();
  trimMalloc();
  releaseProgramPages();
}
