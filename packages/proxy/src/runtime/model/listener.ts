// Listeners, filter chains and the network filters that end a chain.

import type { AccessLogRuntime } from './access-log.ts';
import type { Format } from './format.ts';
import type { HcmRuntime, IstioStatsRuntime } from './http.ts';
import type { HeaderMutation, RuntimeMetadata } from './route.ts';
import type { DownstreamTlsRuntime } from './tls.ts';

export type ListenerAddress = {
  /** An IP address, or the path of a Unix domain socket, whose port is 0. */
  readonly host: string;
  readonly port: number;
  /** "::" takes no IPv4 connections. */
  readonly isIpv6Only: boolean;
  /** Permissions of a Unix domain socket; 0 = as the process makes files. */
  readonly mode?: number;
};

export type ListenerRuntime = {
  readonly name: string;
  readonly addresses: readonly ListenerAddress[];
  /** The kernel's probing of connections; undefined: none. */
  readonly keepalive: { readonly idleMs: number; readonly intervalMs: number; readonly probes: number } | undefined;
  /** Istio's explicit hint; `unspecified` when not stated. */
  readonly trafficDirection: 'unspecified' | 'inbound' | 'outbound';
  /** False: no socket; connections arrive only from a listener with `useOriginalDst`. */
  readonly bindToPort: boolean;
  /** Hand the connection to the listener bound to its original destination, else keep it. */
  readonly useOriginalDst: boolean;
  readonly reusePort: boolean;
  readonly backlog: number;
  /** 0 = wait for ever. */
  readonly listenerFiltersTimeoutMs: number;
  readonly continueOnListenerFiltersTimeout: boolean;
  readonly listenerFilters: readonly ListenerFilterRuntime[];
  readonly perConnectionBufferLimitBytes: number;
  /** Its connections are not counted against the limit of all listeners together. */
  readonly ignoreGlobalConnLimit: boolean;
  /** Overload takes nothing off it. */
  readonly bypassOverloadManager: boolean;
  /**
   * The chain for a connection (undefined: close it, flag NR), by Envoy's order: destination port, address, server name, transport
   * protocol, application protocols, direct source, source type, source address, source port.
   */
  matchChain(connection: ConnectionView): FilterChainRuntime | undefined;
  readonly filterChains: readonly FilterChainRuntime[];
  readonly defaultFilterChain: FilterChainRuntime | undefined;
  /** Logs of connections that no chain took. */
  readonly accessLogs: readonly AccessLogRuntime[];
  readonly metadata: RuntimeMetadata;
  readonly statPrefix: string;
  readonly drainType: 'default' | 'modify_only';
};

/** What filter chain matching may look at. Fill `serverName`, `transportProtocol`, `applicationProtocols` only after the inspectors ran. */
export type ConnectionView = {
  /** Original destination when redirected, else the local address. */
  readonly destination: { readonly host: string; readonly port: number };
  readonly source: { readonly host: string; readonly port: number };
  /** The socket's peer, where a PROXY header says that `source` is another. */
  readonly directSource?: { readonly host: string; readonly port: number } | undefined;
  /** Lower case SNI, or undefined. */
  readonly serverName: string | undefined;
  readonly transportProtocol: 'raw_buffer' | 'tls';
  /** ALPN of the client hello, or "http/1.1", "h2c" as the HTTP inspector found. */
  readonly applicationProtocols: readonly string[];
};

/** Whether something is on, which a key of Envoy's runtime may say at any time. */
export type RuntimeFlag = { readonly key: string; readonly isOnByDefault: boolean };

export type ListenerFilterConfig =
  | { readonly kind: 'original_dst' | 'http_inspector' }
  | {
      readonly kind: 'tls_inspector';
      /** A longer ClientHello closes the connection. */
      readonly maxHelloBytes: number;
      /** What is no ClientHello closes it, too. */
      readonly closesOthers: boolean;
    }
  | ({ readonly kind: 'proxy_protocol' } & ProxyProtocolRuntime)
  | {
      readonly kind: 'local_rate_limit';
      readonly statPrefix: string;
      readonly bucket: TokenBucketRuntime;
      readonly enabled: RuntimeFlag | undefined;
    };

export type ListenerFilterRuntime = ListenerFilterConfig & {
  /** Whether the filter is off for this destination port (filter_disabled). */
  isDisabled(destinationPort: number): boolean;
};

export type ProxyProtocolRuntime = {
  readonly statPrefix: string;
  readonly allowWithout: boolean;
  /** Versions that are looked for. */
  readonly v1: boolean;
  readonly v2: boolean;
  /** TLVs that become dynamic metadata. */
  readonly rules: readonly { readonly type: number; readonly namespace: string; readonly key: string }[];
  /** Which TLVs the upstream may be told. */
  passesTlv(type: number): boolean;
};

