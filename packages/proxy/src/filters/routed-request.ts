// A request on its way to a cluster: attempts, one after the other, until one answers or the limits say no.
//
// Long, as one class, because every event of the client, the pool, the upstream and the clocks asks the same few facts: is an attempt
// under way, has it been answered, may the request be sent again. What is decided and said then stands elsewhere: retry, retry-count,
// tried-hosts, replay-buffer, request-timers, upstream-request, upstream-failure, request-charges.

import type { Exchange, Forwarder } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { applyHeaderMutations } from '../http/header-mutations.ts';
import { knownId } from '../http/known-headers.ts';
import type { LocalReply } from '../http/local-reply.ts';
import type { ClientStream, ClientStreamHandler, ResetReason } from '../http/stream.ts';
import type { Connection } from '../io/connection.ts';
import type { ForwardDecision, RetryRuntime, RouterConfig } from '../runtime/model.ts';
import { alpnOverridesOf } from '../tls/alpn-override.ts';
import type { BreakerState } from '../upstream/circuit-breaker.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';
import type { PoolUser } from '../upstream/http-pool.ts';
import { openTunnel } from '../upstream/tunnel-pool.ts';
import { acceptsTunnel, originalDestination } from './destination.ts';
import { outcomeOf } from './grpc-outcome.ts';
import { followRedirect } from './internal-redirect.ts';
import { sendMirrors } from './mirror.ts';
import { refuseHandshake } from './refused-handshake.ts';
import { ReplayBuffer, replayLimitBytes } from './replay-buffer.ts';
import { chargeAlternative, countReset, isCharged } from './request-charges.ts';
import { hashRequest, type RequestHash } from './request-hash.ts';
import { RequestTimers, type TimedRequest } from './request-timers.ts';
import { isIdempotent, retriesReset, retriesResponse, retriesTimeout, retryDelayMs, retryRulesOf, toldDelayMs } from './retry.ts';
import { RetryCount } from './retry-count.ts';
import { senselessHeader } from './strict-headers.ts';
import { TriedHosts } from './tried-hosts.ts';
import { TryIdle } from './try-idle.ts';
import {
  durationReply,
  failureReply,
  idleReply,
  RESET_FLAGS,
  TOO_MUCH_TO_KEEP,
  timeoutReply,
  underscored,
  upstreamDurationReply,
} from './upstream-failure.ts';
import {
  prepareUpstreamRequest,
  type RequestTimes,
  streamDurationMs,
  tellServiceTime,
  timeoutOf,
  updateAuthority,
} from './upstream-request.ts';

/** How often a request may move to a fresh connection because the idle one it was given had just been closed. */
const MAX_IDLE_RACES = 3;
/** Informational answers that go to the client where any do: the first of them, as in Envoy. */
const PASSED_ON: ReadonlySet<number> = new Set([100, 102, 103, 104]);
const NO_COOKIES: readonly string[] = [];
const IMMEDIATE_FAIL = knownId('x-envoy-immediate-health-check-fail');

export class RoutedRequest implements Forwarder, PoolUser, ClientStreamHandler, TimedRequest {
  private readonly exchange: Exchange;
  private readonly decision: ForwardDecision;
  private readonly config: RouterConfig;
  private readonly suppress: boolean;
  private cluster!: ClusterState;
  private breaker!: BreakerState;
  private host: Host | undefined;
  private tried: TriedHosts | undefined;
  private client: ClientStream | undefined;
  private wait: { cancel(): void } | undefined;
  private rules: RetryRuntime | undefined;
  private idleRaces = 0;
  private replay: ReplayBuffer | undefined;
  private requestHash: RequestHash | undefined;
  /** Of a body that is empty only the framing goes on. */
  private hasBody = false;
  private requestSent = false;
  private informed = false;
  private responding = false;
  private tunnel = false;
  /** The request asks for a tunnel: nothing behind its head goes out before the upstream has agreed. */
  private readonly asksTunnel: boolean;
  private done = false;
  private retryPending = false;
  private times!: RequestTimes;
  private timeoutMs = 0;
  private altStatName: string | undefined;
  private perTryTimeoutMs = 0;
  private readonly timers: RequestTimers;
  private tryIdle: TryIdle | undefined;
  /** Made for the first retry. */
  private count: RetryCount | undefined;
  private requestDoneMs = 0;

