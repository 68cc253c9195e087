// Clusters and their endpoints.

import type { Json } from '@lateen/base';
import type { ConfigSourceRuntime } from './config-source.ts';
import type { Http2Settings, PreserveCase } from './http.ts';
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
  readonly zoneAware: ZoneAware | undefined;
  /** undefined: the whole cluster is one set of hosts, whatever metadata a route asks for. */
  readonly subsets: SubsetsRuntime | undefined;
  readonly connectTimeoutMs: number;
  readonly perConnectionBufferLimitBytes: number;
  readonly circuitBreakers: { readonly default: CircuitBreaker; readonly high: CircuitBreaker };
  /** Connections to one host, all priorities together. */
  readonly maxConnectionsPerHost: number;
  readonly outlier: OutlierRuntime | undefined;
  readonly healthCheck: HealthCheckRuntime | undefined;
  /** A new host takes no part in balancing and panic until its first health check ended. */
  readonly ignoreNewHostsUntilFirstCheck: boolean;
  /** A cluster of names serves only once a first look-up ended. */
  readonly waitForWarmOnInit: boolean;
  readonly protocol: UpstreamProtocol;
  /** Of connections that speak HTTP/1.1. */
  readonly http1: UpstreamHttp1Options;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  /** At most this share of it is added by chance. */
  readonly maxConnectionDurationJitterPercent: number;
  /** Connections to a host are made for this many times the requests it has; at least 1. */
  readonly preconnectRatio: number;
  /** Requests of one downstream connection share upstream connections with no other's. */
  readonly poolPerDownstream: boolean;
  /** Longest time from sending a request to the end of its answer; 0 = none. */
  readonly maxStreamDurationMs: number;
  /** Of the head of an answer; undefined: Envoy's default for the version of HTTP. */
  readonly maxResponseHeadersBytes: number | undefined;
  readonly maxHeadersCount: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  readonly tcpKeepalive:
    | { readonly probes: number | undefined; readonly timeSeconds: number | undefined; readonly intervalSeconds: number | undefined }
    | undefined;
  /** Source addresses for upstream connections (127.0.0.6 inbound), at most one for each version of IP. */
  readonly bindAddresses: readonly string[];
  /** First whose `criteria` all equal the endpoint's `envoy.transport_socket_match` metadata; then `transport`. */
  readonly transportMatches: readonly {
    readonly name: string;
    readonly criteria: { readonly [key: string]: Json };
    readonly transport: UpstreamTransport;
  }[];
  readonly transport: UpstreamTransport;
  /** TLS asks for the server that this request header names ("host" unless overridden). */
  readonly autoSni: { readonly header: string; readonly validatesSan: boolean } | undefined;
  readonly closeConnectionsOnHostHealthFailure: boolean;
  readonly closeConnectionsOnHostSetChange: boolean;
  readonly ignoreHealthOnHostRemoval: boolean;
  /** `filter_metadata`; "istio" holds `services` and `config`. */
  readonly metadata: RuntimeMetadata;
};

export type ClusterDiscovery =
  /** Endpoints are in `Runtime.endpoints` under `serviceName`; their source calls them `resourceName`. */
  | { readonly kind: 'eds'; readonly serviceName: string; readonly resourceName: string; readonly source: ConfigSourceRuntime }
  | { readonly kind: 'static'; readonly endpoints: EndpointsRuntime }
  /** Hosts are names to resolve; `strict`: every answer is an endpoint, `logical`: one at a time. */
  | {
      readonly kind: 'strict_dns' | 'logical_dns';
      readonly endpoints: EndpointsRuntime;
      readonly refreshMs: number;
      /** After failures in a row, growing from `base` to `max`. */
      readonly failureRefresh: { readonly baseMs: number; readonly maxMs: number };
      /** At most this is added to every wait. */
      readonly jitterMs: number;
      readonly respectTtl: boolean;
      readonly family: 'auto' | 'v4_only' | 'v6_only' | 'v4_preferred' | 'all';
      /** Name servers, "ip:port"; empty: the system's. */
      readonly resolvers: readonly string[];
    }
  /** The connection's original destination, or the named header's "IP:port". */
  | {
      readonly kind: 'original_dst';
      readonly headerName: string | undefined;
      readonly portOverride: number | undefined;
      readonly cleanupIntervalMs: number;
    };

