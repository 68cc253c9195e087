// What `finish` reports of one request or TCP connection: everything that access log operators, Istio's metrics and spans
// read. The exchange itself implements it, so nothing is built that nobody asks for. Valid during the call only.

import type { TlsFacts } from '../io/tls-facts.ts';
import type { ClusterRuntime, EndpointRuntime, RouteDecision } from '../runtime/model.ts';
import type { ConnectionInfo } from './request-view.ts';

/** Peer workload as exchanged in x-envoy-peer-metadata; all fields may be empty. */
export type PeerMetadata = {
  /** Node id of the peer (x-envoy-peer-metadata-id). */
  id: string;
  workloadName: string;
  namespace: string;
  /** Labels, e.g. app, version, service.istio.io/canonical-name. */
  labels: Readonly<Record<string, string>>;
  clusterId: string;
  /** Metadata keys beyond those above, as strings (NAME, OWNER, PLATFORM_METADATA as JSON …). */
  other: Readonly<Record<string, string>>;
};

/** Response flags in Envoy's order; a record carries a bit set over these. */
export const RESPONSE_FLAGS = [
  'LH',
  'UH',
  'UT',
  'LR',
  'UR',
  'UF',
  'UC',
  'UO',
  'NR',
  'DI',
  'FI',
  'RL',
  'UAEX',
  'RLSE',
  'DC',
  'URX',
  'SI',
  'IH',
  'DPE',
  'UMSDR',
  'RFCF',
  'NFCF',
  'DT',
  'UPE',
  'NC',
  'OM',
  'DF',
  'DO',
  'DR',
] as const;
export type ResponseFlag = (typeof RESPONSE_FLAGS)[number];

/** The bit of a flag. */
export const flagBit = (flag: ResponseFlag): number => 2 ** RESPONSE_FLAGS.indexOf(flag);

/** "URX,UF", or "-" for none: the access log's form. With HTTP, URX is set before the cause of the last attempt, so it leads. */
export function formatResponseFlags(bits: number, kind: RequestRecord['kind'] = 'http'): string {
  if (bits === 0) return '-';
  const set = RESPONSE_FLAGS.filter((_, i) => (bits >>> i) & 1);
  return kind === 'http' && set.includes('URX') ? ['URX', ...set.filter((flag) => flag !== 'URX')].join(',') : set.join(',');
}

export type HeaderBytes = {
  /** Names and values as sent, pseudo headers included. */
  request(): number;
  response(): number;
  responseTrailers(): number;
  /** Lines as received; of HTTP/2 the same lines as HTTP/1 would have them. */
  receivedFromClient(): number;
  receivedFromUpstream(): number;
};

/** Milliseconds from the start of the request. */
export type UpstreamTimes = { readonly beginMs: number; endMs: number | undefined };

/** One finished HTTP request or TCP connection. Durations are milliseconds from the start; undefined = did not happen. */
export interface RequestRecord {
  readonly kind: 'http' | 'tcp';
  /** Of a line that does not stand for a whole request or TCP connection. */
  readonly accessLogType?: string;
  readonly connection: ConnectionInfo;
  /** Unique in this process. */
  readonly streamId: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly startTimeMs: number;
  /** Whole duration. */
  readonly durationMs: number;
  /** Last byte of the request received. */
  readonly requestDurationMs: number | undefined;
  /** First byte of the upstream's response. */
  readonly responseDurationMs: number | undefined;

  /** "HTTP/2", "HTTP/1.1", "HTTP/1.0"; empty for TCP. */
  readonly protocol: string;
  readonly upstreamProtocol: string;
  readonly method: string;
  /** Path with query as sent upstream (after rewrite). */
  readonly path: string;
  /** Path with query before the rewrite. */
  readonly originalPath: string;
  readonly authority: string;
  /** Request header as sent upstream, lower-case name; pseudo headers included. */
  requestHeader(lowerName: string): string | undefined;
  requestTrailer(lowerName: string): string | undefined;
  /** Response header as sent downstream; ":status" included. */
  responseHeader(lowerName: string): string | undefined;
  responseTrailer(lowerName: string): string | undefined;
  /** 0 when no response was started. */
  readonly responseCode: number;
  /** Bits of RESPONSE_FLAGS. */
  readonly responseFlags: number;
  /** e.g. "via_upstream", "route_not_found"; empty for TCP. */
  readonly responseCodeDetails: string;
  readonly connectionTerminationDetails: string;
  /** e.g. "delayed_connect_error:_Connection_refused"; empty when none. */
  readonly upstreamTransportFailureReason: string;
  /** Why the client's TLS handshake failed. */
  readonly downstreamTransportFailureReason?: string;
  /** Body bytes for HTTP, stream bytes for TCP. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly requestHeadersBytes: number;
  readonly responseHeadersBytes: number;
  /** Bytes of headers in Envoy's ways of counting; undefined for TCP. */
  readonly headerBytes?: HeaderBytes;
  /** When the last attempt was sent; undefined without one, and where no log asks (`HttpObserver.timesUpstream`). */
  readonly upstreamTimes?: UpstreamTimes | undefined;

  /** Which rule took the request, and why; undefined when none was asked (early refusals, TCP). */
  readonly decision: RouteDecision | undefined;
  readonly routeName: string;
  readonly virtualHostName: string;
  /** Cluster name as chosen; empty when none was. */
  readonly upstreamCluster: string;
  /** The chosen cluster; undefined when it does not exist. */
  readonly cluster: ClusterRuntime | undefined;
  /** The endpoint of the last attempt. */
  readonly endpoint: EndpointRuntime | undefined;
  /** "ip:port" of the upstream host; empty when none was picked. */
  readonly upstreamHost: string;
  readonly upstreamLocalAddress: string;
  readonly upstreamAttemptCount: number;
  /** Of the TLS session to the upstream; undefined for plaintext. */
  readonly upstreamTls: TlsFacts | undefined;
  /** URI SAN of the upstream's verified certificate; empty without mutual TLS. */
  readonly upstreamPeerPrincipal: string;

  /** The caller's workload (from the request's metadata header), if told. */
  readonly downstreamPeer: PeerMetadata | undefined;
  /** The upstream's workload (from the response's metadata header), if told. */
  readonly upstreamPeer: PeerMetadata | undefined;
  /** Address of the client as the connection manager settled it (x-forwarded-for, trusted hops): "ip:port" or "ip:0". */
  readonly downstreamRemoteAddress: string;
  /** grpc-status of a gRPC response (header or trailer); undefined for others. */
  readonly grpcStatus: number | undefined;
  /** gRPC messages seen each way; 0 for others. */
  readonly requestMessages: number;
  readonly responseMessages: number;
  /** Dynamic metadata by filter name; undefined when nothing was set. */
  /** Each line of a header by itself. */
  requestHeaderValues?(lowerName: string): readonly string[];
  responseHeaderValues?(lowerName: string): readonly string[];
  /** Kind of request by the virtual host's virtual clusters. */
  readonly virtualCluster?: string | undefined;
  /** Text of an answer that this proxy made, before it was laid out. */
  readonly localReplyBody?: string;
  /** What filters of the request or its connection stored under a key. */
  filterStateText?(key: string): string | undefined;
  readonly dynamicMetadata: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined;
}
