// A circuit breaker whose limits hold for all threads together, as in Envoy.

import type { CircuitBreaker } from '../runtime/model.ts';
import { BreakerState } from '../upstream/circuit-breaker.ts';
import { COUNTS_PER_ROW, type SharedCounts } from './shared-counts.ts';

const CONNECTIONS = 0;
const PENDING = 1;
const REQUESTS = 2;
const RETRIES = 3;

/** Breakers of one thread of several. `key` names the cluster and the priority; versions of a cluster count together. */
export const createSharedBreakers =
  (counts: SharedCounts) =>
  (key: string, limits: CircuitBreaker): BreakerState =>
    new SharedBreaker(counts, key, limits);

class SharedBreaker extends BreakerState {
  private readonly counts: SharedCounts;
  /** Undefined without a free row and after `close`: then only this thread counts. */
  private row: number | undefined;
  /** What this breaker has added to its thread's part of the row. */
  private readonly own = new Int32Array(COUNTS_PER_ROW);

  constructor(counts: SharedCounts, key: string, limits: CircuitBreaker) {
    super(limits);
    this.counts = counts;
    this.row = counts.take(key);
  }

  get connections(): number {
    return this.own[CONNECTIONS] as number;
  }

  set connections(count: number) {
    this.set(CONNECTIONS, count);
  }

  get pending(): number {
    return this.own[PENDING] as number;
  }

  set pending(count: number) {
    this.set(PENDING, count);
  }

  get requests(): number {
    return this.own[REQUESTS] as number;
  }

  set requests(count: number) {
    this.set(REQUESTS, count);
  }

  get retries(): number {
    return this.own[RETRIES] as number;
  }

  set retries(count: number) {
    this.set(RETRIES, count);
  }

  protected override get allConnections(): number {
    return this.sum(CONNECTIONS);
  }

  protected override get allPending(): number {
    return this.sum(PENDING);
  }

  protected override get allRequests(): number {
    return this.sum(REQUESTS);
  }

  protected override get allRetries(): number {
    return this.sum(RETRIES);
  }

  override close(): void {
    const { counts, row, own } = this;
    if (row === undefined) return;
    this.row = undefined;
    const cell = counts.cellOf(row);
    for (let i = 0; i < COUNTS_PER_ROW; i++) Atomics.sub(counts.cells, cell + i, own[i] as number);
    counts.leave(row);
  }

  private set(index: number, count: number): void {
    const { counts, row, own } = this;
    if (row !== undefined) Atomics.add(counts.cells, counts.cellOf(row) + index, count - (own[index] as number));
    own[index] = count;
  }

  private sum(index: number): number {
    const { counts, row } = this;
    if (row === undefined) return this.own[index] as number;
    let sum = 0;
    for (let thread = 0; thread < counts.threads; thread++) sum += Atomics.load(counts.cells, counts.cellOf(row, thread) + index);
    return sum;
  }
}
