// HTTP/1.1 connections to one host: the most recently used idle one first, new ones as the circuit breakers allow, a queue
// while they connect.

import { Http1Client, type Http1ClientHost } from '../http/http1-client.ts';
import type { ResetReason } from '../http/stream.ts';
import type { Connection } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { ClusterRuntime } from '../runtime/model/cluster.ts';
import type { BreakerState } from './circuit-breaker.ts';
import type { ClusterState } from './cluster-state.ts';
import { connectUpstream } from './connect.ts';
import type { Host } from './host.ts';
import { describeConnectError, type HttpPool, type PoolNaming, type PoolUser } from './http-pool.ts';

type MemberState = 'connecting' | 'idle' | 'busy' | 'spent';

/** A connection of the pool. `connectionBreaker` counts the connection, `breaker` the request it carries. */
class Member extends Http1Client {
  place: MemberState = 'connecting';
  breaker: BreakerState;
  readonly connectionBreaker: BreakerState;
  timeout: Timeout | undefined;
  /** Past its longest duration: it serves no further request. */
  isOld = false;
  age: Timeout | undefined;
  idleSinceMs = 0;

  constructor(pool: Http1ClientHost, breaker: BreakerState, runtime: ClusterRuntime) {
    super(pool);
    const { http1, maxResponseHeadersBytes, maxHeadersCount } = runtime;
    if (maxResponseHeadersBytes !== undefined || maxHeadersCount !== this.limits.maxCount) {
      this.limits = { maxBytes: maxResponseHeadersBytes ?? this.limits.maxBytes, maxCount: maxHeadersCount };
    }
    this.passesTrailers = http1.enableTrailers;
    this.properCase = http1.properCase;
    this.preserveCase = http1.preserveCase;
    this.allowChunkedLength = http1.allowChunkedLength;
    this.sendFullyQualifiedUrl = http1.sendFullyQualifiedUrl;
    this.breaker = breaker;
    this.connectionBreaker = breaker;
  }
}
type Waiting = { user: PoolUser; breaker: BreakerState; cancelled: boolean };

/** As Envoy: connections ahead of requests come a few at a time. */
const MAX_CONNECTIONS_AT_ONCE = 3;

export class Http1Pool implements HttpPool, Http1ClientHost {
  private readonly cluster: ClusterState;
  private readonly host: Host;
  private readonly naming: PoolNaming;
  private readonly idle: Member[] = [];
  private readonly all = new Set<Member>();
  private waiting: Waiting[] = [];
  private connecting = 0;
  private draining = false;

  constructor(cluster: ClusterState, host: Host, naming: PoolNaming = {}) {
    this.naming = naming;
    this.cluster = cluster;
    this.host = host;
  }

  acquire(user: PoolUser, breaker: BreakerState): { cancel(): void } | undefined {
    const { stats } = this.cluster;
    const member = this.idle.pop();
    if (member) {
      if (!breaker.canRequest) {
        this.idle.push(member);
        stats.upstream_rq_active_overflow++;
        user.onPoolFailure('overflow', '');
        return undefined;
      }
      this.hand(member, user, breaker);
      if (this.cluster.runtime.preconnectRatio > 1) this.connectAhead(breaker);
      return undefined;
    }
    // Envoy lets the first connection of a pool through, so that a limit of 0 pending still serves.
    if (!breaker.canQueue) {
      stats.upstream_rq_pending_overflow++;
      user.onPoolFailure('overflow', '');
      return undefined;
    }
    const entry: Waiting = { user, breaker, cancelled: false };
    breaker.pending++;
    stats.upstream_rq_pending_total++;
    stats.upstream_rq_pending_active++;
    this.waiting.push(entry);
    this.connectAhead(breaker);
    return {
      cancel: () => {
        if (entry.cancelled) return;
        const at = this.waiting.indexOf(entry);
        if (at < 0) return;
        this.waiting.splice(at, 1);
        this.leaveQueue(entry);
        stats.upstream_rq_cancelled++;
      },
    };
  }