/** Keeps requests in the proxy's own zone as far as the zones' sizes allow. */
export type ZoneAware = {
  readonly routingEnabledPercent: number;
  readonly minClusterSize: number;
  readonly failTrafficOnPanic: boolean;
};

export type SlowStart = { readonly windowMs: number; readonly minWeightPercent: number; readonly aggression: number };

export type LbPolicy =
  | { readonly kind: 'round_robin'; readonly slowStart: SlowStart | undefined }
  | {
      readonly kind: 'least_request';
      readonly choiceCount: number;
      readonly activeRequestBias: number;
      /** Looks at every host instead of `choiceCount` random ones. */
      readonly fullScan: boolean;
      readonly slowStart: SlowStart | undefined;
    }
  | { readonly kind: 'random' }
  | ({ readonly kind: 'ring_hash'; readonly minRingSize: number; readonly maxRingSize: number; readonly usesMurmur: boolean } & HashingLb)
  | ({ readonly kind: 'maglev'; readonly tableSize: number } & HashingLb)
  /** The discovery decides (original_dst). */
  | { readonly kind: 'cluster_provided' };

export type HashingLb = {
  readonly useHostnameForHashing: boolean;
  /** Percent of its fair share of active requests up to which a host is used; 0 = no bound. */
  readonly hashBalanceFactorPercent: number;
};

/** Values of the "envoy.lb" metadata. */
export type LbMetadata = { readonly [key: string]: Json };

export type SubsetFallback = 'no_fallback' | 'any_endpoint' | 'default_subset' | 'keys_subset';

export type SubsetSelector = {
  /** Sorted. */
  readonly keys: readonly string[];
  readonly singleHost: boolean;
  /** undefined: the cluster's. */
  readonly fallback: SubsetFallback | undefined;
  /** Sorted. */
  readonly fallbackKeys: readonly string[];
};

export type SubsetsRuntime = {
  readonly fallback: SubsetFallback;
  readonly defaultSubset: LbMetadata;
  readonly selectors: readonly SubsetSelector[];
  readonly localityWeightAware: boolean;
  readonly scaleLocalityWeight: boolean;
  readonly panicModeAny: boolean;
  readonly listAsAny: boolean;
  /** A route's `fallback_list` holds criteria to try one after the other. */
  readonly usesFallbackList: boolean;
};

export type CircuitBreaker = {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Replaces maxRetries. */
  readonly retryBudget: { readonly percent: number; readonly minConcurrency: number } | undefined;
  /** Publishes how much is left of each limit. */
  readonly trackRemaining: boolean;
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
  readonly alwaysEjectOneHost: boolean;
  /** Hosts far below the mean of all hosts. */
  readonly successRate: {
    readonly enforcingPercent: number;
    readonly enforcingLocalOriginPercent: number;
    readonly minimumHosts: number;
    readonly requestVolume: number;
    /** 1.9 = 1.9 standard deviations. */
    readonly stdevFactor: number;
  };
  /** Hosts that fail more than `thresholdPercent` of their requests. */
  readonly failurePercentage: {
    readonly enforcingPercent: number;
    readonly enforcingLocalOriginPercent: number;
    readonly minimumHosts: number;
    readonly requestVolume: number;
    readonly thresholdPercent: number;
  };
  readonly unejectOnActiveHealthCheck: boolean;
};

export type HealthCheckRuntime = {
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly initialJitterMs: number;
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly unhealthyIntervalMs: number;
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  /** While the cluster never had a connection. */
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly reuseConnection: boolean;
  readonly altPort: number | undefined;
  readonly alwaysLogFailures: boolean;
  readonly alwaysLogSuccess: boolean;
  readonly applicationProtocols: readonly string[];
  /** Files that events are written to. */
  readonly eventLogPaths: readonly string[];
  /** Chooses among the transport socket matches, in place of the endpoint's metadata. */
  readonly transportCriteria: { readonly [key: string]: Json } | undefined;
  readonly probe: HealthProbe;
};

