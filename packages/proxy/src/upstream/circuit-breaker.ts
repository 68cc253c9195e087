// What a cluster may have under way at once. One per priority class; counted across all hosts, and across threads where there are
// several (`workers/shared-breaker.ts`).

import type { CircuitBreaker } from '../runtime/model.ts';

export abstract class BreakerState {
  limits: CircuitBreaker;
  /** Of this thread, as the others. */
  abstract connections: number;
  abstract pending: number;
  abstract requests: number;
  abstract retries: number;
  protected abstract readonly allConnections: number;
  protected abstract readonly allPending: number;
  protected abstract readonly allRequests: number;
  protected abstract readonly allRetries: number;

  constructor(limits: CircuitBreaker) {
    this.limits = limits;
  }

  get canConnect(): boolean {
    return this.allConnections < this.limits.maxConnections;
  }

  get canQueue(): boolean {
    return this.allPending < this.limits.maxPendingRequests;
  }

  get canRequest(): boolean {
    return this.allRequests < this.limits.maxRequests;
  }

  get canRetry(): boolean {
    return this.allRetries < this.maxRetries;
  }

  /** With a budget, retries may be a share of what is active; otherwise a fixed number. */
  private get maxRetries(): number {
    const { retryBudget, maxRetries } = this.limits;
    if (!retryBudget) return maxRetries;
    return Math.max(retryBudget.minConcurrency, Math.floor(((this.allRequests + this.allPending) * retryBudget.percent) / 100));
  }

  /** Envoy's gauges; 1 = open: the limit is reached. */
  gauges(): Readonly<Record<string, number>> {
    const { limits } = this;
    const open = (can: boolean) => (can ? 0 : 1);
    return {
      cx_open: open(this.canConnect),
      // Pools are made per host and version of HTTP; nothing limits them.
      cx_pool_open: 0,
      rq_pending_open: open(this.canQueue),
      rq_open: open(this.canRequest),
      rq_retry_open: open(this.canRetry),
      ...(limits.trackRemaining && {
        remaining_cx: Math.max(0, limits.maxConnections - this.allConnections),
        remaining_pending: Math.max(0, limits.maxPendingRequests - this.allPending),
        remaining_rq: Math.max(0, limits.maxRequests - this.allRequests),
        remaining_retries: Math.max(0, this.maxRetries - this.allRetries),
      }),
    };
  }

  /** The cluster is no more; what still ends is counted by this breaker alone. */
  close(): void {}
}

/** Of a proxy with one thread. */
export class LocalBreaker extends BreakerState {
  connections = 0;
  pending = 0;
  requests = 0;
  retries = 0;

  protected get allConnections(): number {
    return this.connections;
  }

  protected get allPending(): number {
    return this.pending;
  }

  protected get allRequests(): number {
    return this.requests;
  }

  protected get allRetries(): number {
    return this.retries;
  }
}