export type TokenBucketRuntime = { readonly maxTokens: number; readonly tokensPerFill: number; readonly fillIntervalMs: number };

export type FilterChainRuntime = {
  readonly name: string;
  readonly match: FilterChainMatchRuntime;
  readonly tls: DownstreamTlsRuntime | undefined;
  /** 0 = none. */
  readonly transportSocketConnectTimeoutMs: number;
  /** Before the terminal one, in order. */
  readonly networkFilters: readonly NetworkFilterRuntime[];
  readonly terminal:
    | { readonly kind: 'http'; readonly hcm: HcmRuntime }
    | { readonly kind: 'tcp'; readonly tcp: TcpProxyRuntime }
    | { readonly kind: 'echo' }
    /** Connections are closed at once. */
    | { readonly kind: 'closed' }
    | { readonly kind: 'direct_response'; readonly text: string };
  readonly metadata: RuntimeMetadata;
};

export type FilterChainMatchRuntime = {
  readonly destinationPort: number | undefined;
  readonly prefixRanges: readonly string[];
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly sourceType: 'any' | 'same_ip_or_loopback' | 'external';
  readonly sourcePrefixRanges: readonly string[];
  readonly sourcePorts: readonly number[];
};

export type NetworkFilterConfig =
  | { readonly kind: 'istio_stats'; readonly stats: IstioStatsRuntime }
  | { readonly kind: 'metadata_exchange'; readonly exchange: MetadataExchangeRuntime }
  | {
      readonly kind: 'connection_limit';
      readonly statPrefix: string;
      readonly maxConnections: number;
      readonly delayMs: number;
      readonly enabled: RuntimeFlag | undefined;
    }
  | {
      readonly kind: 'local_rate_limit';
      readonly statPrefix: string;
      readonly bucket: TokenBucketRuntime;
      /** Filters with the same key and bucket share tokens; empty: its own. */
      readonly shareKey: string;
      readonly enabled: RuntimeFlag | undefined;
    }
  /** The TCP proxy's cluster is the one with the name of the SNI. */
  | { readonly kind: 'sni_cluster' }
  | { readonly kind: 'set_filter_state'; readonly values: readonly ConnectionStateValue[] };

// Here belongs rbac, with identity.
export type NetworkFilterRuntime = NetworkFilterConfig & { readonly name: string };

/** A filter state value that a connection gets as it begins. */
export type ConnectionStateValue = { readonly key: string; readonly format: Format; readonly skipIfEmpty: boolean };

/** Istio's peer metadata over TCP. */
export type MetadataExchangeRuntime = {
  /** Connections with this ALPN exchange metadata. */
  readonly protocol: string;
  /** Where the peer sent none, look its address up. */
  readonly enableDiscovery: boolean;
  readonly additionalLabels: readonly string[];
};

/** One cluster that a TCP proxy may choose. */
export type TcpClusterRuntime = {
  readonly name: string;
  readonly weight: number;
  readonly metadataMatch: { readonly [key: string]: import('@lateen/base').Json } | undefined;
};

/** The upstream carries the bytes over HTTP. */
export type TcpTunnelRuntime = {
  readonly method: 'CONNECT' | 'POST';
  /** Where the tunnel shall lead: the request's authority. */
  readonly hostname: Format;
  /** Of POST. */
  readonly path: string;
  readonly requestHeaders: readonly HeaderMutation[];
  /** What the upstream answers goes into filter state, for the access log. */
  readonly propagatesHeaders: boolean;
  readonly propagatesTrailers: boolean;
};

export type TcpProxyRuntime = {
  readonly statPrefix: string;
  /** The cluster for a new connection: fixed, or by weight. */
  pickCluster(random: () => number): TcpClusterRuntime;
  readonly clusters: readonly TcpClusterRuntime[];
  readonly idleTimeoutMs: number;
  readonly maxConnectAttempts: number;
  /** Between attempts, drawn at random below a bound that doubles; undefined: at once. */
  readonly backoff: { readonly baseMs: number; readonly maxMs: number } | undefined;
  readonly maxDownstreamConnectionDurationMs: number;
  /** By which share a connection's life may be longer, 0 to 1. */
  readonly maxDurationJitter: number;
  readonly accessLogs: readonly AccessLogRuntime[];
  /** Log an open connection every so often; 0 = only at its end. */
  readonly accessLogFlushIntervalMs: number;
  readonly logsOnConnected: boolean;
  readonly logsOnStart: boolean;
  /** Bytes that come while the listener drains end the connection. */
  readonly endsWhenDraining: boolean;
  readonly tunnel: TcpTunnelRuntime | undefined;
  /** What consistent balancing hashes: the client's address, or a filter state value. */
  readonly hashPolicy: { readonly kind: 'source_ip' } | { readonly kind: 'filter_state'; readonly key: string } | undefined;
};