  constructor(exchange: Exchange, decision: ForwardDecision, config: RouterConfig) {
    this.exchange = exchange;
    this.decision = decision;
    this.timers = new RequestTimers(exchange.context.proxy, this);
    this.asksTunnel = exchange.method === 'CONNECT' || (exchange.upgrade !== '' && exchange.protocol === 'HTTP/2');
    this.config = config;
    this.suppress = config.suppressEnvoyHeaders || exchange.context.hcm.suppressEnvoyHeaders;
  }

  start(): void {
    const { exchange, decision } = this;
    const { action } = decision;
    exchange.upstreamCluster = decision.cluster;
    const cluster = exchange.context.proxy.clusters.get(decision.cluster);
    if (!cluster) return exchange.respond({ status: decision.clusterNotFoundStatus, details: 'cluster_not_found', flag: 'NC' });
    this.cluster = cluster;
    exchange.cluster = cluster.runtime;
    this.breaker = action.priority === 'high' ? cluster.breakers.high : cluster.breakers.default;
    if (!acceptsTunnel(exchange, action)) {
      // The client may speak the other protocol already.
      exchange.stream.closeAfterResponse();
      return exchange.respond({ status: 403, details: 'upgrade_failed' });
    }
    if (exchange.upgrade !== '' || this.asksTunnel) {
      exchange.context.observer.count?.(`http.${exchange.context.hcm.statPrefix}.downstream_cx_upgrades_total`);
    }
    const { strictHeaders, respectsExpectedTimeout } = this.config;
    const nonsense = strictHeaders.length > 0 && exchange.head.hasEnvoyHeaders ? senselessHeader(exchange.head, strictHeaders) : undefined;
    if (nonsense) return exchange.respond(nonsense);
    this.rules = retryRulesOf(exchange, action);
    const times = timeoutOf(exchange, action, { rules: this.rules, respectsExpectedTimeout });
    this.times = times;
    if (exchange.head.hasEnvoyHeaders) this.altStatName = exchange.head.value('x-envoy-upstream-alt-stat-name');
    this.timeoutMs = exchange.upgrade === '' && !this.asksTunnel ? times.timeoutMs : 0;
    this.perTryTimeoutMs = times.perTryTimeoutMs;
    prepareUpstreamRequest(exchange, decision, times, this.suppress);
    if (action.hashPolicies.length > 0) this.requestHash = hashRequest(exchange, action.hashPolicies);
    exchange.forwarder = this;
    this.hasBody = !exchange.requestEnded;
    this.keepBody();
    this.armStreamTimeouts();
    if (exchange.requestEnded) this.onRequestComplete();
    this.attempt();
  }

  /** Keeps what has arrived of the body: the connection may not be ready, and attempts may be repeated. */
  private keepBody(): void {
    const { exchange } = this;
    const held = exchange.takeHeldData();
    if (exchange.first === undefined && exchange.requestEnded && held.length === 0) return;
    this.replay = this.newReplay();
    if (exchange.first) this.replay.add(Buffer.from(exchange.first));
    for (const piece of held) this.replay.add(piece);
  }

  private newReplay(): ReplayBuffer {
    return new ReplayBuffer(replayLimitBytes(this.exchange, this.decision.action.bufferLimitBytes, this.isRepeatAsked));
  }

  /** The configuration speaks of further attempts or copies. */
  private get isRepeatAsked(): boolean {
    const { mirrors, internalRedirect } = this.decision.action;
    return this.rules !== undefined || mirrors.length > 0 || internalRedirect !== undefined;
  }

  private armStreamTimeouts(): void {
    const { exchange } = this;
    const { action } = this.decision;
    this.timers.watchIdle(action.idleTimeoutMs ?? exchange.context.hcm.streamIdleTimeoutMs);
    this.timers.limitDuration(streamDurationMs(exchange, action));
  }

  onMaxDuration(): void {
    this.giveUp(durationReply(this.exchange.requestEnded));
  }

  // --- attempts

