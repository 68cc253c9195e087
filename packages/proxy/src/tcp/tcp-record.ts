// What is reported of a TCP connection.

import type { Clock } from '@lateen/base';
import { flagBit, type PeerMetadata, type RequestRecord, type ResponseFlag } from '../http/request-record.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import type { TlsFacts } from '../io/tls-facts.ts';
import type { ClusterRuntime, EndpointRuntime } from '../runtime/model.ts';

export class TcpRecord implements RequestRecord {
  readonly kind = 'tcp';
  /** What the line that is being written stands for. */
  accessLogType: 'TcpConnectionStart' | 'TcpUpstreamConnected' | 'TcpPeriodic' | 'TcpConnectionEnd' | 'NotSet' = 'TcpConnectionEnd';
  connection: ConnectionInfo;
  readonly streamId: number;
  readonly startTimeMs: number;
  private readonly clock: Clock;
  private readonly startedMs: number;
  durationMs = 0;
  readonly requestDurationMs = undefined;
  readonly responseDurationMs = undefined;
  readonly protocol = '';
  readonly upstreamProtocol = '';
  readonly method = '';
  readonly path = '';
  readonly originalPath = '';
  readonly authority = '';
  readonly responseCode = 0;
  responseFlags = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  upstreamTransportFailureReason = '';
  downstreamTransportFailureReason = '';
  bytesReceived = 0;
  bytesSent = 0;
  readonly requestHeadersBytes = 0;
  readonly responseHeadersBytes = 0;
  readonly decision = undefined;
  readonly routeName = '';
  readonly virtualHostName = '';
  upstreamCluster = '';
  cluster: ClusterRuntime | undefined;
  endpoint: EndpointRuntime | undefined;
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamTls: TlsFacts | undefined;
  upstreamAttemptCount = 0;
  downstreamPeer: PeerMetadata | undefined;
  upstreamPeer: PeerMetadata | undefined;
  private filterState: Map<string, string> | undefined;
  readonly grpcStatus = undefined;
  readonly requestMessages = 0;
  readonly responseMessages = 0;
  private reportedReceived = 0;
  private reportedSent = 0;

  constructor(connection: ConnectionInfo, clock: Clock) {
    this.connection = connection;
    this.streamId = connection.id;
    this.clock = clock;
    this.startTimeMs = clock.now();
    this.startedMs = clock.monotonicMs();
  }

  get dynamicMetadata(): ConnectionInfo['dynamicMetadata'] {
    return this.connection.dynamicMetadata;
  }

  takeUnreported(): { received: number; sent: number } {
    const received = this.bytesReceived - this.reportedReceived;
    const sent = this.bytesSent - this.reportedSent;
    this.reportedReceived = this.bytesReceived;
    this.reportedSent = this.bytesSent;
    return { received, sent };
  }

  /** Beside what the connection has. */
  setFilterState(key: string, text: string): void {
    this.filterState ??= new Map();
    this.filterState.set(key, text);
  }

  filterStateText(key: string): string | undefined {
    return this.filterState?.get(key) ?? this.connection.filterState?.get(key);
  }

  get upstreamPeerPrincipal(): string {
    return this.upstreamTls?.peer?.uriSans[0] ?? '';
  }

  get downstreamRemoteAddress(): string {
    return this.connection.remoteAddress;
  }

  requestHeader(): undefined {}
  requestTrailer(): undefined {}
  responseHeader(): undefined {}
  responseTrailer(): undefined {}

  addFlag(flag: ResponseFlag): void {
    this.responseFlags |= flagBit(flag);
  }

  complete(): void {
    this.durationMs = this.clock.monotonicMs() - this.startedMs;
  }
}
