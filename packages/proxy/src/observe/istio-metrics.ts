// Istio's standard metrics. A request resolves its series through a few map lookups to handles that were made at the first
// request of its kind; after that it costs four additions.

import { type Clock, type Counter, ENVOY_BUCKETS, type Histogram, type Labels, type MetricFamily, type MetricRegistry } from '@lateen/base';
import type { NodeIdentity } from '../http/context.ts';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import type { IstioStatsRuntime } from '../runtime/index.ts';
import { destinationServiceOf, type ResolvedService } from './destination-service.ts';
import { localWorkload, peerWorkload, UNKNOWN, type Workload, workloadLabels } from './workload.ts';

export type Reporter = 'source' | 'destination';

/** Reports requests and connections of one listener's connection manager or TCP proxy. */
export type IstioReporter = {
  http(record: RequestRecord): void;
  tcpOpened(record: RequestRecord): void;
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
};

type HttpSeries = {
  lastUsedMs: number;
  requests: Counter;
  durations: Histogram;
  requestBytes: Histogram;
  responseBytes: Histogram;
  messages: GrpcSeries | undefined;
};
type GrpcSeries = { requests: Counter; responses: Counter };
type TcpSeries = { lastUsedMs: number; opened: Counter; closed: Counter; sent: Counter; received: Counter };
type Removal = { lastUsedMs: () => number; remove: (() => void)[] };

export function createIstioMetrics({ registry, node, clock, maxHostServices = 1000 }: IstioMetricsOptions): IstioMetrics {
  const families = createFamilies(registry);
  const local = localWorkload(node);
  registry
    .gauge({ name: 'istio_build', help: 'Istio component build info.' })
    .labels({ component: 'proxy', tag: typeof node.metadata.ISTIO_VERSION === 'string' ? node.metadata.ISTIO_VERSION : UNKNOWN })
    .set(1);
  const hostServices = new Set<string>();
  const caches: { clear(): void }[] = [];
  const reporters = new Map<string, IstioReporter>();
  let removals: Removal[] = [];

  const capped = (service: ResolvedService): ResolvedService => {
    if (!service.fromHostHeader || hostServices.has(service.host)) return service;
    if (hostServices.size < maxHostServices) {
      hostServices.add(service.host);
      return service;
    }
    return { ...service, host: UNKNOWN, name: service.name === service.host ? UNKNOWN : service.name };
  };

  const createReporter = (reporter: Reporter, stats: IstioStatsRuntime | undefined): IstioReporter => {
    const useHostHeader = !stats?.disableHostHeaderFallback;
    const http = new Map<string, Map<number, HttpSeries>>();
    const tcp = new Map<string, TcpSeries>();
    caches.push(http, tcp);
    const adjust = compileOverrides(stats);
    const baseLabels = (record: RequestRecord, service: ResolvedService, protocol: string) =>
      commonLabels({ reporter, local, record, service, protocol });
    const handle = <H>(family: MetricFamily<H>, labels: Labels, used: Series): H | undefined => {
      const adjusted = adjust(family.name, labels);
      if (!adjusted) return undefined;
      used.push(() => family.remove(adjusted));
      return family.labels(adjusted);
    };
    const resolveHttp = (record: RequestRecord, service: ResolvedService): HttpSeries => {
      const isGrpc = record.grpcStatus !== undefined || isGrpcRequest(record);
      const labels: Labels = {
        ...baseLabels(record, service, isGrpc ? 'grpc' : 'http'),
        response_code: String(record.responseCode),
        response_flags: formatResponseFlags(record.responseFlags),
        ...(isGrpc && { grpc_response_status: record.grpcStatus === undefined ? UNKNOWN : String(record.grpcStatus) }),
      };
      const used: Series = [];
      const series: HttpSeries = {
        lastUsedMs: 0,
        requests: handle(families.requests, labels, used) ?? IGNORED_COUNTER,
        durations: handle(families.durations, labels, used) ?? IGNORED_HISTOGRAM,
        requestBytes: handle(families.requestBytes, labels, used) ?? IGNORED_HISTOGRAM,
        responseBytes: handle(families.responseBytes, labels, used) ?? IGNORED_HISTOGRAM,
        messages: isGrpc
          ? {
              requests: handle(families.requestMessages, labels, used) ?? IGNORED_COUNTER,
              responses: handle(families.responseMessages, labels, used) ?? IGNORED_COUNTER,
            }
          : undefined,
      };
      removals.push({ lastUsedMs: () => series.lastUsedMs, remove: used });
      return series;
    };
    const resolveTcp = (record: RequestRecord, service: ResolvedService): TcpSeries => {
      const labels: Labels = { ...baseLabels(record, service, 'tcp'), response_flags: formatResponseFlags(record.responseFlags) };
      const used: Series = [];
      const series: TcpSeries = {
        lastUsedMs: 0,
        opened: handle(families.tcpOpened, labels, used) ?? IGNORED_COUNTER,
        closed: handle(families.tcpClosed, labels, used) ?? IGNORED_COUNTER,
        sent: handle(families.tcpSent, labels, used) ?? IGNORED_COUNTER,
        received: handle(families.tcpReceived, labels, used) ?? IGNORED_COUNTER,
      };
      removals.push({ lastUsedMs: () => series.lastUsedMs, remove: used });
      return series;
    };
    const tcpSeries = (record: RequestRecord): TcpSeries => {
      const service = capped(destinationServiceOf(record, false));
      const key = `${edgeKey(reporter, record, service)}|${record.responseFlags}`;
      let series = tcp.get(key);
      if (!series) {
        series = resolveTcp(record, service);
        tcp.set(key, series);
      }
      series.lastUsedMs = clock.monotonicMs();
      return series;
    };
    return {
      http(record) {
        const service = capped(destinationServiceOf(record, useHostHeader));
        const key = edgeKey(reporter, record, service);
        let edge = http.get(key);
        if (!edge) {
          edge = new Map();
          http.set(key, edge);
        }
        const outcome = outcomeKey(record);
        let series = edge.get(outcome);
        if (!series) {
          series = resolveHttp(record, service);
          edge.set(outcome, series);
        }
        series.lastUsedMs = clock.monotonicMs();
        series.requests.add();
        series.durations.observe(record.durationMs);
        series.requestBytes.observe(record.bytesReceived);
        series.responseBytes.observe(record.bytesSent);
        series.messages?.requests.add(record.requestMessages);
        series.messages?.responses.add(record.responseMessages);
      },
      tcpOpened: (record) => tcpSeries(record).opened.add(),
      tcpClosed(record) {
        const series = tcpSeries(record);
        series.closed.add();
        series.sent.add(record.bytesSent);
        series.received.add(record.bytesReceived);
      },
    };
  };

  return {
    // Listeners come and go with the same settings; their series stay.
    reporter(reporter, stats) {
      const key = `${reporter} ${JSON.stringify(stats?.overrides.map((each) => ({ ...each, dimensions: [...each.dimensions] })))} ${stats?.disableHostHeaderFallback}`;
      let known = reporters.get(key);
      if (!known) {
        known = createReporter(reporter, stats);
        reporters.set(key, known);
      }
      return known;
    },
    evictIdle(maxIdleMs) {
      const oldest = clock.monotonicMs() - maxIdleMs;
      const idle = removals.filter((each) => each.lastUsedMs() < oldest);
      if (idle.length === 0) return;
      for (const series of idle) for (const remove of series.remove) remove();
      // Live series are found again under their labels; only the shortcuts to all of them go.
      for (const cache of caches) cache.clear();
      removals = removals.filter((each) => each.lastUsedMs() >= oldest);
      hostServices.clear();
    },
  };
}