  private attempt(): void {
    const { exchange, cluster } = this;
    this.requestSent = false;
    exchange.upstreamAttemptCount++;
    if (this.decision.virtualHost.includeRequestAttemptCount) {
      exchange.head.set('x-envoy-attempt-count', String(exchange.upstreamAttemptCount));
    }
    const host = cluster.pick(originalDestination(exchange, cluster), {
      hash: this.requestHash?.hash,
      metadataMatch: this.decision.metadataMatch,
      ...this.tried?.choice,
    });
    if (!host) {
      this.end();
      return this.answer({ status: 503, body: 'no healthy upstream', details: 'no_healthy_upstream', flag: 'UH' });
    }
    this.host = host;
    exchange.endpoint = host.endpoint;
    exchange.upstreamHost = host.address;
    if (this.decision.action.hostRewrite?.kind === 'auto' && host.endpoint.hostname !== '') this.rewriteHost(host.endpoint.hostname);
    if (exchange.requestEnded) this.timers.limitTry(this.perTryTimeoutMs);
    const { connect } = this.decision.action;
    if (connect && (this.asksTunnel || (connect.allowPost && exchange.method === 'POST'))) {
      this.wait = openTunnel(cluster, host, { user: this, breaker: this.breaker, connect, downstream: exchange.connection });
      return;
    }
    this.wait = cluster.poolOf(host, exchange, alpnOverridesOf(exchange.context.hcm)).acquire(this, this.breaker);
  }

  private rewriteHost(name: string): void {
    updateAuthority(this.exchange, name, { append: this.decision.action.appendXForwardedHost, suppress: this.suppress });
  }

  onPoolReady(client: ClientStream): void {
    const { exchange } = this;
    this.wait = undefined;
    this.client = client;
    client.attach(this);
    exchange.upstreamProtocol = client.protocol;
    exchange.upstreamLocalAddress = client.connection.localAddress;
    exchange.upstreamTls = client.connection.tls;
    this.requestSent = true;
    this.watchTry();
    const first = this.asksTunnel ? undefined : this.replay ? this.replay.bytes : exchange.first;
    const end = exchange.requestEnded && exchange.requestTrailers === undefined && (first !== undefined || !this.hasBody);
    if (exchange.context.observer.timesUpstream) {
      const beginMs = exchange.elapsedMs();
      exchange.upstreamTimes = { beginMs, endMs: exchange.requestEnded ? beginMs : undefined };
    }
    client.sendHead(exchange, exchange.head, exchange.upgrade, { first, end, tunnel: this.asksTunnel });
    if (exchange.requestEnded && !end) client.sendEnd(exchange.requestTrailers);
    if (this.replay && !this.replay.overflowed) {
      if (this.isRepeatAsked || isIdempotent(exchange.method)) this.replay.sent();
      else this.replay.discard();
      if (this.replay.overflowed) this.abandonReplay();
    }
    exchange.stream.resumeRequest();
  }

  private abandonReplay(): void {
    if (this.isRepeatAsked) this.cluster.stats.retry_or_shadow_abandoned++;
  }

  onPoolFailure(reason: ResetReason, transportFailure: string): void {
    this.wait = undefined;
    if (this.done) return;
    // Overflow says nothing about the host.
    if (this.host && reason !== 'overflow') this.cluster.reportResult(this.host, 0);
    this.onFailure(reason, transportFailure);
  }

  onUpstreamReset(reason: ResetReason, detail: string): void {
    const { client, exchange } = this;
    this.client = undefined;
    if (this.done) return;
    countReset(this.cluster, client, reason);
    if (this.responding) {
      this.end();
      // A client that has closed its side of a tunnel has left, whoever ends the rest.
      if (this.tunnel && exchange.requestEnded) return exchange.abort('DC', 'downstream_remote_disconnect');
      return exchange.abort(RESET_FLAGS[reason], `upstream_reset_after_response_started{${underscored(reason)}}`);
    }
    const met = client?.isReused === true && !client.responseStarted && reason === 'connection termination';
    if (met && this.idleRaces < MAX_IDLE_RACES && isIdempotent(exchange.method) && !this.replay?.overflowed && exchange.upgrade === '') {
      // The host closed the idle connection while our request was on its way: it never saw it.
      this.idleRaces++;
      exchange.upstreamAttemptCount--;
      return this.attempt();
    }
    if (this.host) this.cluster.reportResult(this.host, 0);
    this.onFailure(reason, detail);
  }

