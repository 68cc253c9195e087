// HTTP/2 connections to one host: streams on the one that has room, another connection when none has, a queue while they connect.

import type { ResetReason } from '../http/stream.ts';
import { ClientSession, type ClientSessionHost } from '../http2/client-session.ts';
import type { Http2ClientStream } from '../http2/client-stream.ts';
import { Http2Stats } from '../http2/http2-stats.ts';
import type { Connection } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { Http2Settings } from '../runtime/model.ts';
import type { BreakerState } from './circuit-breaker.ts';
import type { ClusterState } from './cluster-state.ts';
import type { ConnectionEnd } from './cluster-stats.ts';
import { connectUpstream } from './connect.ts';
import type { Host } from './host.ts';
import { describeConnectError, type HttpPool, type PoolNaming, type PoolUser } from './http-pool.ts';

type Waiting = { user: PoolUser; breaker: BreakerState };

/** A connection, and what it is counted under. */
type Member = {
  connection: Connection | undefined;
  session: ClientSession | undefined;
  readonly breaker: BreakerState;
  timeout: Timeout | undefined;
  /** Ends it in order when it has lived long enough. */
  lifetime: Timeout | undefined;
  idleSinceMs: number;
};

const LINGER_MS = 1000;
const NEVER_OPENED: ConnectionEnd = { endedByPeer: true, brokeOff: false, isFaulty: false, wasToldToClose: false };
const DEFAULT_HEAD_BYTES = 60 * 1024;

export class Http2Pool implements HttpPool, ClientSessionHost {
  private readonly cluster: ClusterState;
  private readonly host: Host;
  private readonly settings: Http2Settings;
  private readonly naming: PoolNaming;
  private readonly members = new Map<ClientSession, Member>();
  private readonly connecting = new Set<Member>();
  private waiting: Waiting[] = [];
  private draining = false;

  constructor(cluster: ClusterState, host: Host, settings: Http2Settings, naming: PoolNaming = {}) {
    this.naming = naming;
    this.cluster = cluster;
    this.host = host;
    this.settings = settings;
  }

  acquire(user: PoolUser, breaker: BreakerState): { cancel(): void } | undefined {
    const { stats } = this.cluster;
    const session = this.sessionWithRoom();
    if (session ? !breaker.canRequest : !breaker.canQueue) {
      if (session) stats.upstream_rq_active_overflow++;
      else stats.upstream_rq_pending_overflow++;
      user.onPoolFailure('overflow', '');
      return undefined;
    }
    if (session) {
      this.hand(session, user, breaker);
      return undefined;
    }
    const entry: Waiting = { user, breaker };
    breaker.pending++;
    stats.upstream_rq_pending_total++;
    stats.upstream_rq_pending_active++;
    this.waiting.push(entry);
    this.connectForWaiting();
    return { cancel: () => this.cancelWaiting(entry) };
  }

  drain(): void {
    this.draining = true;
    for (const session of [...this.members.keys()]) session.retire();
  }

  close(): void {
    this.draining = true;
    for (const session of [...this.members.keys()]) session.connection.destroy();
    for (const member of [...this.connecting]) this.onConnectFailed(member, 'closed');
  }

  /** Takes over a connection that is established and speaks HTTP/2. */
  adopt(connection: Connection, breaker: BreakerState): void {
    const member = this.newMember(breaker);
    member.connection = connection;
    this.onConnected(member);
  }

  /** It has no connection, and nobody waits for one. */
  get isUnused(): boolean {
    return this.members.size + this.connecting.size + this.waiting.length === 0;
  }

  private cancelWaiting(entry: Waiting): void {
    const at = this.waiting.indexOf(entry);
    if (at < 0) return;
    this.waiting.splice(at, 1);
    this.leaveQueue(entry);
    this.cluster.stats.upstream_rq_cancelled++;
  }

  private leaveQueue(entry: Waiting): void {
    entry.breaker.pending--;
    this.cluster.stats.upstream_rq_pending_active--;
  }

  private sessionWithRoom(): ClientSession | undefined {
    for (const session of this.members.keys()) if (session.room > 0) return session;
    return undefined;
  }

  // --- connecting

  /** Connects when those that wait are more than the connections under way will carry. */
  private connectForWaiting(): void {
    const next = this.waiting[this.connecting.size * this.settings.maxConcurrentStreams];
    if (!next) return;
    const isAllowed = next.breaker.canConnect && this.cluster.canConnectTo(this.host);
    if (!isAllowed) this.cluster.stats.upstream_cx_overflow++;
    if (isAllowed || this.members.size + this.connecting.size === 0) this.connect(next.breaker);
  }

  private newMember(breaker: BreakerState): Member {
    const { cluster, host } = this;
    breaker.connections++;
    cluster.stats.upstream_cx_total++;
    cluster.stats.upstream_cx_http2_total++;
    cluster.stats.upstream_cx_active++;
    host.stats.cx_total++;
    host.stats.cx_active++;
    return { connection: undefined, session: undefined, breaker, timeout: undefined, lifetime: undefined, idleSinceMs: 0 };
  }

  private connect(breaker: BreakerState): void {
    const { cluster, host } = this;
    const member = this.newMember(breaker);
    this.connecting.add(member);
    const handler = {
      onData() {},
      onEnd: () => this.onConnectFailed(member, 'closed'),
      onDrain() {},
      onClose: (error: string | undefined) => this.onConnectFailed(member, error),
    };
    member.timeout = new Timeout(() => {
      cluster.stats.upstream_cx_connect_timeout++;
      this.onConnectFailed(member, 'timeout');
    });
    cluster.context.timeouts.arm(member.timeout, cluster.runtime.connectTimeoutMs);
    const onConnect = () => {
      if (this.connecting.delete(member)) this.onConnected(member);
    };
    member.connection = connectUpstream(cluster, host, { ...this.naming, applicationProtocols: ['h2'] }, { handler, onConnect });
  }

