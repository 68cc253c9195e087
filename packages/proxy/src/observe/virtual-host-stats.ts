// What a virtual host counts of the requests that went to an upstream: by virtual cluster, and by routes with a stat_prefix.

import { flagBit, type RequestRecord } from '../http/request-record.ts';
import { Histogram } from './histogram.ts';
import type { Stat } from './stats.ts';

/** Under Envoy's names, below "vhost.<name>.vcluster.<name>." or "vhost.<name>.route.<prefix>.". */
class OutcomeStats {
  upstream_rq_total = 0;
  upstream_rq_completed = 0;
  upstream_rq_retry = 0;
  upstream_rq_retry_limit_exceeded = 0;
  upstream_rq_retry_overflow = 0;
  upstream_rq_retry_success = 0;
  upstream_rq_timeout = 0;
  readonly upstream_rq_time = new Histogram();
  readonly statuses = new Map<number, number>();

  count(record: RequestRecord): void {
    const { responseCode, upstreamAttemptCount, responseFlags: flags, requestDurationMs } = record;
    // Who got no connection was not sent.
    this.upstream_rq_total += flags & NOT_CONNECTED ? upstreamAttemptCount - 1 : upstreamAttemptCount;
    this.upstream_rq_retry += upstreamAttemptCount - 1;
    if (flags & RETRY_LIMIT) this.upstream_rq_retry_limit_exceeded++;
    if (flags & TIMEOUT) this.upstream_rq_timeout++;
    if (responseCode === 0) return;
    if (upstreamAttemptCount > 1 && responseCode < 500) this.upstream_rq_retry_success++;
    this.upstream_rq_completed++;
    this.statuses.set(responseCode, (this.statuses.get(responseCode) ?? 0) + 1);
    if (record.responseDurationMs !== undefined) this.upstream_rq_time.record(record.durationMs - (requestDurationMs ?? 0));
  }
}

const NOT_CONNECTED = flagBit('UF');
const RETRY_LIMIT = flagBit('URX');
const TIMEOUT = flagBit('UT');

export class VirtualHostStats {
  private readonly byPrefix = new Map<string, OutcomeStats>();

  count(record: RequestRecord): void {
    const { decision } = record;
    if (decision?.kind !== 'forward' || record.upstreamAttemptCount === 0) return;
    const { virtualHost, route } = decision;
    if (virtualHost.virtualClusters.length > 0)
      this.of(`vhost.${virtualHost.name}.vcluster.${record.virtualCluster ?? 'other'}.`).count(record);
    if (route.statPrefix !== '') this.of(`vhost.${virtualHost.name}.route.${route.statPrefix}.`).count(record);
  }

  private of(prefix: string): OutcomeStats {
    let stats = this.byPrefix.get(prefix);
    if (!stats) {
      stats = new OutcomeStats();
      this.byPrefix.set(prefix, stats);
    }
    return stats;
  }

  /** By name; the labels are the caller's. */
  values(): Pick<Stat, 'name' | 'type' | 'value' | 'counts'>[] {
    return [...this.byPrefix].flatMap(([prefix, { statuses, upstream_rq_time: time, ...numbers }]) => {
      const classes = new Map<string, number>();
      for (const [status, count] of statuses) {
        const name = `upstream_rq_${Math.floor(status / 100)}xx`;
        classes.set(name, (classes.get(name) ?? 0) + count);
      }
      const codes = [...statuses].map(([status, count]): [string, number] => [`upstream_rq_${status}`, count]);
      const counters = [...Object.entries(numbers), ...classes, ...codes];
      const counts = time.counts();
      return [
        ...counters.map(([name, value]) => ({ name: prefix + name, type: 'counter' as const, value })),
        { name: `${prefix}upstream_rq_time`, type: 'histogram' as const, value: counts.reduce((sum, [, count]) => sum + count, 0), counts },
      ];
    });
  }

  reset(): void {
    this.byPrefix.clear();
  }
}
