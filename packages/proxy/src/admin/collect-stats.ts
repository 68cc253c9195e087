// All numbers of the proxy under Envoy's names.

import { ISTIO_VERSION } from '@lateen/base';
import { isGauge } from '../listener/counters.ts';
import { listenerStatName } from '../listener/listener-stats.ts';
import type { HttpScope, Observer } from '../observe/observer.ts';
import { addStats, type Stat, statsOf } from '../observe/stats.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import { tlsStatsOf } from '../tls/tls-stats.ts';
import { type ClusterValue, clusterValues } from '../upstream/cluster-values.ts';
import { knownNames } from './known-names.ts';

export type ServerStats = {
  readonly uptimeSeconds: number;
  /** 0 live, 1 draining, 2 pre-initializing, 3 initializing: Envoy's numbers. */
  readonly state: number;
  readonly isAdsConnected: boolean;
  /** Cluster that ADS goes to; empty when there is none. */
  readonly adsClusterName: string;
  /** Leaves out clusters, listeners and connection managers that no connection ever used: a sidecar knows thousands. */
  readonly hidesUnused: boolean;
  /** Which statistics are kept, by full name; undefined: all. */
  readonly includes: ((name: string) => boolean) | undefined;
  /** What became of dynamic configuration. */
  readonly sourceStats: readonly Stat[];
  /** Dynamic ones that do not serve yet. */
  readonly warmingClusters: number;
  /** Threads in all. */
  readonly concurrency: number;
  readonly warmingListeners: number;
  readonly runtimeKeys: number;
  readonly runtimeLayers: number;
  readonly hasRuntimeOverrides: boolean;
  /** How often keys were changed. */
  readonly runtimeChanges: number;
  /** Of all certificates in force the first. */
  readonly daysUntilCertificateExpires: number;
  /** Number of this thread. */
  readonly thread: number;
};

/** What Envoy shows when there is nothing that could expire. */
export const NEVER = 4_294_967_295;

/** For a data plane that is not a process of its own. */
export const NO_SERVER: ServerStats = {
  uptimeSeconds: 0,
  state: 0,
  isAdsConnected: false,
  adsClusterName: '',
  hidesUnused: true,
  includes: undefined,
  sourceStats: [],
  warmingClusters: 0,
  concurrency: 1,
  warmingListeners: 0,
  runtimeKeys: 0,
  runtimeLayers: 0,
  hasRuntimeOverrides: false,
  runtimeChanges: 0,
  daysUntilCertificateExpires: NEVER,
  thread: 0,
};

// Where endpoints come from a source, the source counts (`sourceStats`); else the resolver does.
const BY_SOURCE = new Set(['update_attempt', 'update_success', 'update_failure', 'update_empty']);

export function collectStats(proxy: DataPlane, observer: Observer, server: ServerStats): Stat[] {
  const stats: Stat[] = [];
  const shows = (everUsed: number) => !server.hidesUnused || everUsed > 0;
  let isAdsShown = server.adsClusterName === '';
  const serving = new Set(proxy.clusters().map(({ name }) => name));
  for (const cluster of [...proxy.clusters(), ...proxy.warmingClusters().filter(({ name }) => !serving.has(name))]) {
    const { runtime, stats: values } = cluster;
    const isAds = runtime.name === server.adsClusterName;
    isAdsShown ||= isAds;
    if (isAds || shows(values.upstream_cx_total + values.upstream_rq_total)) {
      const isEds = runtime.discovery.kind === 'eds';
      // TLS is told below, with its labels.
      const own = clusterValues(cluster).filter(({ name }) => !name.startsWith('ssl.') && (!isEds || !BY_SOURCE.has(name)));
      const gauges = isAds ? adsConnection(server) : [];
      const usesTls = [runtime.transport, ...runtime.transportMatches.map((one) => one.transport)].some(({ kind }) => kind === 'tls');
      const scope = { prefix: `cluster.${runtime.statName}.`, family: 'envoy_cluster_', labels: { cluster_name: runtime.statName } };
      if (usesTls) stats.push(...tlsCounters(cluster, scope), ...secretCounters(cluster, scope, 'client_ssl_socket_factory'));
      stats.push(...clusterStats(runtime.statName, [...own.filter((one) => !gauges.some(({ name }) => name === one.name)), ...gauges]));
    }
  }
  if (!isAdsShown) stats.push(...clusterStats(server.adsClusterName, adsConnection(server)));
  stats.push(...listenerStats(proxy, server, shows));
  for (const scope of observer.httpStats.values()) if (shows(scope.stats.downstream_cx_total)) stats.push(...httpStats(scope));
  for (const [prefix, values] of observer.tcpStats) {
    if (!shows(values.downstream_cx_total)) continue;
    stats.push(...statsOf({ prefix: `tcp.${prefix}.`, family: 'envoy_tcp_', labels: { tcp_prefix: prefix }, values }));
  }
  for (const { name, ...rest } of observer.virtualHosts.values()) stats.push({ ...plain(name, 'counter', 0), ...rest });
  for (const [name, value] of observer.counters.entries()) stats.push(plain(name, 'counter', value));
  for (const [name, value] of proxy.counters.entries()) stats.push(plain(name, isGauge(name) ? 'gauge' : 'counter', value));
  for (const { name, type, value } of proxy.overload?.stats() ?? []) stats.push(plain(name, type, value));
  stats.push(...processStats(proxy, server));
  const startup = { initialization_time_ms: observer.startup };
  if (!server.hidesUnused) stats.push(...statsOf({ prefix: 'server.', family: 'envoy_server_', labels: {}, values: startup }));
  if (!server.hidesUnused) stats.push(...knownNames(proxy).map((name) => plain(name, 'counter', 0)));
  const { includes } = server;
  return withoutDoubles(includes ? stats.filter(({ name }) => includes(name)) : stats);
}