  private onFailure(reason: ResetReason, transportFailure: string): void {
    const { exchange } = this;
    if (transportFailure !== '') exchange.upstreamTransportFailureReason = underscored(transportFailure);
    if (this.rules && retriesReset(this.rules, reason, this.requestSent) && this.retry()) return;
    this.end();
    this.answer(failureReply(reason, transportFailure, exchange.upstreamAttemptCount, this.suppress));
  }

  /** Schedules another attempt, if the limits allow one. */
  private retry(response?: Head, wasTimeout = false): boolean {
    const { rules, exchange, cluster, breaker } = this;
    if (!rules || this.replay?.overflowed || exchange.upgrade !== '') return false;
    this.count ??= new RetryCount(rules.numRetries, breaker, cluster.stats);
    const refused = this.count.begin();
    if (refused) {
      exchange.addFlag(refused);
      return false;
    }
    this.tried ??= new TriedHosts(rules);
    if (this.host) this.tried.add(this.host);
    if (this.decision.virtualHost.includeIsTimeoutRetryHeader) exchange.head.set('x-envoy-is-timeout-retry', String(wasTimeout));
    this.retryPending = true;
    this.endTry();
    this.client = undefined;
    const { random, clock } = exchange.context.proxy;
    const told = response && toldDelayMs(rules, response, clock.now());
    if (told === undefined) cluster.stats.upstream_rq_retry_backoff_exponential++;
    else cluster.stats.upstream_rq_retry_backoff_ratelimited++;
    this.timers.backOff(told === undefined ? retryDelayMs(rules, this.count.retries, random) : told * (1 + random() / 2));
    return true;
  }

  onBackoffOver(): void {
    this.retryPending = false;
    this.attempt();
  }

  // --- the request's body

  onRequestData(bytes: Buffer, source: Connection | undefined): void {
    this.timers.touch();
    const { client } = this;
    if (this.tunnel) {
      if (client && !client.sendData(bytes, source)) this.exchange.stream.pauseRequest();
      return;
    }
    if (this.asksTunnel) return this.holdForTunnel(bytes);
    const keeps = client === undefined || (this.replay !== undefined && !this.replay.overflowed);
    if (keeps) {
      this.replay ??= this.newReplay();
      this.replay.add(Buffer.from(bytes));
      if (this.replay.overflowed) this.abandonReplay();
    }
    if (client) {
      if (!client.sendData(bytes, source)) this.exchange.stream.pauseRequest();
    } else if (this.replay?.overflowed) {
      this.giveUp(TOO_MUCH_TO_KEEP);
    } else if (!this.retryPending) this.exchange.stream.pauseRequest();
  }

  private holdForTunnel(bytes: Buffer): void {
    this.replay ??= new ReplayBuffer(0);
    this.replay.add(Buffer.from(bytes));
    this.exchange.stream.pauseRequest();
  }

  onRequestEnd(trailers: Head | undefined): void {
    this.onRequestComplete();
    this.client?.sendEnd(trailers);
  }

  private onRequestComplete(): void {
    const { exchange } = this;
    this.requestDoneMs = exchange.elapsedMs();
    if (this.client && exchange.upstreamTimes) exchange.upstreamTimes.endMs = this.requestDoneMs;
    if (!this.done) this.timers.limitAnswer(this.timeoutMs);
    if (this.client) this.timers.limitTry(this.perTryTimeoutMs);
    if (this.decision.action.mirrors.length > 0) sendMirrors(exchange, this.decision.action.mirrors, this.replay);
  }

  onRequestDrain(): void {
    this.exchange.stream.resumeRequest();
  }

  onResponseDrain(): void {
    this.client?.resumeResponse();
  }

  // --- the response

