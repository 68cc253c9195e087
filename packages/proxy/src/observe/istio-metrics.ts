// Istio's standard metrics. A request resolves its series through a few map lookups to handles that were made at the first
// request of its kind; after that it costs four additions.

import type { Clock, Labels, MetricRegistry } from '@lateen/base';
import type { NodeIdentity } from '../http/context.ts';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import type { IstioStatsRuntime } from '../runtime/index.ts';
import { destinationServiceOf, type ResolvedService } from './destination-service.ts';
import { compileOverrides, createIstioFamilies, type HttpSeries, type Series, type TcpSeries } from './istio-families.ts';
import { RecentSeries } from './recent-series.ts';
import { localWorkload, peerWorkload, UNKNOWN, type Workload, workloadLabels } from './workload.ts';

export type Reporter = 'source' | 'destination';

/** Reports requests and connections of listeners with the same settings. */
export type IstioReporter = {
  http(record: RequestRecord): void;
  tcpOpened(record: RequestRecord): void;
  /** What passed since the last report. */
  tcpBytes(record: RequestRecord, received: number, sent: number): void;
  tcpClosed(record: RequestRecord): void;
};

export type IstioMetrics = {
  reporter(reporter: Reporter, stats: IstioStatsRuntime | undefined): IstioReporter;
  /** Drops series that nothing added to for `maxIdleMs`. */
  evictIdle(maxIdleMs: number): void;
};

export type IstioMetricsOptions = {
  registry: MetricRegistry;
  node: NodeIdentity;
  clock: Clock;
  /** Distinct `destination_service` values taken from Host headers; more become "unknown". Default 1000. */
  maxHostServices?: number;
  /** Distinct values of a reporter's expressions; more become "unknown". Default 1000. */
  maxCombinations?: number;
};

export function createIstioMetrics({
  registry,
  node,
  clock,
  maxHostServices = 1000,
  maxCombinations = 1000,
}: IstioMetricsOptions): IstioMetrics {
  const families = createIstioFamilies(registry);
  const local = localWorkload(node);
  const { ISTIO_VERSION: version } = node.metadata;
  registry
    .gauge({ name: 'istio_build', help: 'Istio component build info.' })
    .labels({ component: 'proxy', tag: typeof version === 'string' ? version : UNKNOWN })
    .set(1);
  const hostServices = createHostServices(maxHostServices);
  const reporters = new Map<string, IstioReporter>();
  let live: { series: Series; forget: () => void }[] = [];
  const recents: RecentSeries[] = [];
  const resets: (() => void)[] = [];

  const createReporter = (reporter: Reporter, stats: IstioStatsRuntime | undefined): IstioReporter => {
    const useHostHeader = !stats?.disableHostHeaderFallback;
    const overrides = compileOverrides(stats);
    const plain = overrides.adjustWith([]);
    const combinations = new Set<string>();
    /** What expressions say of the record; strangers must not multiply series without end. */
    const valuesOf = (record: RequestRecord): readonly string[] => {
      const values = overrides.evaluate(record);
      if (values.length === 0) return values;
      const key = values.join('\n');
      if (combinations.has(key)) return values;
      if (combinations.size >= maxCombinations) return values.map(() => UNKNOWN);
      combinations.add(key);
      return values;
    };
    resets.push(() => combinations.clear());
    const http = new Map<string, Map<number, HttpSeries>>();
    const tcp = new Map<string, TcpSeries>();
    const recent = new RecentSeries();
    recents.push(recent);
    const httpSeries = (record: RequestRecord): HttpSeries => {
      const isGrpc = isGrpcRequest(record);
      const outcome = outcomeKey(record);
      const values = valuesOf(record);
      if (values.length > 0) return seriesByKey(record, outcome, values);
      let series = recent.find(record, isGrpc, outcome);
      if (!series) {
        series = seriesByKey(record, outcome, values);
        recent.remember(record, { isGrpc, outcome, series });
      }
      return series;
    };
    const seriesByKey = (record: RequestRecord, outcome: number, values: readonly string[]): HttpSeries => {
      const service = hostServices.capped(destinationServiceOf(record, useHostHeader));
      const key = values.length === 0 ? edgeKey(reporter, record, service) : `${edgeKey(reporter, record, service)}|${values.join('\n')}`;
      let edge = http.get(key);
      if (!edge) {
        edge = new Map();
        http.set(key, edge);
      }
      let series = edge.get(outcome);
      if (!series) {
        const adjust = values.length === 0 ? plain : overrides.adjustWith(values);
        series = families.httpSeries(httpLabels({ reporter, local, record, service }), adjust);
        edge.set(outcome, series);
        const home = edge;
        live.push({ series, forget: () => home.delete(outcome) });
      }
      return series;
    };
    const tcpSeries = (record: RequestRecord): TcpSeries => {
      const service = destinationServiceOf(record, false);
      const values = valuesOf(record);
      const key = [edgeKey(reporter, record, service), record.responseFlags, ...values].join('|');
      let series = tcp.get(key);
      if (!series) {
        series = families.tcpSeries(tcpLabels({ reporter, local, record, service }), overrides.adjustWith(values));
        tcp.set(key, series);
        live.push({ series, forget: () => tcp.delete(key) });
      }
      series.lastUsedMs = clock.monotonicMs();
      return series;
    };
    return {
      http(record) {
        const series = httpSeries(record);
        series.lastUsedMs = clock.monotonicMs();
        series.requests.add();
        series.durations.observe(record.durationMs);
        series.requestBytes.observe(record.bytesReceived);
        series.responseBytes.observe(record.bytesSent);
        if (record.requestMessages > 0) series.requestMessages.add(record.requestMessages);
        if (record.responseMessages > 0) series.responseMessages.add(record.responseMessages);
      },
      tcpOpened: (record) => tcpSeries(record).opened.add(),
      tcpBytes(record, received, sent) {
        if (received === 0 && sent === 0) return;
        const series = tcpSeries(record);
        series.sent.add(sent);
        series.received.add(received);
      },
      tcpClosed: (record) => tcpSeries(record).closed.add(),
    };
  };

  return {
    // Listeners come and go with the same settings; their series stay.
    reporter(reporter, stats) {
      const overrides = stats?.overrides.map((each) => ({
        ...each,
        dimensions: [...each.dimensions].map(([name, value]) => [name, typeof value === 'string' ? value : [value.source]]),
      }));
      const key = `${reporter} ${stats?.disableHostHeaderFallback} ${JSON.stringify(overrides)}`;
      let known = reporters.get(key);
      if (!known) {
        known = createReporter(reporter, stats);
        reporters.set(key, known);
      }
      return known;
    },
    evictIdle(maxIdleMs) {
      const oldest = clock.monotonicMs() - maxIdleMs;
      const idle = live.filter(({ series }) => series.lastUsedMs < oldest);
      if (idle.length === 0) return;
      for (const { series, forget } of idle) {
        forget();
        for (const remove of series.removals) remove();
      }
      live = live.filter(({ series }) => series.lastUsedMs >= oldest);
      for (const recent of recents) recent.clear();
      hostServices.clear();
      for (const reset of resets) reset();
    },
  };
}

