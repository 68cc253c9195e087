// The TCP proxy: one downstream connection joined to one upstream connection, with half-close both ways.

import type { ProxyContext } from '../http/context.ts';
import type { TcpObserver } from '../http/observer.ts';
import type { PeerMetadata } from '../http/request-record.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import { type Connection, type ConnectionHandler, ignoring } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { TcpClusterRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import { connectUpstream } from '../upstream/connect.ts';
import { hashText } from '../upstream/hash.ts';
import type { Host } from '../upstream/host.ts';
import { exchangeMetadata, PEER_EXCHANGE } from './metadata-exchange.ts';
import { TcpRecord } from './tcp-record.ts';

/** Filter state that decides where the TCP proxy goes, and how long it waits. */
export const TCP_PROXY_CLUSTER = 'envoy.tcp_proxy.cluster';
const TCP_PROXY_IDLE_TIMEOUT = 'envoy.tcp_proxy.per_connection_idle_timeout_ms';

export type TcpServices = { readonly proxy: ProxyContext; readonly tcp: TcpProxyRuntime; readonly observer: TcpObserver };

export class TcpConnection implements ConnectionHandler {
  private readonly proxy: ProxyContext;
  private readonly tcp: TcpProxyRuntime;
  private readonly observer: TcpObserver;
  private readonly downstream: Connection;
  private readonly record: TcpRecord;
  private upstream: Connection | undefined;
  private connected = false;
  private cluster: ClusterState | undefined;
  private host: Host | undefined;
  private attempts = 0;
  private early: Buffer[] = [];
  private downstreamEnded = false;
  private finished = false;
  private lastActivityMs: number;
  private readonly connectTimeout: Timeout = new Timeout(() => this.onConnectFailed('timeout'));
  private readonly idle: Timeout = new Timeout(() => this.onIdle());
  private readonly idleTimeoutMs: number;
  private metadataMatch: TcpClusterRuntime['metadataMatch'];
  private maxDuration: Timeout | undefined;
  private readonly repeating: Timeout[] = [];

  constructor({ proxy, tcp, observer }: TcpServices, downstream: Connection, info: ConnectionInfo) {
    this.proxy = proxy;
    this.tcp = tcp;
    this.observer = observer;
    this.downstream = downstream;
    this.record = new TcpRecord(info, proxy.clock);
    this.lastActivityMs = proxy.clock.monotonicMs();
    this.idleTimeoutMs = ownIdleTimeoutMs(info) ?? tcp.idleTimeoutMs;
    downstream.handler = this;
    if (this.idleTimeoutMs > 0) proxy.timeouts.arm(this.idle, this.idleTimeoutMs);
    if (tcp.maxDownstreamConnectionDurationMs > 0) {
      this.maxDuration = new Timeout(() => this.fail('DO'));
      proxy.timeouts.arm(this.maxDuration, tcp.maxDownstreamConnectionDurationMs);
    }
    this.start(info);
  }

  /** Who the client is, as it said in front of its bytes. */
  setDownstreamPeer(peer: PeerMetadata | undefined): void {
    this.record.downstreamPeer = peer;
  }

  private start(info: ConnectionInfo): void {
    const { record, proxy } = this;
    const picked = this.tcp.pickCluster(proxy.random);
    this.metadataMatch = picked.metadataMatch;
    const name = info.filterState?.get(TCP_PROXY_CLUSTER) ?? picked.name;
    record.upstreamCluster = name;
    this.cluster = proxy.clusters.get(name);
    record.cluster = this.cluster?.runtime;
    if (!this.cluster) return this.fail('NC');
    if (!this.cluster.breakers.default.canConnect) {
      this.cluster.stats.upstream_cx_overflow++;
      return this.fail('UO');
    }
    this.connect(info);
  }

  private connect(info: ConnectionInfo): void {
    const { cluster, record } = this;
    const host = cluster?.pick(
      { host: info.localIp, port: info.localPort },
      { hash: this.hashOf(info), metadataMatch: this.metadataMatch },
    );
    if (!cluster || !host) return this.fail('UH');
    if (!cluster.canConnectTo(host)) {
      cluster.stats.upstream_cx_overflow++;
      return this.fail('UO');
    }
    this.attempts++;
    this.host = host;
    record.upstreamAttemptCount = this.attempts;
    record.upstreamHost = host.address;
    record.endpoint = host.endpoint;
    cluster.stats.upstream_cx_total++;
    cluster.stats.upstream_cx_active++;
    cluster.breakers.default.connections++;
    host.stats.cx_total++;
    host.stats.cx_active++;
    this.proxy.timeouts.arm(this.connectTimeout, cluster.runtime.connectTimeoutMs);
    const handler: ConnectionHandler = {
      onData: (bytes) => this.onUpstreamData(bytes),
      onEnd: () => this.downstream.end(),
      onDrain: () => this.downstream.resume(),
      onClose: (error) => this.onUpstreamClosed(error),
    };
    this.upstream = connectUpstream(cluster, host, { downstream: info }, { handler, onConnect: () => this.onConnected() });
  }

  private hashOf(info: ConnectionInfo): ReturnType<typeof hashText> | undefined {
    const { hashPolicy } = this.tcp;
    if (!hashPolicy) return undefined;
    const text = hashPolicy.kind === 'source_ip' ? info.remoteIp : info.filterState?.get(hashPolicy.key);
    return text === undefined ? undefined : hashText(text);
  }