  drain(): void {
    this.draining = true;
    for (const member of [...this.idle]) member.abandon();
  }

  close(): void {
    this.draining = true;
    for (const member of [...this.all]) {
      member.connection.destroy();
      member.onClose();
    }
  }

  /** Takes over a connection that is established. */
  adopt(connection: Connection, breaker: BreakerState): void {
    const member = this.newMember(breaker);
    member.connection = connection;
    this.onConnected(member);
  }

  /** It has no connection, and nobody waits for one. */
  get isUnused(): boolean {
    return this.all.size === 0 && this.waiting.length === 0;
  }

  /** The first connection always may: a host that is allowed none could not serve at all. */
  private mayConnect(breaker: BreakerState): boolean {
    const isAllowed = breaker.canConnect && this.cluster.canConnectTo(this.host);
    if (!isAllowed) this.cluster.stats.upstream_cx_overflow++;
    return isAllowed || this.all.size === 0;
  }

  /** Connects for those that wait and, where the cluster wants connections ahead of requests, for more. */
  private connectAhead(breaker: BreakerState): void {
    for (let i = 0; i < MAX_CONNECTIONS_AT_ONCE && this.lacksConnections(); i++) {
      if (!this.mayConnect(breaker)) return;
      this.connect(breaker);
    }
  }

  private lacksConnections(): boolean {
    const { all, idle, connecting, waiting, cluster } = this;
    const { preconnectRatio } = cluster.runtime;
    if (preconnectRatio <= 1) return waiting.length > connecting;
    const active = all.size - connecting - idle.length;
    return (waiting.length + active) * preconnectRatio > connecting + idle.length + active;
  }

  private leaveQueue(entry: Waiting): void {
    entry.cancelled = true;
    entry.breaker.pending--;
    this.cluster.stats.upstream_rq_pending_active--;
  }

  private newMember(breaker: BreakerState): Member {
    const { cluster, host } = this;
    const member = new Member(this, breaker, cluster.runtime);
    this.all.add(member);
    this.connecting++;
    breaker.connections++;
    cluster.stats.upstream_cx_total++;
    cluster.stats.upstream_cx_http1_total++;
    cluster.stats.upstream_cx_active++;
    host.stats.cx_total++;
    host.stats.cx_active++;
    return member;
  }

  private connect(breaker: BreakerState): void {
    const { cluster, host } = this;
    const member = this.newMember(breaker);
    const handler = {
      onData: (bytes: Buffer) => member.onData(bytes),
      onEnd: () => member.onEnd(),
      onDrain: () => {},
      onClose: (error: string | undefined) => this.onConnectFailed(member, error),
    };
    member.timeout = new Timeout(() => {
      cluster.stats.upstream_cx_connect_timeout++;
      this.onConnectFailed(member, 'timeout');
    });
    cluster.context.timeouts.arm(member.timeout, cluster.runtime.connectTimeoutMs);
    member.connection = connectUpstream(cluster, host, this.naming, { handler, onConnect: () => this.onConnected(member) });
  }

  private onConnected(member: Member): void {
    if (member.place !== 'connecting') return;
    member.timeout?.cancel();
    member.place = 'spent';
    this.connecting--;
    member.connection.handler = member;
    this.limitAge(member);
    this.offer(member);
  }

  private limitAge(member: Member): void {
    const durationMs = this.cluster.connectionDurationMs();
    if (durationMs === 0) return;
    member.age = new Timeout(() => {
      member.isOld = true;
      this.cluster.stats.upstream_cx_max_duration_reached++;
      if (member.place === 'idle') member.abandon();
    });
    this.cluster.context.timeouts.arm(member.age, durationMs);
  }

