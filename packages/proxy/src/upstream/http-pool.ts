// How requests get a stream to a host, whatever version of HTTP carries it.

import type { ConnectionInfo } from '../http/request-view.ts';
import type { ClientStream, ResetReason } from '../http/stream.ts';
import type { BreakerState } from './circuit-breaker.ts';

/** Who waits for a stream. */
export interface PoolUser {
  onPoolReady(stream: ClientStream): void;
  onPoolFailure(reason: ResetReason, transportFailure: string): void;
}

/** What TLS asks for on behalf of the requests of a pool: SNI, and whether the peer's certificate must have that name. */
export type PoolNaming = {
  readonly serverName?: string;
  readonly expectsServerName?: boolean;
  /** Istio's ALPN filter decides. */
  readonly alpnOverride?: readonly string[];
  /** For whom all requests of the pool are, where the PROXY protocol tells the host. */
  readonly downstream?: ConnectionInfo;
};

/** What of a request decides which pool carries it. */
export type PoolRequest = {
  /** Of the downstream request. */
  readonly protocol: string;
  readonly connection?: ConnectionInfo;
  /** A header's value: with auto_sni one of them names the server. */
  header?(lowerName: string): string | undefined;
};

/** The connections to one host that speak one version of HTTP. */
export interface HttpPool {
  /**
   * Gives `user` a stream: at once, later, or never (a failure, which may also come at once). Returns what cancels the wait;
   * undefined when it is over already.
   */
  acquire(user: PoolUser, breaker: BreakerState): { cancel(): void } | undefined;
  /** Closes what is idle and lets the rest end its work. */
  drain(): void;
  /** Breaks everything off. */
  close(): void;
}

const ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  EADDRNOTAVAIL: 'Cannot assign requested address',
};

/** Why connecting failed, in Envoy's words: a system's error code, or what TLS says of itself. */
export function describeConnectError(error: string | undefined): string {
  if (error?.startsWith('TLS_error')) return error;
  const words = error !== undefined && Object.hasOwn(ERRORS, error) ? ERRORS[error] : error;
  return `delayed connect error: ${words ?? 'closed'}`;
}
