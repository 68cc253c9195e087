// One downstream HTTP/2 connection: its session, its timeouts, and an exchange per stream.

import type { HcmContext, ServedHttp } from '../http/context.ts';
import { Exchange } from '../http/exchange.ts';
import { Head } from '../http/head.ts';
import type { ConnectionEvent } from '../http/observer.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import type { Connection } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { HeadTemplate } from './head-template.ts';
import { ServerSession, type ServerSessionHost } from './server-session.ts';
import type { Http2ServerStream } from './server-stream.ts';
import { newWebsocketKey } from './websocket.ts';

export class Http2Connection implements ServerSessionHost, ServedHttp {
  private readonly context: HcmContext;
  private readonly info: ConnectionInfo;
  private readonly session: ServerSession;
  private requests = 0;
  private closed = false;
  private draining = false;
  private readonly openedMs: number;
  private idleSinceMs: number;
  private readonly idle: Timeout = new Timeout(() => this.onIdleTimeout());
  private headTimeout: Timeout | undefined;
  private maxDuration: Timeout | undefined;
  private drain: Timeout | undefined;

  constructor(context: HcmContext, connection: Connection, info: ConnectionInfo) {
    this.context = context;
    this.info = info;
    const { hcm, proxy } = context;
    this.session = new ServerSession(connection, this, {
      settings: hcm.http2,
      count: (event) => context.observer.count?.(`http2.${event}`),
      fieldLimits: { maxBytes: hcm.maxRequestHeadersBytes, maxCount: hcm.maxHeadersCount },
      lingerMs: hcm.delayedCloseTimeoutMs || 1000,
      sendStallMs: hcm.streamIdleTimeoutMs,
      services: { timeouts: proxy.timeouts, monotonicMs: () => proxy.clock.monotonicMs(), random: proxy.random },
    });
    this.openedMs = proxy.clock.monotonicMs();
    context.observer.connectionOpened('http2', connection);
    if (hcm.maxConnectionDurationMs > 0) {
      this.maxDuration = new Timeout(() => this.startDrain('max_duration_reached'));
      proxy.timeouts.arm(this.maxDuration, hcm.maxConnectionDurationMs);
    }
    this.idleSinceMs = this.openedMs;
    if (hcm.idleTimeoutMs > 0) proxy.timeouts.arm(this.idle, hcm.idleTimeoutMs);
  }

  get idleMs(): number | undefined {
    return this.session.streams.size > 0 ? undefined : this.context.proxy.clock.monotonicMs() - this.idleSinceMs;
  }

  /** GOAWAY now, the last word after the drain time: requests that are on their way are taken. */
  startDrain(why: ConnectionEvent = 'drain_close'): void {
    if (this.draining || this.closed) return;
    this.draining = true;
    this.context.observer.countConnection?.(why);
    const { hcm, proxy } = this.context;
    this.session.announceShutdown();
    this.drain = new Timeout(() => this.session.shutDown());
    proxy.timeouts.arm(this.drain, hcm.drainTimeoutMs);
  }

  onRequest(stream: Http2ServerStream, template: HeadTemplate, first: Buffer | undefined, end: boolean): void {
    const { hcm } = this.context;
    this.requests++;
    if (hcm.maxRequestsPerConnection > 0 && this.requests >= hcm.maxRequestsPerConnection) this.startDrain('max_requests_reached');
    const exchange =
      !end && hcm.requestTimeoutMs > 0
        ? new LimitedExchange(this.context, this.info, stream, stream.head)
        : new Exchange(this.context, this.info, stream, stream.head);
    stream.handler = exchange;
    if (template.protocol === 'websocket' && !stream.head.has('sec-websocket-key')) stream.head.add('sec-websocket-key', newWebsocketKey());
    exchange.begin(template.protocol, first, end);
  }

  onMalformedRequest(details: string): void {
    // Reported like any request, so that the log has one line for each.
    const head = new Head(0);
    head.version = 20;
    new Exchange(this.context, this.info, NO_STREAM, head).refusedByCodec(0, details);
  }

  onTooManyResets(): void {
    const { hcm, observer } = this.context;
    observer.count?.(`http.${hcm.statPrefix}.downstream_rq_too_many_premature_resets`);
  }

  onHeadPending(isPending: boolean): void {
    const { hcm, proxy } = this.context;
    const limitMs = hcm.requestHeadersTimeoutMs || hcm.streamIdleTimeoutMs || hcm.requestTimeoutMs;
    if (!isPending) return this.headTimeout?.cancel();
    if (limitMs === 0) return;
    this.headTimeout ??= new Timeout(() => this.session.failSlowHead());
    proxy.timeouts.arm(this.headTimeout, limitMs);
  }

  onAnswer(): void {
    if (this.context.isDraining()) this.startDrain();
  }

  onIdle(): void {
    this.idleSinceMs = this.context.proxy.clock.monotonicMs();
  }

  onConnectionClosed(): void {
    if (this.closed) return;
    this.closed = true;
    this.idle.cancel();
    this.headTimeout?.cancel();
    this.maxDuration?.cancel();
    this.drain?.cancel();
    const { observer, proxy } = this.context;
    observer.connectionClosed(proxy.clock.monotonicMs() - this.openedMs, this.session.connection, this.session);
  }

  /** Armed once, not per request: when it fires it looks how long nothing has been open. */
  private onIdleTimeout(): void {
    const { hcm, proxy } = this.context;
    const idleMs = this.idleMs ?? 0;
    if (idleMs >= hcm.idleTimeoutMs) this.startDrain('idle_timeout');
    else proxy.timeouts.arm(this.idle, hcm.idleTimeoutMs - idleMs);
  }
}

/** An exchange whose request may not take for ever. */
class LimitedExchange extends Exchange {
  private readonly whole: Timeout;

  constructor(context: HcmContext, info: ConnectionInfo, stream: Http2ServerStream, head: Head) {
    super(context, info, stream, head);
    this.whole = new Timeout(() => {
      if (!this.requestEnded) this.respond({ status: 408, body: 'request timeout', details: 'request_overall_timeout' });
    });
    context.proxy.timeouts.arm(this.whole, context.hcm.requestTimeoutMs);
  }

  override onComplete(): void {
    this.whole.cancel();
    super.onComplete();
  }

  override onDownstreamReset(details: string): void {
    this.whole.cancel();
    super.onDownstreamReset(details);
  }
}

/** Behind a request that never had a stream of its own. */
const NO_STREAM = {
  sendHead() {},
  sendInformational() {},
  sendData: () => true,
  sendEnd() {},
  startTunnel() {},
  reset() {},
  closeAfterResponse() {},
  pauseRequest() {},
  resumeRequest() {},
};
