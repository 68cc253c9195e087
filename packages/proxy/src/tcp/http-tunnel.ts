// A byte stream that an upstream carries for us over HTTP: CONNECT, or a POST whose bodies are the two directions. To the TCP proxy it
// is a connection like others, which has begun when the upstream has agreed.

import type { Socket } from 'node:net';
import { Head } from '../http/head.ts';
import { applyHeaderMutations, formatText } from '../http/header-mutations.ts';
import type { ClientStream, ClientStreamHandler, ResetReason } from '../http/stream.ts';
import { Connection, type ConnectionHandler } from '../io/connection.ts';
import type { TcpTunnelRuntime } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';
import type { PoolUser } from '../upstream/http-pool.ts';
import type { TcpRecord } from './tcp-record.ts';

const HEADERS_STATE = 'envoy.tcp_proxy.propagate_response_headers';
const TRAILERS_STATE = 'envoy.tcp_proxy.propagate_response_trailers';

type Events = { readonly handler: ConnectionHandler; readonly onConnect: () => void };

export class HttpTunnel extends Connection implements PoolUser, ClientStreamHandler {
  private readonly tunnel: TcpTunnelRuntime;
  private readonly record: TcpRecord;
  private readonly onConnect: () => void;
  private client: ClientStream | undefined;
  private wait: { cancel(): void } | undefined;
  private isOpen = false;
  private sentEnd = false;
  private receivedEnd = false;

  constructor(tunnel: TcpTunnelRuntime, record: TcpRecord, { handler, onConnect }: Events) {
    super(handler);
    this.tunnel = tunnel;
    this.record = record;
    this.onConnect = onConnect;
  }

  /** Asks `host`; `onConnect` follows, or the handler's `onClose`. */
  open(cluster: ClusterState, host: Host): void {
    const pool = cluster.poolOf(host, { protocol: '', connection: this.record.connection });
    this.wait = pool.acquire(this, cluster.breakers.default);
  }

  onPoolReady(client: ClientStream): void {
    this.wait = undefined;
    this.client = client;
    this.tls = client.connection.tls;
    client.attach(this);
    const { tunnel, record } = this;
    const authority = formatText(tunnel.hostname, record);
    const head = new Head(0);
    head.add('host', authority);
    applyHeaderMutations(head, tunnel.requestHeaders, record);
    const isConnect = tunnel.method === 'CONNECT';
    const line = { method: tunnel.method, path: isConnect ? authority : tunnel.path, scheme: client.connection.tls ? 'https' : 'http' };
    client.sendHead(line, head, '', { first: undefined, end: false, tunnel: isConnect });
  }

  onPoolFailure(reason: ResetReason, transportFailure: string): void {
    this.wait = undefined;
    this.record.upstreamTransportFailureReason = transportFailure.replaceAll(' ', '_');
    this.finish(reason);
  }

  // --- the answer

  onUpgraded(head: Head): void {
    this.agree(head);
  }

  onResponseHead(head: Head, first: Buffer | undefined, end: boolean): void {
    if (!this.agree(head)) return;
    if (first) this.received(first);
    if (end) this.onResponseEnd(undefined);
  }

  /** Whether the upstream carries the tunnel. RFC 9110 lets any 2xx say so; over HTTP/2 Envoy takes 200 only. */
  private agree(head: Head): boolean {
    const { tunnel, record, client } = this;
    const { status } = head;
    if (tunnel.propagatesHeaders) record.setFilterState(HEADERS_STATE, linesText(head, status));
    if (client?.protocol === 'HTTP/2' ? status === 200 : status >= 200 && status < 300) {
      this.isOpen = true;
      this.onConnect();
      return true;
    }
    record.upstreamTransportFailureReason = `tunnel_response:${status}`;
    this.abandon();
    this.finish('refused');
    return false;
  }

  onInformational(): void {}

  onResponseData(bytes: Buffer): void {
    this.received(bytes);
  }

  onResponseEnd(trailers: Head | undefined): void {
    if (trailers && this.tunnel.propagatesTrailers) this.record.setFilterState(TRAILERS_STATE, linesText(trailers, 0));
    this.receivedEnd = true;
    this.handler.onEnd();
    if (this.sentEnd) this.finish(undefined);
  }

  onRequestDrain(): void {
    this.handler.onDrain();
  }

  onUpstreamReset(reason: ResetReason): void {
    this.client = undefined;
    this.finish(reason);
  }

  // --- as a connection

  keep(bytes: Buffer): Buffer {
    return this.client ? this.client.connection.keep(bytes) : Buffer.from(bytes);
  }

  write(bytes: Buffer): boolean {
    return this.relay(bytes, undefined);
  }

  override relay(bytes: Buffer, source: Connection | undefined): boolean {
    this.bytesWritten += bytes.length;
    return this.client?.sendData(bytes, source) ?? true;
  }

  get queuedBytes(): number {
    return 0;
  }

  get isFlushed(): boolean {
    return true;
  }

  cork(): void {}

  uncork(): void {}

  end(): void {
    if (this.sentEnd) return;
    this.sentEnd = true;
    this.client?.sendEnd(undefined);
    if (this.receivedEnd) this.finish(undefined);
  }

  destroy(): void {
    this.abandon();
    this.finish(undefined);
  }

  reset(): void {
    this.destroy();
  }

  pause(): void {
    this.client?.pauseResponse();
  }

  resume(): void {
    this.client?.resumeResponse();
  }

  get localAddress(): string {
    return this.client?.connection.localAddress ?? '';
  }

  get remoteAddress(): string {
    return this.client?.connection.remoteAddress ?? '';
  }

  release(): Socket {
    throw new Error('a tunnel has no socket of its own');
  }

  private abandon(): void {
    const { client, wait } = this;
    this.client = undefined;
    this.wait = undefined;
    wait?.cancel();
    // What has ended both ways is not there to be cancelled.
    if (client && !(this.isOpen && this.sentEnd && this.receivedEnd)) client.cancel();
  }
}

/** As Envoy prints header maps in filter state. */
function linesText(head: Head, status: number): string {
  const headers: { key: string; value: string }[] = status > 0 ? [{ key: ':status', value: String(status) }] : [];
  head.forEach((key, value) => void headers.push({ key, value }));
  return JSON.stringify({ headers });
}
