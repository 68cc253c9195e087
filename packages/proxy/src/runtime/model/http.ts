// The HTTP connection manager and its filters.

import type { Json } from '@lateen/base';
import type { CelProgram } from '@lateen/base/cel';
import type { AccessLogFilter, AccessLogRuntime } from './access-log.ts';
import type { ConfigSourceRuntime } from './config-source.ts';
import type { Format } from './format.ts';
import type { TokenBucketRuntime } from './listener.ts';
import type { BodyFormat, CorsRuntime, HeaderMutation, RateLimitEntry, RateLimitRuntime, RequestView, RouteTable } from './route.ts';
import type { Share } from './share.ts';

/** Durations: 0 = disabled; Envoy's defaults are filled in. */
export type HcmRuntime = {
  readonly statPrefix: string;
  readonly codec: 'auto' | 'http1' | 'http2';
  /**
   * `rds`: look the name up in `Runtime.routes` at each request, so that a new table takes effect at once. The source of the table
   * calls it `resourceName`.
   */
  readonly routes:
    | { readonly kind: 'inline'; readonly table: RouteTable }
    | { readonly kind: 'rds'; readonly name: string; readonly resourceName: string; readonly source: ConfigSourceRuntime };
  /** In configured order; the last is always the router. */
  readonly filters: readonly HttpFilterRuntime[];
  readonly accessLogs: readonly AccessLogRuntime[];
  /** How answers made here are changed; undefined: not. */
  readonly localReplies: LocalReplies | undefined;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  /** Who the client is, instead of x-forwarded-for's rules; the first that finds out decides. */
  readonly ipDetection: readonly (
    | {
        readonly kind: 'xff';
        readonly trustedHops: number;
        /** Instead of counting: addresses whose word on the one before them is good; undefined: all. */
        readonly isTrustedProxy: ((ip: string) => boolean) | undefined;
        /** The peer's address is added to x-forwarded-for where it told the client's. */
        readonly appendsPeer: boolean;
      }
    | {
        readonly kind: 'custom_header';
        readonly headerName: string;
        /** The address may make a request internal. */
        readonly isTrusted: boolean;
        /** Status for requests without the header; undefined: they pass. */
        readonly rejectStatus: number | undefined;
      }
  )[];
  /** Addresses inside; undefined: none are. */
  readonly isInternalAddress: ((ip: string) => boolean) | undefined;
  /** Applied to a request before anything else looks at it. */
  readonly earlyHeaderMutations: readonly HeaderMutation[];
  /** Says who this proxy is in user-agent (where there is none) and x-envoy-downstream-service-*. */
  readonly addUserAgent: boolean;
  /** HTTP/1.1 connections past their duration end with an answer that says so, not in the middle. */
  readonly http1SafeMaxConnectionDuration: boolean;
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
    readonly enableTrailers: boolean;
    /** Names of header fields are written Like-This. */
    readonly properCase: boolean;
    /** Names of header fields go upstream with the letters that the client wrote. */
    readonly preserveCase: PreserveCase | undefined;
    /** Takes Content-Length out of a chunked request instead of refusing it. */
    readonly allowChunkedLength: boolean;
    /** Any token is a method. */
    readonly allowCustomMethods: boolean;
    /** The connection goes on after an answer made here that says 400. */
    readonly staysAfterBadRequest: boolean;
    /** False: an absolute target is no path. */
    readonly allowAbsoluteUrl: boolean;
  };
  readonly http2: Http2Settings;
  readonly tracing: { readonly clientSampling: number; readonly randomSampling: number; readonly overallSampling: number } | undefined;
};

/** header_key_format with the preserve_case formatter: of what is received, as it goes out on the other side. */
export type PreserveCase = {
  /** An answer keeps its reason phrase, too. */
  readonly forwardReasonPhrase: boolean;
  /** Names that the proxy adds are written Like-This. */
  readonly ownInProperCase: boolean;
};

