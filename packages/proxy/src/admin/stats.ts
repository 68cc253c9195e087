// All numbers of the proxy under Envoy's names: `/stats` and the Prometheus form of the same.

import { compileRegex, escapeLabelValue } from '@lateen/base';
import type { Observer } from '../observe/observer.ts';
import { type Stat, statsOf } from '../observe/stats.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import { tlsStatsOf } from '../tls/tls-stats.ts';
import { type ClusterValue, clusterValues } from '../upstream/cluster-values.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

export type ServerStats = {
  readonly uptimeSeconds: number;
  /** 0 live, 1 draining, 2 pre-initializing, 3 initializing: Envoy's numbers. */
  readonly state: number;
  readonly isAdsConnected: boolean;
  /** Cluster that ADS goes to; empty when there is none. */
  readonly adsClusterName: string;
  /** Leaves out clusters, listeners and connection managers that no connection ever used: a sidecar knows thousands. */
  readonly hidesUnused: boolean;
};

export function collectStats(proxy: DataPlane, observer: Observer, server: ServerStats): Stat[] {
  const stats: Stat[] = [];
  const listeners = proxy.listeners();
  const shows = (everUsed: number) => !server.hidesUnused || everUsed > 0;
  let isAdsShown = server.adsClusterName === '';
  for (const cluster of proxy.clusters()) {
    const { runtime, stats: values } = cluster;
    const isAds = runtime.name === server.adsClusterName;
    isAdsShown ||= isAds;
    if (isAds || shows(values.upstream_cx_total + values.upstream_rq_total)) {
      const own = clusterValues(cluster);
      const gauges = isAds ? adsConnection(server) : [];
      const usesTls = [runtime.transport, ...runtime.transportMatches.map((one) => one.transport)].some(({ kind }) => kind === 'tls');
      const scope = { prefix: `cluster.${runtime.statName}.`, family: 'envoy_cluster_', labels: { cluster_name: runtime.statName } };
      if (usesTls) stats.push(...tlsCounters(cluster, scope));
      stats.push(...clusterStats(runtime.statName, [...own.filter((one) => !gauges.some(({ name }) => name === one.name)), ...gauges]));
    }
  }
  if (!isAdsShown) stats.push(...clusterStats(server.adsClusterName, adsConnection(server)));
  for (const listener of listeners) {
    const { runtime, stats: values } = listener;
    if (!shows(values.downstream_cx_total)) continue;
    const [address] = runtime.addresses;
    const name = runtime.statPrefix || (address ? `${address.host}_${address.port}` : runtime.name);
    stats.push(...statsOf({ prefix: `listener.${name}.`, family: 'envoy_listener_', labels: { listener_address: name }, values }));
    const usesTls = [...runtime.filterChains, runtime.defaultFilterChain].some((chain) => chain?.tls !== undefined);
    if (usesTls)
      stats.push(...tlsCounters(listener, { prefix: `listener.${name}.`, family: 'envoy_listener_', labels: { listener_address: name } }));
  }
  for (const [prefix, values] of observer.httpStats) {
    if (!shows(values.downstream_cx_total)) continue;
    stats.push(...statsOf({ prefix: `http.${prefix}.`, family: 'envoy_http_', labels: { http_conn_manager_prefix: prefix }, values }));
  }
  for (const [prefix, values] of observer.tcpStats) {
    if (!shows(values.downstream_cx_total)) continue;
    stats.push(...statsOf({ prefix: `tcp.${prefix}.`, family: 'envoy_tcp_', labels: { tcp_prefix: prefix }, values }));
  }
  const memory = process.memoryUsage();
  const gauge = (name: string, value: number): Stat => ({
    name,
    family: `envoy_${name.replaceAll('.', '_')}`,
    labels: {},
    type: 'gauge',
    value,
  });
  stats.push(
    gauge('server.uptime', Math.floor(server.uptimeSeconds)),
    gauge('server.live', server.state === 0 ? 1 : 0),
    gauge('server.state', server.state),
    gauge('server.concurrency', 1),
    gauge('server.memory_allocated', memory.heapUsed),
    gauge('server.memory_heap_size', memory.heapTotal),
    gauge('server.memory_physical_size', memory.rss),
    gauge('server.total_connections', proxy.connectionCount),
    gauge('control_plane.connected_state', server.isAdsConnected ? 1 : 0),
    gauge('listener_manager.total_listeners_active', listeners.length),
    gauge('cluster_manager.active_clusters', proxy.clusters().length),
  );
  return stats;
}