  onResponseHead(head: Head, first: Buffer | undefined, end: boolean): void {
    const { exchange, cluster, host } = this;
    this.timers.endTry();
    if (host) cluster.reportResult(host, outcomeOf(exchange.head, head));
    if (this.rules && retriesResponse(this.rules, head)) {
      const { client } = this;
      if (this.retry(head)) {
        cluster.stats.retry.count(head.status);
        if (!end && client) this.reset(client);
        return;
      }
    }
    this.count?.end(head.status < 500);
    if (this.decision.action.internalRedirect?.statuses.has(head.status) && this.redirectInternally(head, end)) return;
    this.charge(head.status, head);
    if (exchange.upgrade === 'websocket' && head.status === 200) {
      if (end) this.client = undefined;
      return refuseHandshake(exchange, head);
    }
    this.replay?.discard();
    this.timers.answered();
    this.responding = true;
    exchange.responseDurationMs = exchange.elapsedMs();
    exchange.responseCodeDetails = 'via_upstream';
    // As Envoy: before the request is whole there is no time that the upstream took for it.
    if (!exchange.requestEnded || exchange.upgrade !== '') tellServiceTime(head, undefined);
    else if (!this.suppress) tellServiceTime(head, exchange.responseDurationMs - this.requestDoneMs);
    if (this.decision.virtualHost.includeAttemptCountInResponse) {
      head.set('x-envoy-attempt-count', String(exchange.upstreamAttemptCount));
    }
    for (const cookie of this.requestHash?.cookies ?? NO_COOKIES) head.add('set-cookie', cookie);
    if (this.decision.responseHeaders.length > 0) {
      exchange.responseHead = head;
      exchange.responseCode = head.status;
      applyHeaderMutations(head, this.decision.responseHeaders, exchange);
    }
    if (end) {
      this.client = undefined;
      cluster.stats.upstream_rq_time.record(exchange.responseDurationMs - this.requestDoneMs);
      this.end();
    } else {
      this.timers.touch();
      this.tryIdle?.heard();
    }
    if (head.hasEnvoyHeaders && host && head.known(IMMEDIATE_FAIL) >= 0) cluster.failCheck(host);
    // The client may speak the other protocol already.
    if (exchange.upgrade !== '') exchange.stream.closeAfterResponse();
    exchange.sendResponse(head, first, end);
  }

  /** Sends the request where the answer points, if the route lets the proxy do so. */
  private redirectInternally(head: Head, end: boolean): boolean {
    const { exchange, client, replay } = this;
    const { method } = exchange;
    if (!exchange.requestEnded || replay?.overflowed || exchange.upgrade !== '' || !followRedirect(exchange, this.decision, head))
      return false;
    this.client = undefined;
    if (!end && client) this.reset(client);
    this.end();
    exchange.forwarder = undefined;
    exchange.first = exchange.method === method ? replay?.bytes : undefined;
    exchange.context.filters.at(-1)?.onRequest?.(exchange);
    exchange.first = undefined;
    return true;
  }

  onInformational(head: Head): void {
    const { context, stream } = this.exchange;
    if (!context.hcm.proxy100Continue || this.informed || !PASSED_ON.has(head.status)) return;
    this.informed = true;
    stream.sendInformational(head.status, head);
  }

  onUpgraded(head: Head): void {
    const { exchange } = this;
    this.charge(head.status, head);
    this.responding = true;
    this.tunnel = true;
    const early = this.asksTunnel ? this.replay?.bytes : undefined;
    this.replay?.discard();
    this.timers.answered();
    exchange.responseDurationMs = exchange.elapsedMs();
    exchange.responseCodeDetails = 'via_upstream';
    applyHeaderMutations(head, this.decision.responseHeaders, exchange);
    exchange.sendResponse(head, undefined, false);
    exchange.requestEnded = false;
    if (early) this.client?.sendData(early, undefined);
    exchange.stream.startTunnel();
    exchange.stream.resumeRequest();
  }

  onResponseData(bytes: Buffer, source: Connection): void {
    this.tryIdle?.heard();
    this.timers.touch();
    if (!this.exchange.sendResponseData(bytes, source)) this.client?.pauseResponse();
  }

