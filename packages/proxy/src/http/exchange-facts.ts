// What is known of one request and its answer: routing reads it (RequestView), observers read it (RequestRecord), and whoever learns
// something writes it. What happens to the request is the exchange's business.

import type { TlsFacts } from '../io/tls-facts.ts';
import type { ClusterRuntime, EndpointRuntime, RouteDecision } from '../runtime/model.ts';
import type { HcmContext } from './context.ts';
import type { ClientFacts } from './forwarding-headers.ts';
import type { Head } from './head.ts';
import { namesAndValues, receivedLines } from './header-bytes.ts';
import {
  flagBit,
  type HeaderBytes,
  type PeerMetadata,
  type RequestRecord,
  type ResponseFlag,
  type UpstreamTimes,
} from './request-record.ts';
import type { ConnectionInfo, RequestView } from './request-view.ts';

let nextStreamId = 1;

export abstract class ExchangeFacts implements RequestView, RequestRecord, ClientFacts {
  readonly kind = 'http';
  readonly context: HcmContext;
  readonly connection: ConnectionInfo;
  /** The request's head with all edits so far; the codec's own, so valid until the request ends. */
  readonly head: Head;
  readonly streamId: number = nextStreamId++;
  private readonly startedMs: number;
  private startWallMs: number | undefined;
  method = '';
  path = '';
  originalPath = '';
  authority = '';
  scheme = 'http';
  remoteAddress = '';
  isInternal = false;
  rejectStatus: number | undefined;
  /** Lower-case protocol asked for by Upgrade; empty without. */
  upgrade = '';

  decision: RouteDecision | undefined;
  requestTrailers: Head | undefined;
  /** What filters stored for others to read, by key. */
  filterState: Map<string, string> | undefined;

  responseHead: Head | undefined;
  responseTrailers: Head | undefined;
  responseCode = 0;
  /** Set by the router where the virtual host counts kinds of requests. */
  virtualCluster: string | undefined;
  /** The text of an answer made here, while it is laid out. */
  localReplyBody = '';
  responseFlags = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  upstreamTransportFailureReason = '';
  bytesReceived = 0;
  bytesSent = 0;
  requestDurationMs: number | undefined;
  responseDurationMs: number | undefined;
  durationMs = 0;
  upstreamCluster = '';
  cluster: ClusterRuntime | undefined;
  endpoint: EndpointRuntime | undefined;
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamProtocol = '';
  upstreamAttemptCount = 0;
  upstreamTimes: UpstreamTimes | undefined;
  upstreamTls: TlsFacts | undefined;
  upstreamPeerPrincipal = '';
  downstreamPeer: PeerMetadata | undefined;
  upstreamPeer: PeerMetadata | undefined;
  /** The request came as gRPC-Web and goes on as gRPC: answers made here are written for HTTP, the filter makes them gRPC-Web's. */
  isGrpcWeb = false;
  requestMessages = 0;
  responseMessages = 0;
  /** Set by filters of this request, on top of what its connection brought; `mergeMetadata` writes it. */
  ownMetadata: Map<string, Readonly<Record<string, unknown>>> | undefined;
  constructor(context: HcmContext, connection: ConnectionInfo, head: Head) {
    this.context = context;
    this.connection = connection;
    this.head = head;
    this.startedMs = context.proxy.clock.monotonicMs();
  }

  addFlag(flag: ResponseFlag): void {
    this.responseFlags |= flagBit(flag);
  }

  /** Nobody asks for most requests, and the clock on the wall is dear. */
  get startTimeMs(): number {
    this.startWallMs ??= Math.round(this.context.proxy.clock.now() - this.elapsedMs());
    return this.startWallMs;
  }

  elapsedMs(): number {
    return this.context.proxy.clock.monotonicMs() - this.startedMs;
  }

  get protocol(): string {
    if (this.head.version === 20) return 'HTTP/2';
    return this.head.version < 11 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get routeName(): string {
    return this.decision?.route?.name ?? '';
  }

  get virtualHostName(): string {
    return this.decision?.virtualHost?.name ?? '';
  }

  get downstreamRemoteAddress(): string {
    // Until the headers are settled, and for what never had any.
    return this.remoteAddress || this.connection.remoteAddress;
  }

  get requestHeadersBytes(): number {
    return this.head.size;
  }

  get responseHeadersBytes(): number {
    return this.responseHead?.size ?? 0;
  }

  get headerBytes(): HeaderBytes {
    const { head, responseHead, responseTrailers } = this;
    const pseudo = () => {
      const host = head.has('host') ? 'host'.length + (head.value('host') ?? '').length : 0;
      return (
        ':method:path:authority:scheme'.length + this.method.length + this.path.length + this.authority.length + this.scheme.length - host
      );
    };
    return {
      request: () => namesAndValues(head) + pseudo(),
      response: () => (responseHead ? namesAndValues(responseHead) + ':status200'.length : 0),
      responseTrailers: () => (responseTrailers ? namesAndValues(responseTrailers) : 0),
      receivedFromClient: () => receivedLines(head),
      receivedFromUpstream: () => (responseHead && this.upstreamHost !== '' ? receivedLines(responseHead) : 0),
    };
  }

  get grpcStatus(): number | undefined {
    const text = this.responseTrailers?.value('grpc-status') ?? this.responseHead?.value('grpc-status');
    return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
  }

  get dynamicMetadata(): ConnectionInfo['dynamicMetadata'] {
    return this.ownMetadata ?? this.connection.dynamicMetadata;
  }

  header(lowerName: string): string | undefined {
    if (lowerName.startsWith(':')) return this.pseudoHeader(lowerName);
    return this.head.value(lowerName);
  }

  headerValues(lowerName: string): string[] {
    if (!lowerName.startsWith(':')) return this.head.values(lowerName);
    const value = this.pseudoHeader(lowerName);
    return value === undefined ? [] : [value];
  }

  forEachHeader(visit: (lowerName: string, value: string) => void): void {
    this.head.forEach(visit);
  }

  private pseudoHeader(name: string): string | undefined {
    if (name === ':path') return this.path;
    if (name === ':method') return this.method;
    if (name === ':authority') return this.authority;
    return name === ':scheme' ? this.scheme : undefined;
  }

  requestHeader(lowerName: string): string | undefined {
    return this.header(lowerName);
  }

  requestHeaderValues(lowerName: string): readonly string[] {
    return this.headerValues(lowerName);
  }

  responseHeaderValues(lowerName: string): readonly string[] {
    return this.responseHead?.values(lowerName) ?? [];
  }

  requestTrailer(lowerName: string): string | undefined {
    return this.requestTrailers?.value(lowerName);
  }

  responseHeader(lowerName: string): string | undefined {
    if (lowerName === ':status') return String(this.responseHead?.status || this.responseCode || '') || undefined;
    return this.responseHead?.value(lowerName);
  }

  responseTrailer(lowerName: string): string | undefined {
    return this.responseTrailers?.value(lowerName);
  }
}