  private onConnected(member: Member): void {
    const { cluster } = this;
    const { context } = cluster;
    member.timeout?.cancel();
    cluster.stats.http2 ??= new Http2Stats();
    const stats = cluster.stats.http2;
    const session = new ClientSession(member.connection as Connection, this, {
      settings: this.settings,
      count: (event) => void stats[event]++,
      fieldLimits: { maxBytes: cluster.runtime.maxResponseHeadersBytes ?? DEFAULT_HEAD_BYTES, maxCount: cluster.runtime.maxHeadersCount },
      lingerMs: LINGER_MS,
      sendStallMs: 0,
      services: { timeouts: context.timeouts, monotonicMs: () => context.clock.monotonicMs(), random: context.random },
    });
    member.session = session;
    this.members.set(session, member);
    member.idleSinceMs = context.clock.monotonicMs();
    if (cluster.runtime.idleTimeoutMs > 0) this.watchIdle(member, cluster.runtime.idleTimeoutMs);
    const durationMs = cluster.connectionDurationMs();
    if (durationMs > 0) {
      member.lifetime = new Timeout(() => {
        cluster.stats.upstream_cx_max_duration_reached++;
        session.retire();
      });
      context.timeouts.arm(member.lifetime, durationMs);
    }
    this.serveWaiting();
    if (this.draining) session.retire();
  }

  private onConnectFailed(member: Member, error: string | undefined): void {
    if (!this.connecting.delete(member)) return;
    const { cluster, host } = this;
    member.timeout?.cancel();
    cluster.stats.upstream_cx_connect_fail++;
    host.stats.cx_connect_fail++;
    this.forget(member);
    member.connection?.destroy();
    const isTimeout = error === 'timeout' || error === 'ETIMEDOUT';
    const reason: ResetReason = isTimeout ? 'connection timeout' : 'remote connection failure';
    const transportFailure = isTimeout ? '' : describeConnectError(error);
    // Whoever waited for this host will not fare better with its next connection.
    const { waiting } = this;
    this.waiting = [];
    for (const entry of waiting) {
      this.leaveQueue(entry);
      cluster.stats.upstream_rq_pending_failure_eject++;
      entry.user.onPoolFailure(reason, transportFailure);
    }
  }

  private forget(member: Member): void {
    member.timeout?.cancel();
    member.lifetime?.cancel();
    member.breaker.connections--;
    this.cluster.stats.upstream_cx_active--;
    this.cluster.stats.countEnd(member.session ?? NEVER_OPENED);
    this.host.stats.cx_active--;
  }

  private watchIdle(member: Member, delayMs: number): void {
    const { runtime, context } = this.cluster;
    member.timeout = new Timeout(() => {
      const isIdle = member.session?.streams.size === 0;
      const idleMs = isIdle ? context.clock.monotonicMs() - member.idleSinceMs : 0;
      if (idleMs >= runtime.idleTimeoutMs) {
        this.cluster.stats.upstream_cx_idle_timeout++;
        member.session?.retire();
      } else this.watchIdle(member, runtime.idleTimeoutMs - idleMs);
    });
    context.timeouts.arm(member.timeout, delayMs);
  }

  // --- streams

  private hand(session: ClientSession, user: PoolUser, breaker: BreakerState): void {
    const { cluster, host } = this;
    breaker.requests++;
    cluster.stats.upstream_rq_total++;
    cluster.stats.upstream_rq_active++;
    host.stats.rq_total++;
    host.stats.rq_active++;
    cluster.outlier.reportConnected(host);
    const stream = session.open(breaker);
    const limit = cluster.runtime.maxRequestsPerConnection;
    user.onPoolReady(stream);
    if (limit === 0 || session.requests < limit) return;
    cluster.stats.upstream_cx_max_requests++;
    session.retire();
  }

  private serveWaiting(): void {
    while (this.waiting.length > 0) {
      const session = this.sessionWithRoom();
      if (!session) break;
      const entry = this.waiting.shift() as Waiting;
      this.leaveQueue(entry);
      if (entry.breaker.canRequest) this.hand(session, entry.user, entry.breaker);
      else {
        this.cluster.stats.upstream_rq_active_overflow++;
        entry.user.onPoolFailure('overflow', '');
      }
    }
    this.connectForWaiting();
  }

  onStreamFree(session: ClientSession, stream: Http2ClientStream | undefined): void {
    if (stream) {
      stream.breaker.requests--;
      this.cluster.stats.upstream_rq_active--;
      this.host.stats.rq_active--;
    }
    const member = this.members.get(session);
    if (member && session.streams.size === 0) member.idleSinceMs = this.cluster.context.clock.monotonicMs();
    if (this.waiting.length > 0) this.serveWaiting();
  }

  onRetired(session: ClientSession): void {
    const member = this.members.get(session);
    member?.timeout?.cancel();
    if (this.waiting.length > 0) this.serveWaiting();
  }

  onGone(session: ClientSession): void {
    const member = this.members.get(session);
    if (!member) return;
    this.members.delete(session);
    this.forget(member);
    if (this.waiting.length > 0) this.serveWaiting();
  }
}