/** local_reply_config. */
export type LocalReplies = { readonly mappers: readonly LocalReplyMapper[]; readonly bodyFormat: BodyFormat | undefined };
/** The first whose filter takes the answer changes it. */
export type LocalReplyMapper = {
  readonly filter: AccessLogFilter;
  readonly status: number | undefined;
  readonly body: string | undefined;
  readonly bodyFormat: BodyFormat | undefined;
  readonly headers: readonly HeaderMutation[];
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
  | ({ readonly kind: 'router' } & RouterConfig)
  | { readonly kind: 'fault'; readonly fault: FaultRuntime | undefined }
  | { readonly kind: 'cors' }
  | { readonly kind: 'istio_stats'; readonly stats: IstioStatsRuntime }
  | ({ readonly kind: 'grpc_stats' } & GrpcStatsRuntime)
  | { readonly kind: 'grpc_web' }
  | { readonly kind: 'local_ratelimit'; readonly limit: LocalRateLimitRuntime }
  | { readonly kind: 'buffer'; readonly maxRequestBytes: number }
  | ({ readonly kind: 'set_filter_state' } & FilterStateWrites)
  | { readonly kind: 'set_metadata'; readonly writes: readonly MetadataWrite[] }
  | ({ readonly kind: 'header_to_metadata' } & HeaderToMetadataRuntime)
  | { readonly kind: 'peer_metadata'; readonly peer: PeerMetadataRuntime }
  | { readonly kind: 'alpn'; readonly overrides: ReadonlyMap<string, readonly string[]> }
  | { readonly kind: 'header_mutation'; readonly mutations: MessageMutations; readonly mostSpecificWins: boolean }
  /** Answers health checks itself when `matches`; `passThrough` sends them upstream. */
  | {
      readonly kind: 'health_check';
      readonly passThrough: boolean;
      /** How long an answer of the upstream is remembered (with passThrough); 0 = not. */
      readonly cacheMs: number;
      /** Cluster -> percent of its hosts that must be healthy (without passThrough). */
      readonly clusterMinHealthyPercent: ReadonlyMap<string, number>;
      matches(view: RequestView): boolean;
    };

/** typed_per_filter_config of a virtual host, route or weighted cluster. `disabled` switches the filter off there. */
export type HttpFilterOverride =
  | { readonly kind: 'disabled' }
  /** Switches a filter on that the chain has disabled. */
  | { readonly kind: 'enabled' }
  | { readonly kind: 'fault'; readonly fault: FaultRuntime | undefined }
  | { readonly kind: 'cors'; readonly cors: CorsRuntime }
  /** Most specific level first: all take part. */
  | { readonly kind: 'header_mutation'; readonly levels: readonly MessageMutations[] }
  | { readonly kind: 'local_ratelimit'; readonly limit: LocalRateLimitRuntime }
  | { readonly kind: 'buffer'; readonly maxRequestBytes: number }
  /** As above. */
  | { readonly kind: 'set_filter_state'; readonly levels: readonly FilterStateWrites[] }
  | { readonly kind: 'set_metadata'; readonly writes: readonly MetadataWrite[] }
  | ({ readonly kind: 'header_to_metadata' } & HeaderToMetadataRuntime);

/** What a header mutation changes of a request and its answer. */
export type MessageMutations = {
  readonly request: readonly HeaderMutation[];
  readonly query: readonly QueryMutation[];
  readonly requestTrailers: readonly HeaderMutation[];
  readonly response: readonly HeaderMutation[];
  readonly responseTrailers: readonly HeaderMutation[];
};
export type QueryMutation =
  | { readonly kind: 'remove'; readonly name: string }
  | {
      readonly kind: 'set';
      readonly name: string;
      readonly value: Format;
      readonly action: Extract<HeaderMutation, { kind: 'set' }>['action'];
    };

export type GrpcStatsRuntime = {
  readonly emitFilterState: boolean;
  /** Which methods ("/package.Service/Method") are counted by name; the others only as a whole. */
  readonly methods: 'all' | ReadonlySet<string>;
  readonly replaceDots: boolean;
};

export type LocalRateLimitRuntime = {
  readonly statPrefix: string;
  readonly status: number;
  /** For requests that no descriptor takes; undefined: they pass. */
  readonly bucket: TokenBucketRuntime | undefined;
  /** Share of requests that are counted / held to the limit, 0 to 1. */
  readonly enabled: Share;
  readonly enforced: Share;
  readonly requestHeadersWhenNotEnforced: readonly HeaderMutation[];
  readonly responseHeaders: readonly HeaderMutation[];
  /** An entry with an empty value takes any. */
  readonly descriptors: readonly { readonly entries: readonly RateLimitEntry[]; readonly bucket: TokenBucketRuntime }[];
  /** How many combinations of values a descriptor with open values keeps apart. */
  readonly maxDynamicDescriptors: number;
  readonly stage: number;
  readonly perConnection: boolean;
  readonly sendsLimitHeaders: boolean;
  readonly virtualHostLimits: 'override' | 'include' | 'ignore';
  readonly alwaysConsumeDefault: boolean;
  /** gRPC status 8 instead of 14. */
  readonly resourceExhausted: boolean;
  /** Replaces the limits of routes where not empty. */
  readonly rateLimits: readonly RateLimitRuntime[];
};

export type FilterStateWrites = { readonly values: readonly FilterStateRuntime[]; readonly clearRouteCache: boolean };

export type FilterStateRuntime = {
  readonly key: string;
  readonly value: Format;
  /** What is unknown is nothing; else it is "-". */
  readonly omitEmpty: boolean;
  readonly readOnly: boolean;
  readonly skipIfEmpty: boolean;
};

export type MetadataWrite = {
  readonly namespace: string;
  readonly value: { readonly [key: string]: Json };
  /** False: a namespace that is there already stays as it is. */
  readonly allowOverwrite: boolean;
};

export type HeaderToMetadataRuntime = {
  readonly request: readonly HeaderToMetadataRule[];
  readonly response: readonly HeaderToMetadataRule[];
};
/** Either `header` or `cookie` is empty. */
export type HeaderToMetadataRule = {
  readonly header: string;
  readonly cookie: string;
  readonly remove: boolean;
  readonly present: NotedValue | undefined;
  readonly missing: NotedValue | undefined;
};
export type NotedValue = {
  readonly namespace: string;
  readonly key: string;
  /** Empty: the header's own value. */
  readonly value: string;
  readonly rewrite: ((value: string) => string) | undefined;
  readonly type: 'string' | 'number' | 'protobuf_value';
  readonly isBase64: boolean;
};

export type FaultRuntime = {
  readonly delay: (({ readonly fixedMs: number } | { readonly fromHeader: true }) & { readonly share: Share }) | undefined;
  readonly abort:
    | (({ readonly status: number } | { readonly grpcStatus: number } | { readonly fromHeader: true }) & {
        readonly share: Share;
        readonly body: string;
      })
    | undefined;
  /** Of the response's body. */
  readonly rateLimit: (({ readonly kibPerSecond: number } | { readonly fromHeader: true }) & { readonly share: Share }) | undefined;
  /** Runtime keys that take the place of numbers. */
  readonly keys: { readonly delayMs: string; readonly status: string; readonly grpcStatus: string; readonly maxActiveFaults: string };
  /** Only requests whose x-envoy-downstream-service-node is one of these; empty = all. */
  readonly downstreamNodes: ReadonlySet<string>;
  /** Only requests for which this holds; undefined = all. */
  readonly matches: ((view: RequestView) => boolean) | undefined;
  /** Only this destination cluster; empty = all. */
  readonly upstreamCluster: string;
  readonly maxActiveFaults: number | undefined;
};

/** Istio's stats filter: which series the proxy reports. */
export type CelDimension = { readonly source: string; readonly program: CelProgram };

export type IstioStatsRuntime = {
  readonly disableHostHeaderFallback: boolean;
  readonly reporter: 'default' | 'server_gateway';
  readonly tcpReportingIntervalMs: number;
  readonly rotationIntervalMs: number;
  /** Metric (without "istio_") -> what to change; "" applies to all. */
  readonly overrides: readonly {
    metric: string;
    drop: boolean;
    /** A literal, or what to evaluate for each request. */
    dimensions: ReadonlyMap<string, string | CelDimension>;
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

export type RouterConfig = {
  readonly suppressEnvoyHeaders: boolean;
  readonly startChildSpan: boolean;
  /** x-envoy-expected-rq-timeout-ms of the proxy before this one is the timeout. */
  readonly respectsExpectedTimeout: boolean;
  /** A request is refused where one of these headers makes no sense. */
  readonly strictHeaders: readonly string[];
};