  private onConnected(): void {
    const { upstream, record } = this;
    if (!upstream || this.finished) return;
    this.connectTimeout.cancel();
    this.connected = true;
    this.host?.relays.add(this.onHostFailure);
    record.upstreamLocalAddress = upstream.localAddress;
    record.upstreamTls = upstream.tls;
    if (upstream.tls?.applicationProtocol === PEER_EXCHANGE) {
      exchangeMetadata(upstream, this.proxy.node, upstream.handler, (peer) => {
        record.upstreamPeer = peer;
      });
    }
    if (this.cluster && this.host) this.cluster.reportLocal(this.host, 'connected');
    this.observer.connectionOpened(record);
    if (this.tcp.logsOnConnected) this.log();
    const { progress } = this.observer;
    if (progress) this.repeat(progress.intervalMs, () => progress.report(record));
    this.repeat(this.tcp.accessLogFlushIntervalMs, () => this.log());
    for (const piece of this.early) upstream.write(piece);
    this.early = [];
    if (this.downstreamEnded) upstream.end();
    this.downstream.resume();
  }

  private log(): void {
    this.record.complete();
    this.observer.log?.(this.record);
  }

  private repeat(intervalMs: number, run: () => void): void {
    if (intervalMs <= 0) return;
    const timeout: Timeout = new Timeout(() => {
      run();
      this.proxy.timeouts.arm(timeout, intervalMs);
    });
    this.repeating.push(timeout);
    this.proxy.timeouts.arm(timeout, intervalMs);
  }

  private onConnectFailed(error: string | undefined): void {
    const { cluster, upstream } = this;
    if (!cluster || !upstream || this.connected) return;
    this.connectTimeout.cancel();
    this.releaseUpstream();
    cluster.stats.upstream_cx_connect_fail++;
    if (error === 'timeout') cluster.stats.upstream_cx_connect_timeout++;
    if (this.host) {
      this.host.stats.cx_connect_fail++;
      cluster.reportResult(this.host, 0);
    }
    if (this.attempts < Math.max(1, this.tcp.maxConnectAttempts) && !this.finished) return this.connect(this.record.connection);
    this.fail('UF');
  }

  onData(bytes: Buffer): void {
    this.lastActivityMs = this.proxy.clock.monotonicMs();
    this.record.bytesReceived += bytes.length;
    if (!this.connected || !this.upstream) {
      this.early.push(this.downstream.keep(bytes));
      this.downstream.pause();
    } else if (!this.upstream.relay(bytes, this.downstream)) this.downstream.pause();
  }

  onEnd(): void {
    this.downstreamEnded = true;
    if (this.connected) this.upstream?.end();
  }

  onDrain(): void {
    this.upstream?.resume();
  }

  onClose(error: string | undefined): void {
    if (error !== undefined || !this.downstreamEnded) this.upstream?.reset();
    this.finish();
  }

  private onUpstreamData(bytes: Buffer): void {
    this.lastActivityMs = this.proxy.clock.monotonicMs();
    this.record.bytesSent += bytes.length;
    const { upstream } = this;
    if (upstream && !this.downstream.relay(bytes, upstream)) upstream.pause();
  }

  private onUpstreamClosed(error: string | undefined): void {
    if (!this.connected) return this.onConnectFailed(error);
    this.releaseUpstream();
    if (error === undefined) this.downstream.end();
    else this.downstream.reset();
    // A client that never closes its side must not hold the connection for ever.
    if (!this.downstreamEnded) this.proxy.timeouts.arm(this.idle, HALF_CLOSED_MS);
  }

  private releaseUpstream(): void {
    const { upstream, cluster, host } = this;
    if (!upstream) return;
    this.upstream = undefined;
    upstream.handler = ignoring;
    upstream.destroy();
    if (cluster) {
      cluster.stats.upstream_cx_active--;
      cluster.stats.upstream_cx_destroy++;
      cluster.breakers.default.connections--;
    }
    if (host) {
      host.stats.cx_active--;
      host.relays.delete(this.onHostFailure);
    }
  }

  private readonly onHostFailure = (): void => this.downstream.destroy();

  private onIdle(): void {
    const quietMs = this.proxy.clock.monotonicMs() - this.lastActivityMs;
    if (this.upstream && quietMs + 1 < this.idleTimeoutMs) this.proxy.timeouts.arm(this.idle, this.idleTimeoutMs - quietMs);
    else this.downstream.destroy();
  }

  private fail(flag: Parameters<TcpRecord['addFlag']>[0]): void {
    this.record.addFlag(flag);
    this.downstream.destroy();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.connectTimeout.cancel();
    this.idle.cancel();
    this.maxDuration?.cancel();
    for (const timeout of this.repeating) timeout.cancel();
    const { upstream } = this;
    // What is queued for the upstream still goes out when the client closed in order.
    if (upstream && this.connected && this.downstreamEnded && !upstream.closed) {
      upstream.end();
      upstream.onceClosed(() => this.releaseUpstream());
    } else this.releaseUpstream();
    this.record.complete();
    this.observer.finish(this.record);
  }
}

function ownIdleTimeoutMs({ filterState }: ConnectionInfo): number | undefined {
  const text = filterState?.get(TCP_PROXY_IDLE_TIMEOUT) ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

const HALF_CLOSED_MS = 60_000;