/** Inclusive start, exclusive end. */
export type StatusRange = { readonly start: number; readonly end: number };

export type HealthProbe =
  | {
      readonly kind: 'http';
      readonly version: 'HTTP/1.1' | 'HTTP/2';
      /** Empty: the cluster's name. */
      readonly host: string;
      readonly path: string;
      readonly method: string;
      readonly send: Uint8Array;
      /** Must be found in the body, one after the other. */
      readonly receive: readonly Uint8Array[];
      readonly responseBufferBytes: number;
      readonly addHeaders: readonly (readonly [string, string])[];
      readonly removeHeaders: readonly string[];
      /** These pass; `retriable` ones count as failures of which the threshold forgives some; all others condemn at once. */
      readonly expected: readonly StatusRange[];
      readonly retriable: readonly StatusRange[];
      readonly matchesService: ((name: string) => boolean) | undefined;
    }
  | { readonly kind: 'tcp'; readonly send: Uint8Array; readonly receive: readonly Uint8Array[] }
  | {
      readonly kind: 'grpc';
      readonly serviceName: string;
      readonly authority: string;
      readonly metadata: readonly (readonly [string, string])[];
    };

export type UpstreamHttp1Options = {
  /** Trailers pass, both ways. */
  readonly enableTrailers: boolean;
  /** Names of header fields are written Like-This. */
  readonly properCase: boolean;
  /** Names of header fields of answers go downstream with the letters that the host wrote. */
  readonly preserveCase: PreserveCase | undefined;
  /** Takes Content-Length out of a chunked answer instead of refusing it. */
  readonly allowChunkedLength: boolean;
  /** Requests name their whole URL, as to another proxy. */
  readonly sendFullyQualifiedUrl: boolean;
};

export type UpstreamProtocol =
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2'; readonly http2: Http2Settings }
  /** The protocol of the downstream request. */
  | { readonly kind: 'downstream'; readonly http2: Http2Settings }
  /** By ALPN (TLS only). */
  | { readonly kind: 'auto'; readonly http2: Http2Settings };

export type UpstreamTransport = ({ readonly kind: 'raw_buffer' } | { readonly kind: 'tls'; readonly tls: UpstreamTlsRuntime }) & {
  /** A PROXY header goes before everything else. */
  readonly proxyProtocol?: UpstreamProxyProtocol;
};

export type UpstreamProxyProtocol = {
  readonly version: 1 | 2;
  /** Which TLVs of the downstream's header are passed on. */
  passesTlv(type: number): boolean;
};

export type EndpointsRuntime = {
  readonly clusterName: string;
  /** By priority, then as configured. */
  readonly localities: readonly LocalityRuntime[];
  /** Percent; 140 in Envoy when unset. */
  readonly overprovisioningFactorPercent: number;
  /** A priority's health is the share of healthy weight, not of healthy hosts. */
  readonly weightedPriorityHealth?: boolean;
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
  /** Further IP addresses of the host, with the same port. */
  readonly additionalAddresses?: readonly string[];
  readonly weight: number;
  readonly health: 'healthy' | 'unhealthy' | 'draining' | 'degraded';
  readonly metadata: RuntimeMetadata;
  /** Istio's `workload;namespace;canonical-service;revision;cluster`, from metadata "istio".workload, or undefined. */
  readonly istioWorkload: string | undefined;
  /** How active health checks reach it; undefined: as requests do. */
  readonly healthCheck?: EndpointHealthCheck | undefined;
};

export type EndpointHealthCheck = {
  readonly disabled: boolean;
  /** 0: the endpoint's. */
  readonly port: number;
  /** IP; empty: the endpoint's. */
  readonly host: string;
  readonly hostname: string;
};
