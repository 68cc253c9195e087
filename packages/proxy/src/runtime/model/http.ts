// The HTTP connection manager and its filters.

import type { AccessLogRuntime } from './access-log.ts';
import type { CorsRuntime, HeaderMutation, RequestView, RouteTable } from './route.ts';

/** Durations: 0 = disabled; Envoy's defaults are filled in. */
export type HcmRuntime = {
  readonly statPrefix: string;
  readonly codec: 'auto' | 'http1' | 'http2';
  /** `rds`: look the name up in `Runtime.routes` at each request, so that a new table takes effect at once. */
  readonly routes: { readonly kind: 'inline'; readonly table: RouteTable } | { readonly kind: 'rds'; readonly name: string };
  /** In configured order; the last is always the router. */
  readonly filters: readonly HttpFilterRuntime[];
  readonly accessLogs: readonly AccessLogRuntime[];
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep_unchanged' | 'reject_request' | 'unescape_and_redirect' | 'unescape_and_forward';
  readonly underscoresInHeaders: 'allow' | 'reject_request' | 'drop_header';
  readonly forwardClientCert: {
    readonly mode: 'sanitize' | 'forward_only' | 'append_forward' | 'sanitize_set' | 'always_forward_only';
    readonly subject: boolean;
    readonly cert: boolean;
    readonly chain: boolean;
    readonly dns: boolean;
    readonly uri: boolean;
  };
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'append_if_absent' | 'pass_through';
  /** Value for `via`; empty adds none. */
  readonly via: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
  readonly schemeToOverwrite: string;
  readonly appendXForwardedPort: boolean;
  readonly proxy100Continue: boolean;
  readonly suppressEnvoyHeaders: boolean;
  readonly maxRequestHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  /** Upgrade type in lower case ("websocket", "connect") -> enabled. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly http1: {
    /** False: HTTP/1.0 gets 426. */
    readonly acceptHttp10: boolean;
    readonly defaultHostForHttp10: string;
    readonly allowAbsoluteUrl: boolean;
    readonly allowChunkedLength: boolean;
    readonly enableTrailers: boolean;
    readonly headerCase: 'lower' | 'proper' | 'preserve';
  };
  readonly http2: Http2Settings;
  readonly tracing: { readonly clientSampling: number; readonly randomSampling: number; readonly overallSampling: number } | undefined;
};

/** Settings and limits of an HTTP/2 connection, either end. */
export type Http2Settings = {
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  /** Largest dynamic table of header compression, either way; 0 = none. */
  readonly hpackTableBytes: number;
  /** Extended CONNECT (RFC 8441). */
  readonly allowConnect: boolean;
  /** Frames waiting to be written; more end the connection. */
  readonly maxOutboundFrames: number;
  /** Of those PING, SETTINGS and RST_STREAM. */
  readonly maxOutboundControlFrames: number;
  /** HEADERS, CONTINUATION and DATA without payload and END_STREAM, one after the other. 0 = none. */
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** A malformed message ends its stream only, not the connection. */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly keepalive:
    | {
        /** 0 = none at intervals. */
        readonly intervalMs: number;
        readonly timeoutMs: number;
        /** 0 to 100: share of the interval that is added at random. */
        readonly jitterPercent: number;
        /** A connection quiet for so long is probed before its next stream. 0 = never. */
        readonly idleIntervalMs: number;
      }
    | undefined;
};

/** One filter of the chain; `name` is the key for per-route overrides. The list of kinds is the list of what is honoured. */
export type HttpFilterRuntime = { readonly name: string; readonly disabled: boolean } & HttpFilterConfig;

export type HttpFilterConfig =
  | { readonly kind: 'router'; readonly suppressEnvoyHeaders: boolean; readonly startChildSpan: boolean }
  | { readonly kind: 'fault'; readonly fault: FaultRuntime | undefined }
  | { readonly kind: 'cors' }
  | { readonly kind: 'istio_stats'; readonly stats: IstioStatsRuntime }
  | { readonly kind: 'grpc_stats'; readonly emitFilterState: boolean; readonly statsForAllMethods: boolean }
  | { readonly kind: 'peer_metadata'; readonly peer: PeerMetadataRuntime }
  | { readonly kind: 'alpn'; readonly overrides: ReadonlyMap<string, readonly string[]> }
  | { readonly kind: 'header_mutation'; readonly request: readonly HeaderMutation[]; readonly response: readonly HeaderMutation[] }
  /** Answers health checks itself when `matches`; `passThrough` sends them upstream. */
  | { readonly kind: 'health_check'; readonly passThrough: boolean; matches(view: RequestView): boolean };

/** typed_per_filter_config of a virtual host, route or weighted cluster. `disabled` switches the filter off there. */
export type HttpFilterOverride =
  | { readonly kind: 'disabled' }
  | { readonly kind: 'fault'; readonly fault: FaultRuntime | undefined }
  | { readonly kind: 'cors'; readonly cors: CorsRuntime }
  | { readonly kind: 'header_mutation'; readonly request: readonly HeaderMutation[]; readonly response: readonly HeaderMutation[] };

export type FaultRuntime = {
  readonly delay:
    | { readonly fixedMs: number; readonly fraction: number }
    | { readonly fromHeader: true; readonly fraction: number }
    | undefined;
  readonly abort:
    | { readonly status: number; readonly fraction: number }
    | { readonly grpcStatus: number; readonly fraction: number }
    | { readonly fromHeader: true; readonly fraction: number }
    | undefined;
  /** Only requests for which this holds; undefined = all. */
  readonly matches: ((view: RequestView) => boolean) | undefined;
  /** Only this destination cluster; empty = all. */
  readonly upstreamCluster: string;
  readonly maxActiveFaults: number | undefined;
};

/** Istio's stats filter: which series the proxy reports. */
export type IstioStatsRuntime = {
  readonly disableHostHeaderFallback: boolean;
  readonly reporter: 'default' | 'server_gateway';
  readonly tcpReportingIntervalMs: number;
  readonly rotationIntervalMs: number;
  /** Metric (without "istio_") -> what to change; "" applies to all. Dimension values are literals. */
  readonly overrides: readonly {
    metric: string;
    drop: boolean;
    dimensions: ReadonlyMap<string, string>;
    tagsToRemove: readonly string[];
  }[];
};

/** Istio's peer metadata filter: how the two ends tell each other who they are. */
export type PeerMetadataRuntime = {
  readonly downstreamDiscovery: readonly PeerDiscovery[];
  readonly upstreamDiscovery: readonly PeerDiscovery[];
  /** Sends `x-envoy-peer-metadata(-id)` upstream / in responses. */
  readonly propagateUpstream: boolean;
  readonly propagateDownstream: boolean;
  /** Not towards clusters outside the mesh. */
  readonly skipExternalClusters: boolean;
};
export type PeerDiscovery = 'workload_discovery' | 'istio_headers' | 'baggage' | 'upstream_filter_state';