type Series = (() => void)[];
const IGNORED_COUNTER: Counter = { add() {}, value: 0 };
const IGNORED_HISTOGRAM: Histogram = { observe() {} };

function createFamilies(registry: MetricRegistry) {
  const buckets = ENVOY_BUCKETS;
  const counter = (name: string, help: string) => registry.counter({ name: `istio_${name}`, help });
  const histogram = (name: string, help: string) => registry.histogram({ name: `istio_${name}`, help, buckets });
  return {
    requests: counter('requests_total', 'Requests handled by the proxy.'),
    durations: histogram('request_duration_milliseconds', 'Duration of requests, milliseconds.'),
    requestBytes: histogram('request_bytes', 'Size of request bodies, bytes.'),
    responseBytes: histogram('response_bytes', 'Size of response bodies, bytes.'),
    requestMessages: counter('request_messages_total', 'gRPC messages sent by clients.'),
    responseMessages: counter('response_messages_total', 'gRPC messages sent by servers.'),
    tcpOpened: counter('tcp_connections_opened_total', 'TCP connections opened.'),
    tcpClosed: counter('tcp_connections_closed_total', 'TCP connections closed.'),
    // "Sent" is what the server sent: Kiali and the dashboards read it that way.
    tcpSent: counter('tcp_sent_bytes_total', 'Bytes sent in responses of TCP connections.'),
    tcpReceived: counter('tcp_received_bytes_total', 'Bytes received in requests of TCP connections.'),
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

type Edge = { reporter: Reporter; local: Workload; record: RequestRecord; service: ResolvedService; protocol: string };

function commonLabels({ reporter, local, record, service, protocol }: Edge): Labels {
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

/** The labels of a metric after Telemetry overrides; undefined when it is switched off. */
function compileOverrides(stats: IstioStatsRuntime | undefined): (name: string, labels: Labels) => Labels | undefined {
  const overrides = stats?.overrides ?? [];
  if (overrides.length === 0) return (_name, labels) => labels;
  return (name, labels) => {
    const adjusted = { ...labels };
    for (const override of overrides) {
      if (override.metric !== '' && `istio_${override.metric}` !== name) continue;
      if (override.drop) return undefined;
      for (const [key, value] of override.dimensions) adjusted[key] = value;
      for (const tag of override.tagsToRemove) delete adjusted[tag];
    }
    return adjusted;
  };
}
