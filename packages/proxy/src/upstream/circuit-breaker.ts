// What a cluster may have under way at once. One per priority class; counted across all hosts.

import type { CircuitBreaker } from '../runtime/model.ts';

export class BreakerState {
  limits: CircuitBreaker;
  connections = 0;
  pending = 0;
  requests = 0;
  retries = 0;

  constructor(limits: CircuitBreaker) {
    this.limits = limits;
  }

  get canConnect(): boolean {
    return this.connections < this.limits.maxConnections;
  }

  get canQueue(): boolean {
    return this.pending < this.limits.maxPendingRequests;
  }

  get canRequest(): boolean {
    return this.requests < this.limits.maxRequests;
  }

  get canRetry(): boolean {
    return this.retries < this.maxRetries;
  }

  /** With a budget, retries may be a share of what is active; otherwise a fixed number. */
  private get maxRetries(): number {
    const { retryBudget, maxRetries } = this.limits;
    if (!retryBudget) return maxRetries;
    return Math.max(retryBudget.minConcurrency, ((this.requests + this.pending) * retryBudget.percent) / 100);
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
        remaining_cx: Math.max(0, limits.maxConnections - this.connections),
        remaining_pending: Math.max(0, limits.maxPendingRequests - this.pending),
        remaining_rq: Math.max(0, limits.maxRequests - this.requests),
        remaining_retries: Math.max(0, Math.floor(this.maxRetries) - this.retries),
      }),
    };
  }
}
