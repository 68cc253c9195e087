// A cluster's numbers as the admin interface prints them: Envoy's dotted names, each a counter, a gauge or a histogram.

import { readValue, type Stat } from '../observe/stats.ts';
import { tlsStatsOf } from '../tls/tls-stats.ts';
import type { ClusterState } from './cluster-state.ts';
import { StatusCounts } from './status-counts.ts';

export type ClusterValue = Pick<Stat, 'name' | 'type' | 'value' | 'counts'>;

const GAUGES =
  /(?:_active|_buffered|_open|^version|^max_host_weight|^(?:ring_hash|maglev)_lb\.\w+|^warming_state|^membership_(?!change).*|^health_check\.(?:healthy|degraded)|remaining_\w+)$/;

const CLASSES = ['completed', '1xx', '2xx', '3xx', '4xx', '5xx'];
const NO_ANSWERS = Object.fromEntries(CLASSES.map((name) => [`upstream_rq_${name}`, 0]));

/** Everything that can be said of the cluster; parts that are not configured (subsets, health checks, outliers) are left out. */
export function clusterValues(cluster: ClusterState): ClusterValue[] {
  const { stats, runtime, breakers } = cluster;
  const values: ClusterValue[] = [];
  const add = (prefix: string, numbers: object) => {
    for (const [field, value] of Object.entries(numbers) as [string, unknown][]) {
      const name = prefix + field;
      const read = readValue(value, GAUGES.test(name));
      if (read) values.push({ name, ...read });
    }
  };
  add('', stats);
  add('', cluster.bytes.named('upstream_cx'));
  const { internal, external, canary, retry } = stats;
  add('', { ...NO_ANSWERS, ...StatusCounts.named([internal, external]) });
  for (const [prefix, counts] of Object.entries({ internal, external, canary, retry })) add(`${prefix}.`, StatusCounts.named([counts]));
  if (stats.http2) add('http2.', stats.http2);
  if (runtime.subsets) add('', stats.subsets);
  if (runtime.lb.kind === 'ring_hash') add('ring_hash_lb.', stats.ringHash);
  if (runtime.lb.kind === 'maglev') add('maglev_lb.', stats.maglev);
  if (runtime.outlier) add('outlier_detection.', stats.outlier);
  if (runtime.healthCheck) add('health_check.', stats.healthCheck);
  if (runtime.transport.kind === 'tls' || runtime.transportMatches.some(({ transport }) => transport.kind === 'tls')) {
    add('ssl.', Object.fromEntries(tlsStatsOf(cluster).entries()));
  }
  for (const priority of ['default', 'high'] as const) add(`circuit_breakers.${priority}.`, breakers[priority].gauges());
  return values;
}