/** Keeps strangers from multiplying series by making up hosts. */
function createHostServices(limit: number) {
  const known = new Set<string>();
  return {
    capped(service: ResolvedService): ResolvedService {
      if (!service.fromHostHeader || known.has(service.host)) return service;
      if (known.size < limit) {
        known.add(service.host);
        return service;
      }
      return { ...service, host: UNKNOWN, name: service.name === service.host ? UNKNOWN : service.name };
    },
    clear: () => known.clear(),
  };
}

const isGrpcRequest = (record: RequestRecord): boolean => record.requestHeader('content-type')?.startsWith('application/grpc') ?? false;

/** What identifies both ends, the service and the protocol; the outcome is a number below it. */
function edgeKey(reporter: Reporter, record: RequestRecord, service: ResolvedService): string {
  const peer =
    reporter === 'destination'
      ? `${record.downstreamPeer?.id ?? ''}|${record.connection.peerPrincipal}`
      : `${record.upstreamPeer?.id ?? ''}|${record.endpoint?.istioWorkload ?? ''}|${record.upstreamPeerPrincipal}`;
  return `${service.host}|${service.name}|${peer}|${record.kind === 'http' && isGrpcRequest(record)}`;
}

// Flags use 29 bits, a status code 10, a gRPC status (shifted by one, unknown ones as 31) 5: together below 2^53.
function outcomeKey({ responseFlags, responseCode, grpcStatus }: RequestRecord): number {
  const grpc = grpcStatus === undefined ? 0 : grpcStatus <= 16 ? grpcStatus + 1 : 31;
  return (responseFlags * 1024 + (responseCode & 1023)) * 32 + grpc;
}

type Edge = { reporter: Reporter; local: Workload; record: RequestRecord; service: ResolvedService };

function httpLabels(edge: Edge): Labels {
  const { record } = edge;
  const isGrpc = record.grpcStatus !== undefined || isGrpcRequest(record);
  return {
    ...edgeLabels(edge, isGrpc ? 'grpc' : 'http'),
    response_code: String(record.responseCode),
    response_flags: formatResponseFlags(record.responseFlags),
    ...(isGrpc && { grpc_response_status: record.grpcStatus === undefined ? UNKNOWN : String(record.grpcStatus) }),
  };
}

const tcpLabels = (edge: Edge): Labels => ({
  ...edgeLabels(edge, 'tcp'),
  response_flags: formatResponseFlags(edge.record.responseFlags, 'tcp'),
});

function edgeLabels({ reporter, local, record, service }: Edge, protocol: string): Labels {
  const isSource = reporter === 'source';
  const peer = isSource ? peerWorkload(record.upstreamPeer, record.endpoint) : peerWorkload(record.downstreamPeer);
  const { connection } = record;
  const [source, destination] = isSource ? [local, peer] : [peer, local];
  const [sourcePrincipal, destinationPrincipal] = isSource
    ? ['', record.upstreamPeerPrincipal]
    : [connection.peerPrincipal, connection.localPrincipal];
  return {
    reporter,
    ...workloadLabels('source', source, sourcePrincipal),
    ...workloadLabels('destination', destination, destinationPrincipal),
    destination_service: service.host,
    destination_service_name: service.name,
    destination_service_namespace: service.namespace === UNKNOWN ? destination.namespace : service.namespace,
    request_protocol: protocol,
    // Only the server's side knows what the connection proved.
    connection_security_policy: isSource ? UNKNOWN : connection.mutualTls ? 'mutual_tls' : 'none',
  };
}
