// Clusters and their endpoints.

import type { Json } from '@lateen/base';
import type { Http2Settings } from './http.ts';
import type { RuntimeMetadata } from './route.ts';
import type { UpstreamTlsRuntime } from './tls.ts';

/** Durations: 0 = disabled; Envoy's defaults are filled in. */
export type ClusterRuntime = {
  readonly name: string;
  /** Name in stats; equals `name` unless alt_stat_name is set. */
  readonly statName: string;
  /** What log operator UPSTREAM_CLUSTER prints. */
  readonly observabilityName: string;
  readonly discovery: ClusterDiscovery;
  readonly lb: LbPolicy;
  /** 0 disables panic mode; percent. */
  readonly healthyPanicThresholdPercent: number;
  readonly localityWeighted: boolean;
  readonly zoneAware: { readonly routingEnabledPercent: number; readonly minClusterSize: number } | undefined;
  readonly connectTimeoutMs: number;
  readonly perConnectionBufferLimitBytes: number;
  readonly circuitBreakers: { readonly default: CircuitBreaker; readonly high: CircuitBreaker };
  readonly outlier: OutlierRuntime | undefined;
  readonly protocol: UpstreamProtocol;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  readonly tcpKeepalive:
    | { readonly probes: number | undefined; readonly timeSeconds: number | undefined; readonly intervalSeconds: number | undefined }
    | undefined;
  /** Source address for upstream connections (127.0.0.6 inbound). */
  readonly bindAddress: string | undefined;
  /** First whose `criteria` all equal the endpoint's `envoy.transport_socket_match` metadata; then `transport`. */
  readonly transportMatches: readonly {
    readonly name: string;
    readonly criteria: { readonly [key: string]: Json };
    readonly transport: UpstreamTransport;
  }[];
  readonly transport: UpstreamTransport;
  readonly closeConnectionsOnHostHealthFailure: boolean;
  readonly ignoreHealthOnHostRemoval: boolean;
  /** `filter_metadata`; "istio" holds `services` and `config`. */
  readonly metadata: RuntimeMetadata;
};

export type ClusterDiscovery =
  /** Endpoints are in `Runtime.endpoints` under `serviceName`. */
  | { readonly kind: 'eds'; readonly serviceName: string }
  | { readonly kind: 'static'; readonly endpoints: EndpointsRuntime }
  /** Hosts are names to resolve; `strict`: every answer is an endpoint, `logical`: one at a time. */
  | {
      readonly kind: 'strict_dns' | 'logical_dns';
      readonly endpoints: EndpointsRuntime;
      readonly refreshMs: number;
      readonly respectTtl: boolean;
      readonly family: 'auto' | 'v4_only' | 'v6_only' | 'v4_preferred' | 'all';
    }
  /** The connection's original destination, or the named header's "IP:port". */
  | {
      readonly kind: 'original_dst';
      readonly headerName: string | undefined;
      readonly portOverride: number | undefined;
      readonly cleanupIntervalMs: number;
    };

export type SlowStart = { readonly windowMs: number; readonly minWeightPercent: number; readonly aggression: number };

export type LbPolicy =
  | { readonly kind: 'round_robin'; readonly slowStart: SlowStart | undefined }
  | {
      readonly kind: 'least_request';
      readonly choiceCount: number;
      readonly activeRequestBias: number;
      readonly slowStart: SlowStart | undefined;
    }
  | { readonly kind: 'random' }
  | { readonly kind: 'ring_hash'; readonly minRingSize: number; readonly maxRingSize: number; readonly useHostnameForHashing: boolean }
  | { readonly kind: 'maglev'; readonly tableSize: number; readonly useHostnameForHashing: boolean }
  /** The discovery decides (original_dst). */
  | { readonly kind: 'cluster_provided' };

export type CircuitBreaker = {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Replaces maxRetries. */
  readonly retryBudget: { readonly percent: number; readonly minConcurrency: number } | undefined;
};

export type OutlierRuntime = {
  /** 0 = off. */
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  /** 0 to 100: chance that a detected failure ejects. */
  readonly enforcing5xxPercent: number;
  readonly enforcingGatewayFailurePercent: number;
  readonly enforcingLocalOriginPercent: number;
  readonly splitExternalLocalOriginErrors: boolean;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionJitterMs: number;
  readonly maxEjectionPercent: number;
};

export type UpstreamProtocol =
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2'; readonly http2: Http2Settings }
  /** The protocol of the downstream request. */
  | { readonly kind: 'downstream'; readonly http2: Http2Settings }
  /** By ALPN (TLS only). */
  | { readonly kind: 'auto'; readonly http2: Http2Settings };

export type UpstreamTransport = { readonly kind: 'raw_buffer' } | { readonly kind: 'tls'; readonly tls: UpstreamTlsRuntime };

export type EndpointsRuntime = {
  readonly clusterName: string;
  /** By priority, then as configured. */
  readonly localities: readonly LocalityRuntime[];
  /** Percent; 140 in Envoy when unset. */
  readonly overprovisioningFactorPercent: number;
};

export type LocalityRuntime = {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly priority: number;
  /** 0 = gets no traffic under locality weighting. */
  readonly weight: number;
  readonly endpoints: readonly EndpointRuntime[];
};

export type EndpointRuntime = {
  /** IP or, for DNS clusters, host name. */
  readonly host: string;
  readonly port: number;
  readonly hostname: string;
  readonly weight: number;
  readonly health: 'healthy' | 'unhealthy' | 'draining' | 'degraded';
  readonly metadata: RuntimeMetadata;
  /** Istio's `workload;namespace;canonical-service;revision;cluster`, from metadata "istio".workload, or undefined. */
  readonly istioWorkload: string | undefined;
};
