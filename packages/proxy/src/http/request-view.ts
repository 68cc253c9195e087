// What routing and policy may read of a request. One normalised view feeds routing, policy and the upstream alike; header
// values become strings only when somebody asks.

import type { TlsFacts } from '../io/tls-facts.ts';
import type { ProxyHeader } from '../proxy-protocol/header.ts';

/** A request as matchers see it: after normalisation and after edits made by earlier filters. Valid until the request ends. */
export interface RequestView {
  /** As sent (case kept). */
  readonly method: string;
  /** Normalised path with its query ("/a?b=c"); "*" for OPTIONS *; empty for CONNECT. */
  readonly path: string;
  /** Host or authority in the letters it came with, port kept as sent unless the configuration strips it. */
  readonly authority: string;
  /** "http" or "https": x-forwarded-proto as the connection manager settled it. */
  readonly scheme: string;
  /** The value of a header; several lines are joined with ",". Name in lower case. Pseudo headers (":path" …) answer too. */
  header(lowerName: string): string | undefined;
  /** Every line of a header, in order. Policies that deny must look at each. */
  headerValues(lowerName: string): string[];
  /** Calls `visit` for each header line in order, pseudo headers not included. */
  forEachHeader(visit: (lowerName: string, value: string) => void): void;
  readonly connection: ConnectionInfo;
}

/** What is known of a downstream connection; the same object for all its requests. */
export interface ConnectionInfo {
  /** Unique in this process. */
  readonly id: number;
  /** "ip:port" (IPv6 in brackets) of our end: the original destination where traffic was redirected. */
  readonly localAddress: string;
  /** "ip:port" of the direct peer. */
  readonly remoteAddress: string;
  /** Bare addresses and ports of the two. */
  readonly localIp: string;
  readonly localPort: number;
  /** The local address is not the socket's own, but where the client meant to go. */
  readonly isRedirected: boolean;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** SNI of the connection; empty when there was none. */
  readonly requestedServerName: string;
  /** "raw_buffer" or "tls", as sniffed or terminated. */
  readonly transportProtocol: string;
  /** True when this proxy terminated TLS with a verified client certificate. */
  readonly mutualTls: boolean;
  /** URI SAN of the peer's verified certificate (SPIFFE identity); empty without mutual TLS. */
  readonly peerPrincipal: string;
  /** URI SAN of our own certificate on this connection; empty without TLS. */
  readonly localPrincipal: string;
  /** Of the TLS session that this proxy terminated; undefined for plaintext. */
  readonly tls: TlsFacts | undefined;
  /** "ip:port" of the socket's peer, where a PROXY header put another in `remoteAddress`. */
  readonly directRemoteAddress?: string;
  /** Set by listener and network filters, by key; requests of the connection may read it. */
  readonly filterState?: ReadonlyMap<string, string>;
  /** Set by listener filters, by filter name. */
  readonly dynamicMetadata?: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** What a PROXY header said of the connection, with the TLVs that may go upstream. */
  readonly proxyHeader?: ProxyHeader;
}
