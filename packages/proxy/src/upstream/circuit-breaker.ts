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

  /** With a budget, retries may be a share of what is active; otherwise a fixed number. */
  get canRetry(): boolean {
    const { retryBudget, maxRetries } = this.limits;
    if (!retryBudget) return this.retries < maxRetries;
    const active = this.requests + this.pending;
    return this.retries < Math.max(retryBudget.minConcurrency, (active * retryBudget.percent) / 100);
  }
}
