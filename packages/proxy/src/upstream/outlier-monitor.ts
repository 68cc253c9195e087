// What outlier detection remembers of one host.

import type { Detection } from './outlier.ts';

/** Results of one interval, of one origin. */
export class SuccessRate {
  success = 0;
  total = 0;
  /** Percent in the last full interval; -1: too few requests, or none yet. */
  last = -1;

  count(isSuccess: boolean): void {
    this.total++;
    if (isSuccess) this.success++;
  }

  /** Ends the interval; gives its numbers. */
  take(): { success: number; total: number } {
    const { success, total } = this;
    this.success = 0;
    this.total = 0;
    return { success, total };
  }
}

export class OutlierMonitor {
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  consecutiveLocalFailures = 0;
  /** How many base times the next ejection lasts. */
  backoff = 0;
  /** How often it was ejected, for what the last time. */
  ejections = 0;
  lastDetection: Detection | undefined;
  /** On the monotonic clock: when it was ejected or let in again; undefined: never. */
  lastActionMs: number | undefined;
  readonly external = new SuccessRate();
  readonly local = new SuccessRate();
}
