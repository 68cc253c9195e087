// Listeners, filter chains and the network filters that end a chain.

import type { AccessLogRuntime } from './access-log.ts';
import type { HcmRuntime } from './http.ts';
import type { RuntimeMetadata } from './route.ts';
import type { DownstreamTlsRuntime } from './tls.ts';

export type ListenerRuntime = {
  readonly name: string;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
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
  /** Lower case SNI, or undefined. */
  readonly serverName: string | undefined;
  readonly transportProtocol: 'raw_buffer' | 'tls';
  /** ALPN of the client hello, or "http/1.1", "h2c" as the HTTP inspector found. */
  readonly applicationProtocols: readonly string[];
};

export type ListenerFilterRuntime = { readonly kind: 'original_dst' | 'tls_inspector' | 'http_inspector' | 'proxy_protocol' } & {
  /** Whether the filter is off for this destination port (filter_disabled). */
  isDisabled(destinationPort: number): boolean;
};

export type FilterChainRuntime = {
  readonly name: string;
  readonly match: FilterChainMatchRuntime;
  readonly tls: DownstreamTlsRuntime | undefined;
  /** 0 = none. */
  readonly transportSocketConnectTimeoutMs: number;
  /** Before the terminal one, in order. */
  readonly networkFilters: readonly NetworkFilterRuntime[];
  readonly terminal: { readonly kind: 'http'; readonly hcm: HcmRuntime } | { readonly kind: 'tcp'; readonly tcp: TcpProxyRuntime };
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

export type NetworkFilterRuntime = { readonly name: string; readonly kind: 'istio_stats'; readonly tcpReportingIntervalMs: number };

export type TcpProxyRuntime = {
  readonly statPrefix: string;
  /** The cluster for a new connection: fixed, or by weight. */
  pickCluster(random: () => number): string;
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  readonly idleTimeoutMs: number;
  readonly maxConnectAttempts: number;
  readonly maxDownstreamConnectionDurationMs: number;
  readonly accessLogs: readonly AccessLogRuntime[];
  /** Source address hashing for consistent balancing. */
  readonly hashSourceIp: boolean;
  readonly metadataMatch: { readonly [key: string]: import('@lateen/base').Json } | undefined;
};