  onResponseEnd(trailers: Head | undefined): void {
    if (!this.tunnel) {
      this.client = undefined;
      this.cluster.stats.upstream_rq_time.record(this.exchange.elapsedMs() - this.requestDoneMs);
      this.end();
    } else if (this.exchange.requestEnded && this.exchange.head.version < 20) {
      // As Envoy tells of a client that closes its connection first, which here only half ends the tunnel.
      this.exchange.addFlag('DC');
      this.exchange.responseCodeDetails = 'downstream_remote_disconnect';
    }
    this.exchange.sendResponseEnd(trailers);
  }

  // --- time and endings

  onIdleTimeout(): void {
    const { requestEnded, upgrade } = this.exchange;
    // The request of a tunnel has no end.
    this.giveUp(idleReply(requestEnded && upgrade === '' && !this.asksTunnel));
  }

  onTimeout(): void {
    this.cluster.stats.upstream_rq_timeout++;
    if (this.host) {
      this.host.stats.rq_timeout++;
      if (!this.responding) this.cluster.reportLocal(this.host, 'timeout');
    }
    this.giveUp(timeoutReply(this.times.timeoutStatus, 'response_timeout'));
  }

  onPerTryTimeout(): void {
    this.cluster.stats.upstream_rq_per_try_timeout++;
    this.giveUpTry('upstream_per_try_timeout');
  }

  private onPerTryIdleTimeout(): void {
    this.cluster.stats.upstream_rq_per_try_idle_timeout++;
    this.giveUpTry('upstream_per_try_idle_timeout');
  }

  private giveUpTry(details: string): void {
    const { cluster } = this;
    if (this.host) cluster.reportLocal(this.host, 'timeout');
    this.dropAttempt();
    if (!this.responding && this.rules && retriesTimeout(this.rules) && this.retry(undefined, true)) return;
    this.giveUp(timeoutReply(this.times.timeoutStatus, details));
  }

  onUpstreamDuration(): void {
    const { cluster, exchange } = this;
    cluster.stats.upstream_rq_max_duration_reached++;
    this.dropAttempt();
    if (!this.responding && this.rules && retriesReset(this.rules, 'local reset', this.requestSent) && this.retry()) return;
    this.giveUp(upstreamDurationReply(exchange.requestEnded));
  }

  private giveUp(reply: LocalReply): void {
    const { exchange } = this;
    if (this.responding) {
      exchange.abort(reply.flag, reply.details);
      return;
    }
    this.answer(reply);
  }

  /** Answers for want of an upstream's answer. */
  private answer(reply: LocalReply): void {
    if (isCharged(reply.details)) this.charge(reply.status);
    this.exchange.respond(reply);
  }

  private charge(status: number, head?: Head): void {
    const { exchange, cluster, altStatName } = this;
    const { stats } = cluster;
    (exchange.isInternal ? stats.internal : stats.external).count(status);
    if (head?.hasEnvoyHeaders && head.value('x-envoy-upstream-canary') === 'true') stats.canary.count(status);
    if (altStatName) chargeAlternative(exchange, `cluster.${cluster.runtime.statName}.${altStatName.replaceAll('.', '_')}.`, status);
  }

  private watchTry(): void {
    this.timers.limitUpstream(this.times.upstreamDurationMs ?? this.cluster.runtime.maxStreamDurationMs);
    const timeoutMs = this.rules?.perTryIdleTimeoutMs ?? 0;
    if (timeoutMs > 0) this.tryIdle = new TryIdle(this.exchange.context.proxy, timeoutMs, () => this.onPerTryIdleTimeout());
  }

  private endTry(): void {
    this.timers.endTry();
    this.timers.endUpstream();
    this.tryIdle?.cancel();
    this.tryIdle = undefined;
  }

  private dropAttempt(): void {
    this.endTry();
    this.wait?.cancel();
    this.wait = undefined;
    const { client } = this;
    this.client = undefined;
    if (client) this.reset(client);
  }

  private reset(client: ClientStream): void {
    countReset(this.cluster, client, 'local reset');
    client.cancel();
  }

  /** No more attempts and no more timers. */
  private end(): void {
    this.done = true;
    this.tryIdle?.cancel();
    this.count?.end(false);
    this.timers.cancel();
  }

  cancel(): void {
    this.end();
    this.dropAttempt();
    this.replay?.discard();
  }
}