/** Connection managers of one prefix on several listeners are one to Envoy, and so is what is counted in two places. */
const withoutDoubles = (stats: readonly Stat[]): Stat[] => {
  const byName = new Map<string, Stat>();
  for (const stat of stats) {
    const known = byName.get(stat.name);
    byName.set(stat.name, known ? addStats(known, stat) : stat);
  }
  return [...byName.values()];
};

/** What Envoy shows of a connection manager by its listener, too. */
const BY_LISTENER = /^downstream_rq_(?:\dxx|completed)$/;

function httpStats({ listener, prefix, stats }: HttpScope): Stat[] {
  const values = { ...stats, ...stats.computed() };
  const own = statsOf({ prefix: `http.${prefix}.`, family: 'envoy_http_', labels: { http_conn_manager_prefix: prefix }, values });
  const some = Object.fromEntries(Object.entries(values).filter(([name]) => BY_LISTENER.test(name)));
  const labels = { http_conn_manager_prefix: prefix, listener_address: listener };
  if (listener === 'admin') {
    const { downstream_cx_total, downstream_cx_active, downstream_cx_destroy, downstream_cx_length_ms } = stats;
    const connections = { downstream_cx_total, downstream_cx_active };
    const scope = { family: 'envoy_listener_admin_', labels: {} };
    own.push(
      ...statsOf({ ...scope, prefix: 'listener.admin.', values: { ...connections, downstream_cx_destroy, downstream_cx_length_ms } }),
      ...statsOf({ ...scope, prefix: 'listener.admin.main_thread.', values: connections }),
    );
  }
  return [...own, ...statsOf({ prefix: `listener.${listener}.http.${prefix}.`, family: 'envoy_listener_http_', labels, values: some })];
}

const plain = (name: string, type: Stat['type'], value: number): Stat => ({
  name,
  family: `envoy_${name.replace(/[^a-zA-Z0-9_]/g, '_')}`,
  labels: {},
  type,
  value,
});

function listenerStats(proxy: DataPlane, server: ServerStats, shows: (everUsed: number) => boolean): Stat[] {
  return proxy.listeners().flatMap((listener) => {
    const { runtime, stats: values } = listener;
    if (!shows(values.downstream_cx_total)) return [];
    const name = listenerStatName(runtime);
    const scope = { prefix: `listener.${name}.`, family: 'envoy_listener_', labels: { listener_address: name } };
    const usesTls = [...runtime.filterChains, runtime.defaultFilterChain].some((chain) => chain?.tls !== undefined);
    const { downstream_cx_total, downstream_cx_active } = values;
    // Envoy counts by thread, too.
    const ofThread = { downstream_cx_total, downstream_cx_active };
    const thread = statsOf({
      ...scope,
      prefix: `${scope.prefix}worker_${server.thread}.`,
      family: 'envoy_listener_worker_',
      values: ofThread,
    });
    const secrets = usesTls ? secretCounters(listener, scope, 'server_ssl_socket_factory') : [];
    return [...statsOf({ ...scope, values }), ...thread, ...(usesTls ? tlsCounters(listener, scope) : []), ...secrets];
  });
}

