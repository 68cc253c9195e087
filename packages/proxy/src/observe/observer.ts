// What the data path reports to: Istio's metrics, Envoy's HTTP counters and access logs, each exactly once per request.

import type { Clock, MetricRegistry, Timer } from '@lateen/base';
import type { NodeIdentity } from '../http/context.ts';
import type { HttpObserver, ProxyObserver, TcpObserver, TcpProgress } from '../http/observer.ts';
import { Counters } from '../listener/counters.ts';
import { listenerStatName } from '../listener/listener-stats.ts';
import type { AccessLogRuntime, ListenerRuntime } from '../runtime/index.ts';
import { compileAccessLog, hasOperator, type LogSinks } from './access-log.ts';
import { readsUpstreamTimes } from './format.ts';
import { Histogram } from './histogram.ts';
import { createIstioMetrics } from './istio-metrics.ts';
import { HttpStats, TcpStats } from './stats.ts';
import { VirtualHostStats } from './virtual-host-stats.ts';

export type Observer = ProxyObserver & {
  /** Of each connection manager of each listener. */
  readonly httpStats: ReadonlyMap<string, HttpScope>;
  /** By stat prefix. */
  readonly tcpStats: ReadonlyMap<string, TcpStats>;
  /** What HTTP filters count, and what befalls connections, under full names. */
  readonly counters: Counters;
  readonly virtualHosts: VirtualHostStats;
  /** Milliseconds that the start took. */
  readonly startup: Histogram;
  /** For a server of this process outside of the data path, e.g. "admin". */
  endpoint(name: string): HttpStats;
  close(): void;
};

/** What connection managers of one prefix count on one listener. */
export type HttpScope = { readonly listener: string; readonly prefix: string; readonly stats: HttpStats };

export type ObserverOptions = {
  registry: MetricRegistry;
  node: NodeIdentity;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Numbers of the runtime by key. Default: there are none. */
  runtime?: (key: string) => number | undefined;
  sinks: LogSinks;
};

const EVICT_EVERY_MS = 10 * 60_000;
const EVICT_IDLE_MS = 60 * 60_000;

export function createObserver({ registry, node, clock, random, runtime, sinks }: ObserverOptions): Observer {
  const metrics = createIstioMetrics({ registry, node, clock });
  const eviction = clock.every(EVICT_EVERY_MS, () => metrics.evictIdle(EVICT_IDLE_MS));
  const httpStats = new Map<string, HttpScope>();
  const tcpStats = new Map<string, TcpStats>();
  const counters = new Counters();
  const virtualHosts = new VirtualHostStats();
  const rotations = new Map<number, Timer>();
  /** Series that were not used for a rotation are dropped, as the stats filter's rotation_interval asks. */
  const rotate = (intervalMs: number) => {
    if (intervalMs <= 0 || rotations.has(intervalMs)) return;
    rotations.set(
      intervalMs,
      clock.every(intervalMs, () => metrics.evictIdle(intervalMs)),
    );
  };
  const loggersOf = (logs: readonly AccessLogRuntime[]) =>
    logs.map((log) => compileAccessLog(log, sinks.open(log.path), { random, runtime }));
  const statsOf = <T>(map: Map<string, T>, key: string, create: () => T): T => {
    const known = map.get(key);
    if (known) return known;
    const made = create();
    map.set(key, made);
    return made;
  };
  return {
    httpStats,
    tcpStats,
    counters,
    virtualHosts,
    startup: new Histogram(),
    endpoint: (name) => statsOf(httpStats, name, () => ({ listener: name, prefix: name, stats: new HttpStats() })).stats,
    http(listener, hcm): HttpObserver {
      const name = listenerStatName(listener);
      const scope = { listener: name, prefix: hcm.statPrefix };
      const { stats } = statsOf(httpStats, `${name} ${hcm.statPrefix}`, () => ({ ...scope, stats: new HttpStats() }));
      const filter = hcm.filters.find((each) => each.kind === 'istio_stats');
      const istio = filter?.kind === 'istio_stats' ? metrics.reporter(reporterOf(listener), filter.stats) : undefined;
      if (filter?.kind === 'istio_stats') rotate(filter.stats.rotationIntervalMs);
      const loggers = loggersOf(hcm.accessLogs);
      return {
        timesUpstream: hcm.accessLogs.some((log) => hasOperator(log, readsUpstreamTimes)),
        connectionOpened(protocol, connection) {
          stats.connectionOpened(protocol, connection);
        },
        connectionClosed(lengthMs, connection, end) {
          stats.connectionClosed(lengthMs, connection, end);
        },
        connectionUnused(lengthMs, isIdle) {
          stats.connectionUnused(lengthMs, isIdle);
          if (isIdle) counters.count(`http.${hcm.statPrefix}.downstream_cx_idle_timeout`);
        },
        count: (name, by) => counters.count(name, by),
        countConnection: (what) => counters.count(`http.${hcm.statPrefix}.downstream_cx_${what}`),
        requestStarted() {
          stats.downstream_rq_total++;
          stats.downstream_rq_active++;
        },
        finish(record) {
          stats.finish(record);
          virtualHosts.count(record);
          istio?.http(record);
          for (const log of loggers) log(record);
        },
      };
    },
    listener({ accessLogs }) {
      const loggers = loggersOf(accessLogs);
      if (loggers.length === 0) return undefined;
      return (record) => {
        for (const log of loggers) log(record);
      };
    },
    tcp(listener, tcp): TcpObserver {
      const stats = statsOf(tcpStats, tcp.statPrefix, () => new TcpStats());
      const chains = listener.defaultFilterChain ? [...listener.filterChains, listener.defaultFilterChain] : listener.filterChains;
      const chain = chains.find(({ terminal }) => terminal.kind === 'tcp' && terminal.tcp === tcp);
      const filter = chain?.networkFilters.find((each) => each.kind === 'istio_stats');
      const istio = filter?.kind === 'istio_stats' ? metrics.reporter(reporterOf(listener), filter.stats) : undefined;
      const loggers = loggersOf(tcp.accessLogs);
      const count = (record: TcpProgress) => {
        const { received, sent } = record.takeUnreported();
        stats.downstream_cx_rx_bytes_total += received;
        stats.downstream_cx_tx_bytes_total += sent;
        istio?.tcpBytes(record, received, sent);
      };
      const log = (record: TcpProgress) => {
        for (const each of loggers) each(record);
      };
      return {
        started() {
          stats.downstream_cx_total++;
          stats.downstream_cx_active++;
        },
        count(counter) {
          stats[counter]++;
        },
        connectionOpened: (record) => istio?.tcpOpened(record),
        progress: filter?.kind === 'istio_stats' ? { intervalMs: filter.stats.tcpReportingIntervalMs, report: count } : undefined,
        log,
        finish(record) {
          stats.downstream_cx_active--;
          count(record);
          istio?.tcpClosed(record);
          log(record);
        },
      };
    },
    close() {
      eviction.cancel();
      for (const rotation of rotations.values()) rotation.cancel();
    },
  };
}

const reporterOf = (listener: ListenerRuntime) => (listener.trafficDirection === 'inbound' ? 'destination' : 'source');