type StatScope = { readonly prefix: string; readonly family: string; readonly labels: Stat['labels'] };

/** What follows "versions." and "ciphers." is a label in Prometheus, as Envoy has it. */
const tlsCounters = (owner: object, { prefix, family, labels }: StatScope): Stat[] =>
  [...tlsStatsOf(owner).entries()].map(([name, value]): Stat => {
    const [kind, which] = name.startsWith('versions.') || name.startsWith('ciphers.') ? (name.split('.', 2) as [string, string]) : [name];
    const label = which === undefined ? {} : { [`envoy_ssl_${kind === 'versions' ? 'version' : 'cipher'}`]: name.slice(kind.length + 1) };
    return { name: `${prefix}ssl.${name}`, family: `${family}ssl_${kind}`, labels: { ...label, ...labels }, type: 'counter', value };
  });

const clusterStats = (name: string, values: readonly ClusterValue[]): Stat[] =>
  values.map((one): Stat => {
    // Envoy turns status codes and their classes into labels.
    const code = /^(upstream_rq)_(?:(\d)xx|(\d{3}))$/.exec(one.name);
    const label = code?.[2] ? { envoy_response_code_class: code[2] } : code?.[3] ? { envoy_response_code: code[3] } : {};
    return {
      name: `cluster.${name}.${one.name}`,
      family: `envoy_cluster_${code ? (code[2] ? 'upstream_rq_xx' : 'upstream_rq') : one.name.replaceAll('.', '_')}`,
      labels: { ...label, cluster_name: name },
      type: one.type,
      value: one.value,
    };
  });

// ADS runs beside the data path; its connection shows where dashboards look for it.
const adsConnection = ({ isAdsConnected }: ServerStats): ClusterValue[] => [
  { name: 'upstream_cx_active', type: 'gauge', value: isAdsConnected ? 1 : 0 },
];

export function renderPrometheus(stats: readonly Stat[]): string {
  const families = new Map<string, Stat[]>();
  for (const stat of stats) {
    const known = families.get(stat.family);
    if (known) known.push(stat);
    else families.set(stat.family, [stat]);
  }
  let text = '';
  for (const [family, members] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
    text += `# TYPE ${family} ${members[0]?.type}\n`;
    for (const { labels, value } of members) {
      const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabelValue(label)}"`);
      text += `${family}{${pairs.join(',')}} ${value}\n`;
    }
  }
  return text;
}

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** `/stats` with filter, usedonly, format=text|json|prometheus. `exposition` is the whole Prometheus text. */
export function replyStats({ query }: Pick<EndpointRequest, 'query'>, stats: readonly Stat[], exposition: () => string): EndpointReply {
  const filter = query.get('filter');
  const regex = filter ? compileRegex(filter) : undefined;
  if (regex && !regex.ok) return { status: 400, body: `Invalid regex: "${regex.error}"\n` };
  const format = query.get('format') ?? 'text';
  if (format === 'prometheus') return { status: 200, body: exposition(), contentType: PROMETHEUS_TYPE };
  const chosen = stats
    .filter(({ name, value }) => (!regex || regex.value.matchesPartly(name)) && (!query.has('usedonly') || value !== 0))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (format === 'json') {
    return {
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify({ stats: chosen.map(({ name, value }) => ({ name, value })) }),
    };
  }
  if (format !== 'text') return { status: 400, body: 'usage: /stats?format=(text|json|prometheus)\n' };
  return { status: 200, body: chosen.map(({ name, value }) => `${name}: ${value}\n`).join('') };
}
