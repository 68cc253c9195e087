// How many attempts a request may still make, and what the cluster's counters say of them.

import type { ResponseFlag } from '../http/request-record.ts';
import type { BreakerState } from '../upstream/circuit-breaker.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';

export class RetryCount {
  private readonly limit: number;
  private readonly breaker: BreakerState;
  private readonly stats: ClusterStats;
  /** Begun so far. */
  retries = 0;
  private isUnderWay = false;

  constructor(limit: number, breaker: BreakerState, stats: ClusterStats) {
    this.limit = limit;
    this.breaker = breaker;
    this.stats = stats;
  }

  /** Counts another retry; the one before it has failed. When there must be none, the flag that says why. */
  begin(): ResponseFlag | undefined {
    this.end(false);
    if (this.retries >= this.limit) {
      this.stats.upstream_rq_retry_limit_exceeded++;
      return 'URX';
    }
    if (!this.breaker.canRetry) {
      this.stats.upstream_rq_retry_overflow++;
      return 'UO';
    }
    this.retries++;
    this.isUnderWay = true;
    this.breaker.retries++;
    this.stats.upstream_rq_retry++;
    return undefined;
  }

  /** The retry under way, if there is one, is over. */
  end(succeeded: boolean): void {
    if (!this.isUnderWay) return;
    this.isUnderWay = false;
    this.breaker.retries--;
    if (succeeded) this.stats.upstream_rq_retry_success++;
  }
}
