// What a virtual host counts of the requests that went to an upstream: by virtual cluster, and by routes with a stat_prefix.

import type { RequestRecord } from '../http/request-record.ts';
import type { Counters } from '../listener/counters.ts';

export function countOfVirtualHost(record: RequestRecord, counters: Counters): void {
  const { decision } = record;
  if (decision?.kind !== 'forward' || record.upstreamAttemptCount === 0) return;
  const { virtualHost, route } = decision;
  if (virtualHost.virtualClusters.length > 0) {
    countOutcome(counters, `vhost.${virtualHost.name}.vcluster.${record.virtualCluster ?? 'other'}.`, record);
  }
  if (route.statPrefix !== '') countOutcome(counters, `vhost.${virtualHost.name}.route.${route.statPrefix}.`, record);
}

function countOutcome(counters: Counters, prefix: string, { responseCode, upstreamAttemptCount }: RequestRecord): void {
  counters.count(`${prefix}upstream_rq_total`, upstreamAttemptCount);
  if (upstreamAttemptCount > 1) counters.count(`${prefix}upstream_rq_retry`, upstreamAttemptCount - 1);
  if (responseCode === 0) return;
  counters.count(`${prefix}upstream_rq_completed`);
  counters.count(`${prefix}upstream_rq_${responseCode}`);
  counters.count(`${prefix}upstream_rq_${Math.floor(responseCode / 100)}xx`);
}