function processStats(proxy: DataPlane, server: ServerStats): Stat[] {
  const memory = process.memoryUsage();
  const { draining, stats: manager } = proxy.listenerSet;
  const gauge = (name: string, value: number): Stat => plain(name, 'gauge', value);
  const counter = (name: string, value: number): Stat => plain(name, 'counter', value);
  return [
    gauge('server.uptime', Math.floor(server.uptimeSeconds)),
    gauge('server.live', server.state === 0 ? 1 : 0),
    gauge('server.state', server.state),
    gauge('server.concurrency', server.concurrency),
    gauge('server.version', Number.parseInt(ISTIO_VERSION.replaceAll('.', ''), 10) || 0),
    gauge('server.hot_restart_epoch', 0),
    gauge('server.hot_restart_generation', 1),
    gauge('server.compilation_settings.fips_mode', 0),
    gauge('server.days_until_first_cert_expiring', server.daysUntilCertificateExpires),
    gauge('server.seconds_until_first_ocsp_response_expiring', 0),
    gauge('server.stats_recent_lookups', 0),
    gauge('server.parent_connections', 0),
    gauge('server.memory_allocated', memory.heapUsed),
    gauge('server.memory_heap_size', memory.heapTotal),
    gauge('server.memory_physical_size', memory.rss),
    gauge('server.total_connections', proxy.connectionCount),
    ...(server.adsClusterName === '' ? [] : [gauge('control_plane.connected_state', server.isAdsConnected ? 1 : 0)]),
    ...Object.entries(manager).map(([name, value]) => counter(`listener_manager.${name}`, value)),
    gauge('listener_manager.workers_started', 1),
    gauge('listener_manager.total_listeners_active', proxy.listeners().length),
    gauge('listener_manager.total_listeners_warming', server.warmingListeners),
    gauge('listener_manager.workers_pinned', 0),
    gauge('listener_manager.total_listeners_draining', draining.listeners),
    gauge('listener_manager.total_filter_chains_draining', draining.chains),
    ...server.sourceStats,
    ...Object.entries(proxy.clusterCounts).map(([name, value]) => counter(`cluster_manager.${name}`, value)),
    gauge('cluster_manager.active_clusters', proxy.clusters().length),
    gauge('cluster_manager.warming_clusters', server.warmingClusters),
    gauge('runtime.admin_overrides_active', server.hasRuntimeOverrides ? 1 : 0),
    // Envoy loads twice as it starts.
    counter('runtime.load_success', 2 + server.runtimeChanges),
    counter('runtime.override_dir_not_exists', 2 + server.runtimeChanges),
    gauge('runtime.deprecated_feature_seen_since_process_start', 0),
    gauge('runtime.num_keys', server.runtimeKeys),
    gauge('runtime.num_layers', server.runtimeLayers),
  ];
}

type StatScope = { readonly prefix: string; readonly family: string; readonly labels: Stat['labels'] };

/** What follows "versions." and "ciphers." is a label in Prometheus, as Envoy has it. */
const tlsCounters = (owner: object, { prefix, family, labels }: StatScope): Stat[] =>
  [...tlsStatsOf(owner).entries()].map(([name, value]): Stat => {
    const [kind, which] = name.startsWith('versions.') || name.startsWith('ciphers.') ? (name.split('.', 2) as [string, string]) : [name];
    const label = which === undefined ? {} : { [`envoy_ssl_${kind === 'versions' ? 'version' : 'cipher'}`]: name.slice(kind.length + 1) };
    return { name: `${prefix}ssl.${name}`, family: `${family}ssl_${kind}`, labels: { ...label, ...labels }, type: 'counter', value };
  });

/** How often a context waited for its secrets, and how often they came anew. */
function secretCounters(
  owner: object,
  { prefix, family, labels }: StatScope,
  factory: 'client_ssl_socket_factory' | 'server_ssl_socket_factory',
): Stat[] {
  const { context_secrets_not_ready: notReady, context_update_by_sds: updates } = tlsStatsOf(owner);
  const isServer = factory === 'server_ssl_socket_factory';
  const values = {
    downstream_context_secrets_not_ready: isServer ? notReady : 0,
    upstream_context_secrets_not_ready: isServer ? 0 : notReady,
    ssl_context_update_by_sds: updates,
  };
  return statsOf({ prefix: `${prefix}${factory}.`, family: `${family}${factory}_`, labels, values });
}

const clusterStats = (name: string, values: readonly ClusterValue[]): Stat[] =>
  values.map((one): Stat => {
    // Envoy turns status codes and their classes into labels.
    const code = /^(upstream_rq)_(?:(\d)xx|(\d{3}))$/.exec(one.name);
    const label = code?.[2] ? { envoy_response_code_class: code[2] } : code?.[3] ? { envoy_response_code: code[3] } : {};
    return {
      ...one,
      name: `cluster.${name}.${one.name}`,
      family: `envoy_cluster_${code ? (code[2] ? 'upstream_rq_xx' : 'upstream_rq') : one.name.replaceAll('.', '_')}`,
      labels: { ...label, cluster_name: name },
    };
  });

// ADS runs beside the data path; its connection shows where dashboards look for it.
const adsConnection = ({ isAdsConnected }: ServerStats): ClusterValue[] => [
  { name: 'upstream_cx_active', type: 'gauge', value: isAdsConnected ? 1 : 0 },
];

/** Sets every counter back to zero; gauges stay. */
export function resetCounters(proxy: DataPlane, observer: Observer): void {
  const groups: object[] = [
    ...proxy.clusters().flatMap((cluster) => [cluster.stats, ...cluster.listHosts().map((host) => host.stats)]),
    ...proxy.listeners().map((listener) => listener.stats),
    ...[...observer.httpStats.values()].map(({ stats }) => stats),
    ...observer.tcpStats.values(),
    proxy.listenerSet.stats,
    proxy.clusterCounts,
  ];
  for (const group of groups as Record<string, unknown>[]) {
    for (const { name, type } of statsOf({ prefix: '', family: '', labels: {}, values: group })) if (type === 'counter') group[name] = 0;
  }
  for (const { bytes } of proxy.clusters()) bytes.reset();
  for (const { stats } of observer.httpStats.values()) for (const bytes of [stats.http1, stats.http2]) bytes.reset();
  observer.virtualHosts.reset();
  proxy.counters.reset();
  observer.counters.reset();
}