  private onConnectFailed(member: Member, error: string | undefined): void {
    if (member.place !== 'connecting') return;
    const { cluster, host } = this;
    member.timeout?.cancel();
    member.place = 'spent';
    this.connecting--;
    cluster.stats.upstream_cx_connect_fail++;
    host.stats.cx_connect_fail++;
    const isTimeout = error === 'timeout' || error === 'ETIMEDOUT';
    member.endedByPeer = !isTimeout;
    this.forget(member);
    member.connection.destroy();
    const reason: ResetReason = isTimeout ? 'connection timeout' : 'remote connection failure';
    const transportFailure = isTimeout || error === undefined ? '' : describeConnectError(error);
    // Whoever waited for this host will not fare better with its next connection.
    const { waiting } = this;
    this.waiting = [];
    for (const entry of waiting) {
      this.leaveQueue(entry);
      cluster.stats.upstream_rq_pending_failure_eject++;
      entry.user.onPoolFailure(reason, transportFailure);
    }
  }

  onReusable(client: Http1Client): void {
    const member = client as Member;
    this.endRequest(member);
    const limit = this.cluster.runtime.maxRequestsPerConnection;
    if (limit > 0 && member.requests >= limit) {
      this.cluster.stats.upstream_cx_max_requests++;
      member.abandon();
    } else if (member.isOld) member.abandon();
    else if (this.draining) member.abandon();
    else this.offer(member);
  }

  onGone(client: Http1Client): void {
    const member = client as Member;
    if (member.place === 'idle') {
      const at = this.idle.lastIndexOf(member);
      if (at >= 0) this.idle.splice(at, 1);
    } else this.endRequest(member);
    this.forget(member);
    this.connectForWaiting();
  }

  private offer(member: Member): void {
    for (let entry = this.waiting.shift(); entry; entry = this.waiting.shift()) {
      this.leaveQueue(entry);
      if (entry.breaker.canRequest) return this.hand(member, entry.user, entry.breaker);
      this.cluster.stats.upstream_rq_active_overflow++;
      entry.user.onPoolFailure('overflow', '');
    }
    // It was asked for before the pool drained, and whoever wanted it has been served.
    if (this.draining) return member.abandon();
    member.place = 'idle';
    this.idle.push(member);
    const { runtime, context } = this.cluster;
    if (runtime.idleTimeoutMs === 0) return;
    // Armed once, not per request: when it fires it looks how long the connection has really been idle.
    member.idleSinceMs = context.clock.monotonicMs();
    if (!member.timeout?.armed) this.watchIdle(member, runtime.idleTimeoutMs);
  }

  private watchIdle(member: Member, delayMs: number): void {
    const { runtime, context } = this.cluster;
    member.timeout = new Timeout(() => {
      const idleMs = member.place === 'idle' ? context.clock.monotonicMs() - member.idleSinceMs : 0;
      if (idleMs >= runtime.idleTimeoutMs) {
        this.cluster.stats.upstream_cx_idle_timeout++;
        member.abandon();
      } else this.watchIdle(member, runtime.idleTimeoutMs - idleMs);
    });
    context.timeouts.arm(member.timeout, delayMs);
  }

  private hand(member: Member, user: PoolUser, breaker: BreakerState): void {
    const { cluster, host } = this;
    member.place = 'busy';
    breaker.requests++;
    member.breaker = breaker;
    cluster.stats.upstream_rq_total++;
    cluster.stats.upstream_rq_active++;
    host.stats.rq_total++;
    host.stats.rq_active++;
    cluster.outlier.reportConnected(host);
    user.onPoolReady(member);
  }

  private endRequest(member: Member): void {
    if (member.place !== 'busy') return;
    member.place = 'spent';
    member.breaker.requests--;
    this.cluster.stats.upstream_rq_active--;
    this.host.stats.rq_active--;
  }

  private forget(member: Member): void {
    if (!this.all.delete(member)) return;
    member.timeout?.cancel();
    member.age?.cancel();
    member.connectionBreaker.connections--;
    this.cluster.stats.upstream_cx_active--;
    this.cluster.stats.countEnd(member);
    this.cluster.stats.upstream_rq_per_cx.record(member.requests);
    this.host.stats.cx_active--;
  }

  private connectForWaiting(): void {
    const next = this.waiting[this.connecting];
    if (next && this.mayConnect(next.breaker)) this.connect(next.breaker);
  }
}
