// What a route configuration compiles to. Order of rules is the configuration's order: the first match wins.

import type { Json } from '@lateen/base';
import type { Format, JsonFormat } from './format.ts';
import type { HttpFilterOverride } from './http.ts';
import type { RuntimeKeys, Share } from './share.ts';

/** What routing needs to see of a request: normalised, one view for routing, policy and the upstream alike. */
export type RequestView = {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** Host with port, as sent (any case). */
  readonly authority: string;
  readonly scheme: string;
  /** Comma-joined value of a header (name in lower case), or undefined. */
  header(name: string): string | undefined;
  headerValues(name: string): readonly string[];
  /** The TLS session that this proxy terminated, if any. */
  readonly connection?: { readonly tls?: { readonly peer: object | undefined; readonly peerVerified: boolean } | undefined };
  /** What filters noted, by namespace. */
  readonly dynamicMetadata?: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
  /** The value that a filter stored under a key, as text. */
  filterStateText?(key: string): string | undefined;
  readonly runtimeKeys?: RuntimeKeys | undefined;
};

/** Uniform in [0, 1). */
export type Random = () => number;

export type RouteTable = {
  readonly name: string;
  /** The decision for a request; never throws. Decisions are shared objects, made when the table was compiled, unless `cluster_header` is used. */
  match(view: RequestView, random: Random): RouteDecision;
  /** The same, slowly, with every step's reason. */
  explain(view: RequestView, random: Random): RouteExplanation;
  readonly virtualHosts: readonly VirtualHostRuntime[];
  /** Headers that must not enter from outside. */
  readonly internalOnlyHeaders: readonly string[];
  /** Clusters that routes and copies of requests name. */
  readonly clusterNames: ReadonlySet<string>;
  /** Whether all of them must be configured; undefined: as usual where the table is (in a listener yes, in one that is discovered no). */
  readonly validatesClusters: boolean | undefined;
};

export type VirtualHostRuntime = {
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: readonly RouteRuntime[];
  readonly requireTls: 'none' | 'external_only' | 'all';
  /** Adds `x-envoy-attempt-count` to requests / responses. */
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  /** Adds `x-envoy-is-timeout-retry` to retries: whether a time limit had ended the attempt before. */
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly filterOverrides: ReadonlyMap<string, HttpFilterOverride>;
  /** Named kinds of requests that are counted apart; the first that matches is the request's. */
  readonly virtualClusters: readonly { readonly name: string; matches(view: RequestView): boolean }[];
  readonly rateLimits: readonly RateLimitRuntime[];
  readonly metadata: RuntimeMetadata;
};

/** One rule, with the words that explain it. */
export type RouteRuntime = {
  readonly name: string;
  readonly index: number;
  readonly virtualHost: VirtualHostRuntime;
  /** e.g. `path prefix "/reviews" and header end-user exact "jason"`. */
  readonly condition: string;
  /** `filter_metadata["istio"].config`: the object that the rule came from, or undefined. */
  readonly istioConfig: string | undefined;
  readonly metadata: RuntimeMetadata;
  readonly statPrefix: string;
};

/** `filter_metadata` as plain JSON, by namespace. */
export type RuntimeMetadata = ReadonlyMap<string, { readonly [key: string]: Json }>;

/** What to do with a request, and why. `route` is undefined only for `not_found`. */
export type RouteDecision = ForwardDecision | RedirectDecision | RespondDecision | NotFoundDecision;

type DecisionBase = {
  readonly virtualHost: VirtualHostRuntime;
  readonly route: RouteRuntime;
  /** Mutations in the order to apply them (cluster entry, route, virtual host, table). */
  readonly requestHeaders: readonly HeaderMutation[];
  readonly responseHeaders: readonly HeaderMutation[];
  /** Per-filter configuration, most specific first already merged: cluster entry, route, virtual host. Key: filter name in the chain. */
  readonly filterOverrides: ReadonlyMap<string, HttpFilterOverride>;
  /** Envoy's route decorator: the span's operation name. */
  readonly decorator: { operation: string; propagate: boolean } | undefined;
};

export type ForwardDecision = DecisionBase & {
  readonly kind: 'forward';
  readonly cluster: string;
  /** Status when the cluster does not exist (503 unless configured). */
  readonly clusterNotFoundStatus: number;
  readonly action: ForwardAction;
  /** Host rewrite of the weighted cluster entry, before the action's. */
  readonly hostRewrite: string | undefined;
  /** metadata_match merged of route and cluster entry: endpoint subset selection. */
  readonly metadataMatch: { readonly [key: string]: Json } | undefined;
};

