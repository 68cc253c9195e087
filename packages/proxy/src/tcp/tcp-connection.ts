// The TCP proxy: one downstream connection joined to one upstream connection, with half-close both ways.

import type { ProxyContext } from '../http/context.ts';
import type { TcpObserver } from '../http/observer.ts';
import type { PeerMetadata } from '../http/request-record.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import { type Connection, type ConnectionHandler, ignoring } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import { redirectedTo } from '../listener/connection-info.ts';
import type { TcpClusterRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import { connectUpstream } from '../upstream/connect.ts';
import { hashText } from '../upstream/hash.ts';
import type { Host } from '../upstream/host.ts';
import { describeConnectError } from '../upstream/http-pool.ts';
import { HttpTunnel } from './http-tunnel.ts';
import { exchangeMetadata, PEER_EXCHANGE } from './metadata-exchange.ts';
import type { TcpRecord } from './tcp-record.ts';

/** Filter state that decides where the TCP proxy goes, and how long it waits. */
export const TCP_PROXY_CLUSTER = 'envoy.tcp_proxy.cluster';
const TCP_PROXY_IDLE_TIMEOUT = 'envoy.tcp_proxy.per_connection_idle_timeout_ms';

export type TcpServices = {
  readonly proxy: ProxyContext;
  readonly tcp: TcpProxyRuntime;
  readonly observer: TcpObserver;
  /** The listener, or its filter chain, is to lose its connections. */
  readonly isDraining: () => boolean;
  /** Where to note what becomes of the connection; the listener's log may want it too. */
  readonly record: TcpRecord;
};

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
  /** Whose end of the stream came second; undefined while the upstream's is not there. */
  private lastWord: 'upstream' | 'downstream' | undefined;
  private finished = false;
  private lastActivityMs: number;
  private readonly connectTimeout: Timeout = new Timeout(() => this.onConnectFailed('timeout'));
  private readonly idle: Timeout = new Timeout(() => this.onIdle());
  private readonly nextAttempt: Timeout = new Timeout(() => this.start(this.record.connection));
  private readonly idleTimeoutMs: number;
  private metadataMatch: TcpClusterRuntime['metadataMatch'];
  private maxDuration: Timeout | undefined;
  /** Undefined: a drain means nothing to this connection. */
  private readonly isDraining: (() => boolean) | undefined;
  private readonly repeating: Timeout[] = [];

  constructor({ proxy, tcp, observer, record, isDraining }: TcpServices, downstream: Connection, info: ConnectionInfo) {
    this.proxy = proxy;
    this.tcp = tcp;
    this.observer = observer;
    this.downstream = downstream;
    this.record = record;
    if (tcp.endsWhenDraining) this.isDraining = isDraining;
    record.connection = info;
    observer.started?.();
    if (tcp.logsOnStart) this.log('TcpConnectionStart');
    this.lastActivityMs = proxy.clock.monotonicMs();
    this.idleTimeoutMs = ownIdleTimeoutMs(info) ?? tcp.idleTimeoutMs;
    downstream.handler = this;
    if (this.idleTimeoutMs > 0) proxy.timeouts.arm(this.idle, this.idleTimeoutMs);
    if (tcp.maxDownstreamConnectionDurationMs > 0) {
      this.maxDuration = new Timeout(() => {
        observer.count?.('max_downstream_connection_duration');
        this.fail('DT');
      });
      proxy.timeouts.arm(this.maxDuration, tcp.maxDownstreamConnectionDurationMs * (1 + tcp.maxDurationJitter * proxy.random()));
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
    if (!this.cluster) {
      this.observer.count?.('downstream_cx_no_route');
      return this.fail('NC');
    }
    if (!this.cluster.breakers.default.canConnect) {
      this.cluster.stats.upstream_cx_overflow++;
      return this.fail('UO');
    }
    this.connect(info);
  }

  private connect(info: ConnectionInfo): void {
    const { cluster, record } = this;
    const host = cluster?.pick(redirectedTo(info), { hash: this.hashOf(info), metadataMatch: withOwnMetadata(this.metadataMatch, info) });
    if (!cluster || !host) return this.fail('UH');
    if (!cluster.canConnectTo(host)) {
      cluster.stats.upstream_cx_overflow++;
      return this.fail('UO');
    }
    this.attempts++;
    record.upstreamAttemptCount = this.attempts;
    if (!this.tcp.tunnel && !cluster.breakers.default.canQueue) {
      cluster.stats.upstream_rq_pending_overflow++;
      return this.exhaust(cluster);
    }
    this.host = host;
    record.upstreamHost = host.address;
    record.endpoint = host.endpoint;
    const handler: ConnectionHandler = {
      onData: (bytes) => this.onUpstreamData(bytes),
      onEnd: () => {
        this.lastWord = this.downstreamEnded ? 'upstream' : 'downstream';
        this.downstream.end();
      },
      onDrain: () => this.downstream.resume(),
      onClose: (error) => this.onUpstreamClosed(error),
    };
    const events = { handler, onConnect: () => this.onConnected() };
    if (this.tcp.tunnel) {
      const tunnel = new HttpTunnel(this.tcp.tunnel, record, events);
      this.upstream = tunnel;
      return tunnel.open(cluster, host);
    }
    this.countConnection(cluster, host, 1);
    this.countPending(cluster, 1);
    cluster.stats.upstream_rq_pending_total++;
    cluster.stats.upstream_cx_total++;
    host.stats.cx_total++;
    this.proxy.timeouts.arm(this.connectTimeout, cluster.runtime.connectTimeoutMs);
    this.upstream = connectUpstream(cluster, host, { downstream: info }, events);
  }

  /** Tunnels are requests of a pool, which counts its connections itself. */
  private countConnection(cluster: ClusterState, host: Host, change: 1 | -1): void {
    cluster.stats.upstream_cx_active += change;
    cluster.breakers.default.connections += change;
    host.stats.cx_active += change;
  }

  /** As in Envoy, a connection that is being made is a request that waits. */
  private countPending({ stats, breakers }: ClusterState, change: 1 | -1): void {
    stats.upstream_rq_pending_active += change;
    breakers.default.pending += change;
  }

  private hashOf(info: ConnectionInfo): ReturnType<typeof hashText> | undefined {
    const { hashPolicy } = this.tcp;
    if (!hashPolicy) return undefined;
    const text = hashPolicy.kind === 'source_ip' ? info.remoteIp : info.filterState?.get(hashPolicy.key);
    return text === undefined ? undefined : hashText(text);
  }

  private onConnected(): void {
    const { upstream, record, cluster } = this;
    if (!upstream || !cluster || this.finished) return;
    this.connectTimeout.cancel();
    this.connected = true;
    if (!this.tcp.tunnel) {
      this.countPending(cluster, -1);
      cluster.stats.upstream_rq_total++;
      cluster.stats.upstream_rq_active++;
    }
    this.host?.relays.add(this.onHostFailure);
    record.upstreamLocalAddress = upstream.localAddress;
    record.upstreamTls = upstream.tls;
    if (upstream.tls?.applicationProtocol === PEER_EXCHANGE) {
      exchangeMetadata(upstream, this.proxy.node, upstream.handler, (peer) => {
        record.upstreamPeer = peer;
      });
    }
    if (this.host) cluster.reportLocal(this.host, 'connected');
    this.observer.connectionOpened(record);
    if (this.tcp.logsOnConnected) this.log('TcpUpstreamConnected');
    const { progress } = this.observer;
    if (progress) this.repeat(progress.intervalMs, () => progress.report(record));
    this.repeat(this.tcp.accessLogFlushIntervalMs, () => this.log('TcpPeriodic'));
    for (const piece of this.early) {
      record.bytesReceived += piece.length;
      upstream.write(piece);
    }
    this.early = [];
    if (this.downstreamEnded) upstream.end();
    this.downstream.resume();
  }

  private log(type: TcpRecord['accessLogType']): void {
    const { record } = this;
    record.complete();
    record.accessLogType = type;
    this.observer.log?.(record);
    record.accessLogType = 'TcpConnectionEnd';
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
    const { record } = this;
    this.connectTimeout.cancel();
    this.releaseUpstream(error !== 'timeout');
    if (!this.tcp.tunnel) {
      cluster.stats.upstream_cx_connect_fail++;
      cluster.stats.upstream_rq_pending_failure_eject++;
      record.upstreamTransportFailureReason =
        error === undefined || error === 'timeout' ? '' : describeConnectError(error).replaceAll(' ', '_');
      if (error === 'timeout') cluster.stats.upstream_cx_connect_timeout++;
      if (this.host) this.host.stats.cx_connect_fail++;
    }
    if (this.host) cluster.reportResult(this.host, 0);
    record.addFlag('UF');
    if (this.finished || this.attempts >= Math.max(1, this.tcp.maxConnectAttempts)) return this.exhaust(cluster);
    // Each attempt chooses again, among the clusters too.
    const { backoff } = this.tcp;
    if (!backoff) return this.start(record.connection);
    const boundMs = Math.min(backoff.maxMs, backoff.baseMs * 2 ** (this.attempts - 1));
    this.proxy.timeouts.arm(this.nextAttempt, this.proxy.random() * boundMs);
  }

  private exhaust({ stats }: ClusterState): void {
    stats.upstream_cx_connect_attempts_exceeded++;
    this.fail('URX');
  }

  onData(bytes: Buffer): void {
    this.lastActivityMs = this.proxy.clock.monotonicMs();
    if (!this.connected || !this.upstream) {
      this.early.push(this.downstream.keep(bytes));
      this.downstream.pause();
      return;
    }
    if (this.isDraining?.()) return this.endForDrain();
    this.record.bytesReceived += bytes.length;
    if (!this.upstream.relay(bytes, this.downstream)) this.downstream.pause();
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
    if (this.isDraining?.()) this.endForDrain();
  }

  /** As Envoy: the client gets what is queued for it, and its last bytes go nowhere. */
  private endForDrain(): void {
    this.observer.count?.('downstream_cx_drain_close');
    this.releaseUpstream();
    this.endAfterFlush(this.downstream, { ...ignoring, onClose: (error) => this.onClose(error) });
  }

  private onUpstreamClosed(error: string | undefined): void {
    if (!this.connected) return this.onConnectFailed(error);
    this.releaseUpstream(true);
    if (error === undefined) this.downstream.end();
    else {
      this.record.addFlag('UR');
      this.downstream.reset();
    }
    // A client that never closes its side must not hold the connection for ever.
    if (!this.downstreamEnded) this.proxy.timeouts.arm(this.idle, HALF_CLOSED_MS);
  }

  private releaseUpstream(endedByPeer = false): void {
    const { upstream, cluster, host } = this;
    if (!upstream) return;
    this.upstream = undefined;
    upstream.handler = ignoring;
    upstream.destroy();
    host?.relays.delete(this.onHostFailure);
    if (!cluster || !host || this.tcp.tunnel) return;
    if (this.connected) cluster.stats.upstream_rq_active--;
    else this.countPending(cluster, -1);
    this.countConnection(cluster, host, -1);
    // Where both have ended, the second has.
    const byPeer = this.lastWord ? this.lastWord === 'upstream' : endedByPeer;
    cluster.stats.countEnd({ endedByPeer: byPeer, brokeOff: this.connected, isFaulty: false, wasToldToClose: false });
  }

  private readonly onHostFailure = (): void => this.downstream.destroy();

  private onIdle(): void {
    const quietMs = this.proxy.clock.monotonicMs() - this.lastActivityMs;
    if (this.upstream && quietMs + 1 < this.idleTimeoutMs) this.proxy.timeouts.arm(this.idle, this.idleTimeoutMs - quietMs);
    else {
      this.observer.count?.('idle_timeout');
      this.breakOff();
    }
  }

  /** Ends both sides; nothing is waited for. */
  private breakOff(): void {
    this.releaseUpstream();
    // A client that has said something learns that nobody took it.
    if (this.early.length > 0) this.downstream.reset();
    else this.downstream.destroy();
  }

  private fail(flag: Parameters<TcpRecord['addFlag']>[0]): void {
    this.record.addFlag(flag);
    this.breakOff();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.connectTimeout.cancel();
    this.nextAttempt.cancel();
    this.idle.cancel();
    this.maxDuration?.cancel();
    for (const timeout of this.repeating) timeout.cancel();
    const { upstream } = this;
    // What is queued for the upstream still goes out when the client closed in order.
    if (upstream && this.connected && this.downstreamEnded && !upstream.closed) this.endAfterFlush(upstream, ignoring);
    else this.releaseUpstream();
    if (!this.connected) this.observer.connectionOpened(this.record);
    this.record.complete();
    this.observer.finish(this.record);
  }

  /** Ends one side once it has what is queued; a peer that neither takes it nor closes shall not stay for ever. */
  private endAfterFlush(side: Connection, handler: ConnectionHandler): void {
    const { timeouts, clock } = this.proxy;
    const deadlineMs = clock.monotonicMs() + Math.min(this.idleTimeoutMs || HALF_CLOSED_MS, HALF_CLOSED_MS);
    let wasFlushed = false;
    const check: Timeout = new Timeout(() => {
      if (wasFlushed || clock.monotonicMs() >= deadlineMs) return side.destroy();
      wasFlushed = side.isFlushed;
      timeouts.arm(check, DRAIN_CHECK_MS);
    });
    side.handler = handler;
    side.resume();
    side.end();
    timeouts.arm(check, DRAIN_CHECK_MS);
    side.onceClosed(() => {
      check.cancel();
      this.releaseUpstream();
    });
  }
}

type MetadataMatch = TcpClusterRuntime['metadataMatch'];

/** What the connection's own metadata adds to that of the configuration. */
function withOwnMetadata(match: MetadataMatch, { dynamicMetadata }: ConnectionInfo): MetadataMatch {
  const own = dynamicMetadata?.get('envoy.lb');
  return own ? { ...match, ...(own as NonNullable<MetadataMatch>) } : match;
}

function ownIdleTimeoutMs({ filterState }: ConnectionInfo): number | undefined {
  const text = filterState?.get(TCP_PROXY_IDLE_TIMEOUT) ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

const HALF_CLOSED_MS = 60_000;
const DRAIN_CHECK_MS = 500;
