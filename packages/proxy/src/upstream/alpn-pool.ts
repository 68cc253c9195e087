// Which pool serves a host: by the cluster's protocol, or by what the host chooses in its first TLS handshake.

import type { ResetReason } from '../http/stream.ts';
import type { Connection } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { Http2Settings } from '../runtime/model.ts';
import type { BreakerState } from './circuit-breaker.ts';
import type { ClusterState } from './cluster-state.ts';
import { connectUpstream, transportOf } from './connect.ts';
import type { Host } from './host.ts';
import { describeConnectError, type HttpPool, type PoolNaming, type PoolUser } from './http-pool.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';

/** A pool for requests that go to `host` by this version; `auto` clusters with TLS ask the host. */
export function createHttpPool(cluster: ClusterState, host: Host, version: 'HTTP/1.1' | 'HTTP/2', naming: PoolNaming = {}): HttpPool {
  const { protocol } = cluster.runtime;
  if (protocol.kind === 'auto' && transportOf(cluster, host).kind === 'tls') return new AlpnPool(cluster, host, protocol.http2, naming);
  if (version === 'HTTP/2' && protocol.kind !== 'http1') return new Http2Pool(cluster, host, protocol.http2, naming);
  return new Http1Pool(cluster, host, naming);
}

type Waiting = { user: PoolUser; breaker: BreakerState; cancelled: boolean; inner: { cancel(): void } | undefined };

/** Asks the host by ALPN with one connection, then is the pool of what it chose, until that has no connection any more. */
class AlpnPool implements HttpPool {
  private readonly cluster: ClusterState;
  private readonly host: Host;
  private readonly settings: Http2Settings;
  private readonly naming: PoolNaming;
  private chosen: Http1Pool | Http2Pool | undefined;
  private waiting: Waiting[] = [];
  private probe: Connection | undefined;
  private timeout: Timeout | undefined;
  private closed = false;

  constructor(cluster: ClusterState, host: Host, settings: Http2Settings, naming: PoolNaming) {
    this.naming = naming;
    this.cluster = cluster;
    this.host = host;
    this.settings = settings;
  }

  acquire(user: PoolUser, breaker: BreakerState): { cancel(): void } | undefined {
    // The host may have been replaced by one that chooses otherwise.
    if (this.chosen?.isUnused) this.chosen = undefined;
    if (this.chosen) return this.chosen.acquire(user, breaker);
    if (!breaker.canQueue) {
      this.cluster.stats.upstream_rq_pending_overflow++;
      user.onPoolFailure('overflow', '');
      return undefined;
    }
    const entry: Waiting = { user, breaker, cancelled: false, inner: undefined };
    breaker.pending++;
    this.cluster.stats.upstream_rq_pending_active++;
    this.waiting.push(entry);
    if (!this.probe) this.ask();
    return { cancel: () => this.cancel(entry) };
  }

  drain(): void {
    this.chosen?.drain();
  }

  close(): void {
    this.closed = true;
    this.timeout?.cancel();
    this.probe?.destroy();
    this.chosen?.close();
    this.fail('closed');
  }

  private cancel(entry: Waiting): void {
    if (entry.cancelled) return;
    entry.cancelled = true;
    const at = this.waiting.indexOf(entry);
    if (at < 0) return entry.inner?.cancel();
    this.waiting.splice(at, 1);
    this.leaveQueue(entry);
    this.cluster.stats.upstream_rq_cancelled++;
  }

  private leaveQueue(entry: Waiting): void {
    entry.breaker.pending--;
    this.cluster.stats.upstream_rq_pending_active--;
  }

  private ask(): void {
    const { cluster, host } = this;
    const handler = {
      onData() {},
      onEnd: () => this.fail('closed'),
      onDrain() {},
      onClose: (error: string | undefined) => this.fail(error),
    };
    this.timeout = new Timeout(() => {
      cluster.stats.upstream_cx_connect_timeout++;
      this.fail('timeout');
    });
    cluster.context.timeouts.arm(this.timeout, cluster.runtime.connectTimeoutMs);
    const events = { handler, onConnect: () => this.decide() };
    this.probe = connectUpstream(cluster, host, { ...this.naming, applicationProtocols: ['h2', 'http/1.1'] }, events);
  }

  private decide(): void {
    const { probe, cluster, host, waiting } = this;
    const [first] = waiting;
    this.timeout?.cancel();
    this.probe = undefined;
    if (!probe || this.closed) return;
    // Before anybody is handed on: breakers count each of them once.
    for (const entry of waiting) this.leaveQueue(entry);
    this.waiting = [];
    const isHttp2 = probe.tls?.applicationProtocol === 'h2';
    const pool = isHttp2 ? new Http2Pool(cluster, host, this.settings, this.naming) : new Http1Pool(cluster, host, this.naming);
    this.chosen = pool;
    pool.adopt(probe, first?.breaker ?? cluster.breakers.default);
    // One of them may give up while another is served.
    for (const entry of waiting) if (!entry.cancelled) entry.inner = pool.acquire(entry.user, entry.breaker);
  }

  private fail(error: string | undefined): void {
    const { probe, waiting, cluster } = this;
    if (!probe && waiting.length === 0) return;
    this.probe = undefined;
    this.timeout?.cancel();
    probe?.destroy();
    cluster.stats.upstream_cx_connect_fail++;
    this.host.stats.cx_connect_fail++;
    const isTimeout = error === 'timeout' || error === 'ETIMEDOUT';
    const reason: ResetReason = isTimeout ? 'connection timeout' : 'remote connection failure';
    this.waiting = [];
    for (const entry of waiting) {
      this.leaveQueue(entry);
      cluster.stats.upstream_rq_pending_failure_eject++;
      entry.user.onPoolFailure(reason, isTimeout ? '' : describeConnectError(error));
    }
  }
}