/** What is common to all destinations of a forwarding rule. Durations: undefined = not set, 0 = disabled. */
export type ForwardAction = {
  /** Whole request including retries; Envoy's default of 15 s is already filled in, 0 is none. */
  readonly timeoutMs: number;
  /** Overrides the connection manager's stream idle timeout. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  /** `max_stream_duration` is there, whatever it says: gRPC upstreams are told how long a stream may be. */
  readonly hasStreamDuration: boolean;
  /** How a gRPC client's own deadline (grpc-timeout) counts; undefined: not. */
  readonly grpcTimeout: GrpcTimeoutRuntime | undefined;
  readonly rewrite: PathRewrite | undefined;
  readonly hostRewrite: HostRewrite | undefined;
  readonly appendXForwardedHost: boolean;
  readonly retry: RetryRuntime | undefined;
  readonly mirrors: readonly MirrorRuntime[];
  readonly hashPolicies: readonly HashPolicy[];
  readonly cors: CorsRuntime | undefined;
  readonly priority: 'default' | 'high';
  /** Upgrade type in lower case -> enabled; absent types follow the connection manager. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** CONNECT ends here: its payload goes to the cluster as a plain TCP stream. Undefined: CONNECT is forwarded as a request. */
  readonly connect: ConnectRuntime | undefined;
  readonly internalRedirect: InternalRedirectRuntime | undefined;
  readonly rateLimits: readonly RateLimitRuntime[];
  /** The virtual host's limits apply besides the route's own. */
  readonly includeVirtualHostRateLimits: boolean;
  /** How much of a request's body is kept for retries and mirrors; undefined: the cluster's buffer limit. */
  readonly bufferLimitBytes: number | undefined;
};

/** 0 = no cap. `stream`: it replaces the stream's maximum duration, else the timeout of the request. */
export type GrpcTimeoutRuntime = { readonly scope: 'stream' | 'request'; readonly maxMs: number; readonly offsetMs: number };

export type ConnectRuntime = {
  /** POST requests are tunnelled, too. */
  readonly allowPost: boolean;
  /** The header that the upstream connection begins with. */
  readonly proxyProtocol: 1 | 2 | undefined;
};

/** The proxy follows redirects of the upstream itself. */
export type InternalRedirectRuntime = {
  readonly maxRedirects: number;
  readonly statuses: ReadonlySet<number>;
  readonly allowCrossScheme: boolean;
  readonly copyResponseHeaders: readonly string[];
  /** All must hold. `visited`: routes that redirects of this request led to before. */
  readonly predicates: readonly ((target: RedirectTarget) => boolean)[];
};
export type RedirectTarget = {
  readonly route: RouteRuntime;
  readonly visited: ReadonlySet<RouteRuntime>;
  readonly downstreamScheme: string;
  readonly targetScheme: string;
};

/** One descriptor that a rule makes of a request. */
export type RateLimitRuntime = {
  readonly stage: number;
  /** Undefined: an action had nothing to say, so the limit does not apply. `sourceCluster`: cluster of this proxy's node. */
  descriptor(request: RateLimitView, sourceCluster: string): readonly RateLimitEntry[] | undefined;
};
export type RateLimitEntry = { readonly key: string; readonly value: string };
export type RateLimitView = RequestView & {
  readonly remoteAddress: string;
  readonly decision: RouteDecision | undefined;
};

export type RedirectDecision = DecisionBase & {
  readonly kind: 'redirect';
  readonly status: number;
  /** The `location` for this request. */
  location(view: RequestView): string;
};

export type RespondDecision = DecisionBase & {
  readonly kind: 'respond';
  readonly status: number;
  readonly body: string;
  /** Replaces how local replies are formatted. */
  readonly bodyFormat: BodyFormat | undefined;
};

/** How the text of an answer made here is laid out; `%LOCAL_REPLY_BODY%` is the text itself. */
export type BodyFormat = {
  readonly contentType: string;
  /** Values that are not known: left out of JSON, empty in text (else null and "-"). */
  readonly omitEmpty: boolean;
} & ({ readonly kind: 'text'; readonly text: Format } | { readonly kind: 'json'; readonly fields: JsonFormat });

