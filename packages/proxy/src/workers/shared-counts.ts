// Counts that several threads keep together, for circuit breakers: each key has a row, each thread a part of the row that it alone
// writes, and everyone adds the parts up. So nobody waits for anybody while requests are counted; only taking and leaving a row locks.

import { createHash } from 'node:crypto';

/** Of one row: connections, pending, requests, retries. */
export const COUNTS_PER_ROW = 4;
/** A name and priority take a row; with more, the rest is counted by each thread for itself. */
const MAX_ROWS = 32_768;
const EMPTY = 0n;
/** Was taken once: what lies behind it can still be found. */
const LEFT = 1n;

/** What the threads share; memory is only used for rows that are taken. */
export type SharedCountsMemory = { readonly threads: number; readonly buffer: SharedArrayBuffer };

export function allocateSharedCounts(threads: number): SharedCountsMemory {
  return { threads, buffer: new SharedArrayBuffer(8 + MAX_ROWS * (8 + 4 * threads * (1 + COUNTS_PER_ROW))) };
}

/** The view of one thread. */
export class SharedCounts {
  readonly memory: SharedCountsMemory;
  readonly threads: number;
  readonly thread: number;
  /** Row by row, thread by thread: `cellOf` says where. */
  readonly cells: Int32Array;
  private readonly lock: Int32Array;
  private readonly keys: BigUint64Array;
  /** Row by row and thread by thread, how often the thread has taken the row. */
  private readonly users: Int32Array;

  constructor(memory: SharedCountsMemory, thread: number) {
    const { threads, buffer } = memory;
    this.memory = memory;
    this.threads = threads;
    this.thread = thread;
    this.lock = new Int32Array(buffer, 0, 1);
    this.keys = new BigUint64Array(buffer, 8, MAX_ROWS);
    this.users = new Int32Array(buffer, 8 + 8 * MAX_ROWS, MAX_ROWS * threads);
    this.cells = new Int32Array(buffer, 8 + (8 + 4 * threads) * MAX_ROWS, MAX_ROWS * threads * COUNTS_PER_ROW);
  }

  /** Where the counts of `thread` (default: this one) in a row begin. */
  cellOf(row: number, thread = this.thread): number {
    return (row * this.threads + thread) * COUNTS_PER_ROW;
  }

  /** The row of a key, for this thread to count in until it is left; undefined when no row is free. */
  take(key: string): number | undefined {
    const wanted = keyOf(key);
    return this.locked(() => {
      const row = this.find(wanted);
      if (row === undefined) return undefined;
      this.keys[row] = wanted;
      const user = row * this.threads + this.thread;
      this.users[user] = (this.users[user] as number) + 1;
      return row;
    });
  }

  leave(row: number): void {
    this.locked(() => this.removeUser(row, this.thread));
  }

  /** Takes back what a thread has counted that has ended without leaving its rows. */
  forget(thread: number): void {
    this.locked(() => {
      for (let row = 0; row < MAX_ROWS; row++) {
        if (this.users[row * this.threads + thread] === 0) continue;
        this.users[row * this.threads + thread] = 1;
        this.removeUser(row, thread);
      }
    });
  }

  private find(wanted: bigint): number | undefined {
    const first = Number(wanted % BigInt(MAX_ROWS));
    let free: number | undefined;
    for (let i = 0; i < MAX_ROWS; i++) {
      const row = (first + i) % MAX_ROWS;
      const key = this.keys[row];
      if (key === wanted) return row;
      if (key === LEFT) free ??= row;
      if (key === EMPTY) return free ?? row;
    }
    return free;
  }

  private removeUser(row: number, thread: number): void {
    const user = row * this.threads + thread;
    const left = (this.users[user] as number) - 1;
    this.users[user] = left;
    if (left > 0) return;
    this.cells.fill(0, this.cellOf(row, thread), this.cellOf(row, thread) + COUNTS_PER_ROW);
    const users = this.users.subarray(row * this.threads, (row + 1) * this.threads);
    if (users.every((count) => count === 0)) this.keys[row] = LEFT;
  }

  private locked<T>(run: () => T): T {
    const { lock } = this;
    while (Atomics.compareExchange(lock, 0, 0, 1) !== 0) Atomics.wait(lock, 0, 1);
    try {
      return run();
    } finally {
      Atomics.store(lock, 0, 0);
      Atomics.notify(lock, 0, 1);
    }
  }
}

function keyOf(text: string): bigint {
  const key = createHash('sha256').update(text).digest().readBigUInt64LE();
  return key > LEFT ? key : key + 2n;
}
