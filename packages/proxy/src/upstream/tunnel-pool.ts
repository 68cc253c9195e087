// CONNECT that ends here: the payload of the request becomes a TCP connection to the cluster's host, for one tunnel each.

import { Head } from '../http/head.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import type { ClientStream, ClientStreamHandler, RequestBody, RequestLine } from '../http/stream.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import { upstreamHeader } from '../proxy-protocol/upstream.ts';
import type { ConnectRuntime } from '../runtime/model.ts';
import type { BreakerState } from './circuit-breaker.ts';
import type { ClusterState } from './cluster-state.ts';
import { connectUpstream } from './connect.ts';
import type { Host } from './host.ts';
import { describeConnectError, type PoolUser } from './http-pool.ts';

/** Dials `host` for one tunnel; the same promises as `HttpPool.acquire`. */
export function openTunnel(
  cluster: ClusterState,
  host: Host,
  tunnel: { user: PoolUser; breaker: BreakerState; connect: ConnectRuntime; downstream: ConnectionInfo },
): { cancel(): void } | undefined {
  const { user, breaker, connect, downstream } = tunnel;
  if (!breaker.canConnect || !cluster.canConnectTo(host)) {
    cluster.stats.upstream_cx_overflow++;
    user.onPoolFailure('overflow', '');
    return undefined;
  }
  const stream = new TunnelStream(cluster, host, breaker);
  stream.dial(user, connect, downstream);
  return { cancel: () => stream.cancel() };
}

class TunnelStream implements ClientStream, ConnectionHandler {
  readonly protocol = 'HTTP/1.1';
  readonly isReused = false;
  responseStarted = false;
  connection!: Connection;
  private readonly cluster: ClusterState;
  private readonly host: Host;
  private readonly breaker: BreakerState;
  private handler: ClientStreamHandler | undefined;
  private waiting: PoolUser | undefined;
  private over = false;
  /** The bodies of the request and its answer are the two directions. */
  private isPost = false;
  private readonly timeout = new Timeout(() => this.onConnectFailed('timeout'));

  constructor(cluster: ClusterState, host: Host, breaker: BreakerState) {
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
  }

  dial(user: PoolUser, { proxyProtocol }: ConnectRuntime, downstream: ConnectionInfo): void {
    const { cluster, host, breaker } = this;
    this.waiting = user;
    breaker.connections++;
    cluster.stats.upstream_cx_total++;
    cluster.stats.upstream_cx_active++;
    host.stats.cx_total++;
    host.stats.cx_active++;
    cluster.context.timeouts.arm(this.timeout, cluster.runtime.connectTimeoutMs);
    const onConnect = () => {
      this.timeout.cancel();
      this.waiting = undefined;
      if (this.over) return;
      if (proxyProtocol) {
        this.connection.write(upstreamHeader({ version: proxyProtocol, passesTlv: () => true }, downstream));
      }
      user.onPoolReady(this);
    };
    this.connection = connectUpstream(cluster, host, { downstream }, { handler: this, onConnect });
  }

  private onConnectFailed(error: string | undefined): void {
    const { waiting, cluster, host } = this;
    if (!waiting) return;
    this.waiting = undefined;
    cluster.stats.upstream_cx_connect_fail++;
    host.stats.cx_connect_fail++;
    this.end();
    const isTimeout = error === 'timeout' || error === 'ETIMEDOUT';
    if (isTimeout) cluster.stats.upstream_cx_connect_timeout++;
    waiting.onPoolFailure(isTimeout ? 'connection timeout' : 'remote connection failure', isTimeout ? '' : describeConnectError(error));
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.timeout.cancel();
    this.breaker.connections--;
    this.cluster.stats.upstream_cx_active--;
    this.cluster.stats.upstream_cx_destroy++;
    this.host.stats.cx_active--;
    this.connection.destroy();
  }

  attach(handler: ClientStreamHandler): void {
    this.handler = handler;
  }

  /** Nothing of the request's head goes out; the tunnel stands. */
  sendHead(line: RequestLine, _head: Head, _upgrade: string, { first, end }: RequestBody): void {
    const head = new Head(0);
    head.status = 200;
    this.isPost = line.method === 'POST';
    if (!this.isPost) return this.handler?.onUpgraded(head);
    if (first) this.connection.write(first);
    if (end) this.connection.end();
    this.handler?.onResponseHead(head, undefined, false);
  }

  sendData(bytes: Buffer, source: Connection | undefined): boolean {
    return this.connection.relay(bytes, source);
  }

  sendEnd(): void {
    this.connection.end();
  }

  cancel(): void {
    this.handler = undefined;
    this.waiting = undefined;
    this.end();
  }

  pauseResponse(): void {
    this.connection.pause();
  }

  resumeResponse(): void {
    this.connection.resume();
  }

  onData(bytes: Buffer): void {
    this.responseStarted = true;
    this.handler?.onResponseData(bytes, this.connection);
  }

  onEnd(): void {
    const { handler } = this;
    if (this.isPost) {
      this.handler = undefined;
      this.end();
    }
    handler?.onResponseEnd(undefined);
  }

  onDrain(): void {
    this.handler?.onRequestDrain();
  }

  onClose(error: string | undefined): void {
    if (this.waiting) return this.onConnectFailed(error);
    const { handler } = this;
    this.handler = undefined;
    this.end();
    handler?.onUpstreamReset('connection termination', '');
  }
}