/** No virtual host or no rule took the request: 404, flag NR. */
export type NotFoundDecision = {
  readonly kind: 'not_found';
  readonly reason: 'no_virtual_host' | 'no_route';
  readonly virtualHost: VirtualHostRuntime | undefined;
  readonly route: undefined;
};

/** Why a request went where it went: every rule looked at, in order, until one took it. */
export type RouteExplanation = {
  decision: RouteDecision;
  host: string;
  /** The domain pattern that matched, and how. */
  domain: string | undefined;
  steps: { route: RouteRuntime; matched: boolean; reason: string }[];
};

export type HeaderMutation =
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'remove_matching'; matches(name: string): boolean }
  | {
      readonly kind: 'set';
      readonly name: string;
      readonly value: Format;
      readonly action: 'append_if_exists_or_add' | 'add_if_absent' | 'overwrite_if_exists_or_add' | 'overwrite_if_exists';
      readonly keepEmptyValue: boolean;
    };

/** The new path (with query) for a request path (with query). `template` may fail, then the path stays. */
export type PathRewrite = { readonly kind: 'prefix' | 'path' | 'regex' | 'template'; apply(pathWithQuery: string): string };

export type HostRewrite =
  | { readonly kind: 'literal'; readonly value: string }
  /** The host name of the picked endpoint (logical/strict DNS). */
  | { readonly kind: 'auto' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'path_regex'; apply(path: string): string };

export const RETRY_CONDITIONS = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;
export type RetryCondition = (typeof RETRY_CONDITIONS)[number];

export type RetryRuntime = {
  readonly on: ReadonlySet<RetryCondition>;
  readonly numRetries: number;
  /** undefined: the route's timeout; 0: none. */
  readonly perTryTimeoutMs: number | undefined;
  readonly perTryIdleTimeoutMs: number | undefined;
  readonly statusCodes: ReadonlySet<number>;
  /** Response headers that make a response retriable; empty = none asked. */
  readonly matchesRetriableHeaders: ((header: (name: string) => string | undefined) => boolean) | undefined;
  /** Only requests for which this holds are retried. */
  readonly matchesRequest: ((view: RequestView) => boolean) | undefined;
  /** How often another endpoint is picked when a predicate rejects one (1 = no reselection). */
  readonly hostSelectionMaxAttempts: number;
  readonly avoidPreviousHosts: boolean;
  /** Retries go to other priorities than the attempts before, which are looked at after so many attempts; undefined: as any request. */
  readonly previousPrioritiesEvery: number | undefined;
  /** Hosts with the metadata `envoy.lb` `canary: true` are not retried on. */
  readonly omitCanaryHosts: boolean;
  /** Hosts whose `envoy.lb` metadata has all of these are not retried on. */
  readonly omitHostMetadata: { readonly [key: string]: Json } | undefined;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** Waits as long as the upstream says in one of these headers. */
  readonly rateLimitedBackoff:
    | { readonly headers: readonly { readonly name: string; readonly format: 'seconds' | 'unix_timestamp' }[]; readonly maxMs: number }
    | undefined;
};

export type MirrorRuntime = {
  /** Empty when a header names it. */
  readonly cluster: string;
  readonly clusterHeader: string | undefined;
  readonly requestHeaders: readonly HeaderMutation[];
  readonly hostRewrite: string | undefined;
  /** 0 to 1. */
  readonly share: Share;
  /** Appends "-shadow" to the host. */
  readonly appendShadowSuffix: boolean;
};

export type HashPolicy =
  /** `rewrite` changes the value before it is hashed. */
  (
    | { readonly kind: 'header'; readonly name: string; rewrite?(value: string): string }
    | { readonly kind: 'filter_state'; readonly key: string }
    | {
        readonly kind: 'cookie';
        readonly name: string;
        readonly ttlMs: number | undefined;
        readonly path: string;
        readonly attributes: readonly { name: string; value: string }[];
      }
    | { readonly kind: 'source_ip' }
    | { readonly kind: 'query_parameter'; readonly name: string }
  ) & { readonly terminal: boolean };

/** A CORS policy. What is undefined or empty is left to the level above (route, virtual host, table). */
export type CorsRuntime = {
  readonly allowsOrigin: ((origin: string) => boolean) | undefined;
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  /** Preflights whose origin does not match: true (default) sends them upstream, false answers them here. */
  readonly forwardNotMatchingPreflights: boolean | undefined;
  /** Share of requests for which the policy acts / is only counted, 0 to 1. Of the most specific level. */
  readonly enabled: Share;
  readonly shadow: Share;
};
