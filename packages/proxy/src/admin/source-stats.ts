// What became of the updates of clusters, listeners, endpoints and routes, under Envoy's names.

import type { LiveConfig } from '../ads/live-config.ts';
import type { SourceCounters, SourceCounts } from '../ads/source-counts.ts';
import type { Stat } from '../observe/stats.ts';

const ALL = ['update_attempt', 'update_success', 'update_rejected', 'update_failure', 'init_fetch_timeout'] as const;
type CounterName = Exclude<keyof SourceCounts, 'update_time'>;
type Scope = { readonly prefix: string; readonly family: string; readonly labels: Stat['labels'] };

const statsOf = ({ prefix, family, labels }: Scope, counts: Readonly<SourceCounts>, names: readonly CounterName[]): Stat[] => [
  ...names.map((name): Stat => ({ name: prefix + name, family: family + name, labels, type: 'counter', value: counts[name] })),
  { name: `${prefix}update_time`, family: `${family}update_time`, labels, type: 'gauge', value: counts.update_time },
];

const lds = (counts: Readonly<SourceCounts>): Stat[] =>
  statsOf({ prefix: 'listener_manager.lds.', family: 'envoy_listener_manager_lds_', labels: {} }, counts, ALL);
const cds = (counts: Readonly<SourceCounts>): Stat[] =>
  statsOf({ prefix: 'cluster_manager.cds.', family: 'envoy_cluster_manager_cds_', labels: {} }, counts, [...ALL, 'config_reload']);

export type SourceStatsOptions = {
  /** Of clusters and listeners; undefined: they have no source. */
  first(kind: 'cluster' | 'listener'): Readonly<SourceCounts> | undefined;
  counters: SourceCounters;
  /** Leaves out endpoints and routes from ADS; a sidecar has thousands. */
  hidesAds: boolean;
};

export function sourceStats(config: LiveConfig, { first, counters, hidesAds }: SourceStatsOptions): Stat[] {
  const [listeners, clusters] = [first('listener'), first('cluster')];
  const stats = [...(listeners ? lds(listeners) : []), ...(clusters ? cds(clusters) : [])];
  const text = (scope: Scope, version: string | undefined): Stat => ({
    name: `${scope.prefix}version_text`,
    family: `${scope.family}version_text`,
    labels: scope.labels,
    type: 'text',
    value: 0,
    text: version ?? '',
  });
  const versionOf = (kind: 'cluster' | 'listener' | 'endpoints' | 'route', name?: string) =>
    config.entries(kind).find(({ entry }) => !entry.isStatic && (name === undefined || entry.name === name))?.entry.version;
  if (listeners)
    stats.push(text({ prefix: 'listener_manager.lds.', family: 'envoy_listener_manager_lds_', labels: {} }, versionOf('listener')));
  if (clusters)
    stats.push(text({ prefix: 'cluster_manager.cds.', family: 'envoy_cluster_manager_cds_', labels: {} }, versionOf('cluster')));
  const shown = (kind: 'endpoints' | 'route') =>
    [...config.references(kind).values()].filter(({ source }) => !hidesAds || source.kind !== 'ads');
  for (const { key, resourceName, statPrefixes } of shown('endpoints')) {
    for (const name of statPrefixes) {
      const scope = { prefix: `cluster.${name}.`, family: 'envoy_cluster_', labels: { cluster_name: name } };
      stats.push(
        ...statsOf(scope, counters.of('endpoints', key), [...ALL, 'update_empty']),
        text(scope, versionOf('endpoints', resourceName)),
      );
    }
  }
  for (const { key, resourceName, statPrefixes } of shown('route')) {
    for (const name of statPrefixes) {
      const labels = { http_conn_manager_prefix: name, rds_route_config: resourceName };
      const scope = { prefix: `http.${name}.rds.${resourceName}.`, family: 'envoy_http_rds_', labels };
      stats.push(
        ...statsOf(scope, counters.of('route', key), [...ALL, 'update_empty', 'config_reload']),
        text(scope, versionOf('route', resourceName)),
      );
    }
  }
  return stats;
}
