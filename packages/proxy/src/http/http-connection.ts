// One downstream HTTP connection: its codec, its timeouts, and an exchange per request.

import type { Connection } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { HcmRuntime } from '../runtime/model.ts';
import type { HcmContext, ServedHttp } from './context.ts';
import { Exchange } from './exchange.ts';
import type { Head } from './head.ts';
import type { HeadFault } from './head-parser.ts';
import { Http1Server } from './http1-server.ts';
import type { Http1ServerHost, Refusal } from './http1-server-host.ts';
import type { Framing } from './message-framing.ts';
import type { ConnectionInfo } from './request-view.ts';
import type { ServerStreamHandler } from './stream.ts';

/** How long a client that sent FIN may wait for its answer to begin before it is taken for gone. */
const HALF_CLOSED_GRACE_MS = 5000;

const SLOW_HEAD: HeadFault = { status: 408, details: 'request_header_timeout', body: 'request header timeout' };
const SLOW_REQUEST: HeadFault = { status: 408, details: 'request_overall_timeout', body: 'request timeout' };
const IDLE_STREAM: HeadFault = { status: 408, details: 'stream_idle_timeout', body: 'stream timeout' };

/** How long a head may take, by the first of the limits to be reached; Infinity = no limit. */
function headLimit(hcm: HcmRuntime): { limitMs: number; fault: HeadFault } {
  const limits = [
    { limitMs: hcm.requestHeadersTimeoutMs || Infinity, fault: SLOW_HEAD },
    { limitMs: hcm.requestTimeoutMs || Infinity, fault: SLOW_REQUEST },
    { limitMs: hcm.streamIdleTimeoutMs || Infinity, fault: IDLE_STREAM },
  ];
  return limits.reduce((first, each) => (each.limitMs < first.limitMs ? each : first));
}

export class HttpConnection implements Http1ServerHost, ServedHttp {
  private readonly context: HcmContext;
  private readonly info: ConnectionInfo;
  private readonly connection: Connection;
  private readonly codec: Http1Server;
  private exchange: Exchange | undefined;
  private requests = 0;
  private closed = false;
  private lastIdleMs = 0;
  private readonly idle: Timeout = new Timeout(() => this.onIdleTimeout());
  private readonly headTimeout: Timeout = new Timeout(() => this.onHeadTimeout());
  private maxDuration: Timeout | undefined;
  private readonly openedMs: number;
  private halfClosed: Timeout | undefined;
  private wholeRequest: Timeout | undefined;

  constructor(context: HcmContext, connection: Connection, info: ConnectionInfo) {
    this.context = context;
    this.info = info;
    this.connection = connection;
    const { hcm, proxy } = context;
    this.codec = new Http1Server(connection, this, {
      limits: { maxBytes: hcm.maxRequestHeadersBytes, maxCount: hcm.maxHeadersCount },
      trailers: hcm.http1.enableTrailers,
      properCase: hcm.http1.properCase,
      preserveCase: hcm.http1.preserveCase,
      acceptsHttp10: hcm.http1.acceptHttp10,
      allowChunkedLength: hcm.http1.allowChunkedLength,
    });
    this.openedMs = proxy.clock.monotonicMs();
    context.observer.connectionOpened('http1', connection);
    if (hcm.maxConnectionDurationMs > 0) {
      this.maxDuration = new Timeout(() => this.onMaxDuration());
      proxy.timeouts.arm(this.maxDuration, hcm.maxConnectionDurationMs);
    }
    this.onIdle();
  }

  /** The next answer ends the connection, because the context says so. */
  startDrain(): void {}

  get idleMs(): number | undefined {
    if (this.exchange && !this.exchange.isFinished) return undefined;
    return this.context.proxy.clock.monotonicMs() - this.lastIdleMs;
  }

  /** No new request after the one under way. */
  private endWhenIdle(): void {
    if (this.codec.isIdle) this.connection.end();
    else this.codec.closeAfterResponse();
  }

  private onMaxDuration(): void {
    this.context.observer.countConnection?.('max_duration_reached');
    // A client may be writing to an idle connection just now: the safe way is to tell it in the next answer.
    if (this.context.hcm.http1SafeMaxConnectionDuration) this.codec.closeAfterResponse();
    else this.endWhenIdle();
  }

  onRequest(head: Head, framing: Framing, first: Buffer | undefined, end: boolean): ServerStreamHandler {
    this.headTimeout.cancel();
    const { hcm } = this.context;
    this.requests++;
    if (hcm.maxRequestsPerConnection > 0 && this.requests >= hcm.maxRequestsPerConnection) {
      this.context.observer.countConnection?.('max_requests_reached');
      this.codec.closeAfterResponse();
    }
    const exchange = new Exchange(this.context, this.info, this.codec, head);
    this.exchange = exchange;
    if (!end && hcm.requestTimeoutMs > 0) {
      this.wholeRequest ??= new Timeout(() => this.onRequestTimeout());
      this.context.proxy.timeouts.arm(this.wholeRequest, hcm.requestTimeoutMs);
    }
    exchange.begin(framing.upgrade, first, end);
    return exchange;
  }

  onMalformedRequest(head: Head, fault: HeadFault): Refusal {
    // Reported like any request, so that the log has one line for each answer.
    const exchange = new Exchange(this.context, this.info, this.codec, head);
    return exchange.refuseUnread(fault);
  }

  onHeadStarted(): void {
    const { hcm, proxy } = this.context;
    const { limitMs } = headLimit(hcm);
    if (limitMs < Infinity && !this.headTimeout.armed) proxy.timeouts.arm(this.headTimeout, limitMs);
  }

  onIdle(): void {
    this.exchange = undefined;
    this.wholeRequest?.cancel();
    const { hcm, proxy } = this.context;
    // Re-arming per request would cost more than looking at the time when the timeout fires.
    this.lastIdleMs = proxy.clock.monotonicMs();
    if (hcm.idleTimeoutMs === 0) return;
    if (!this.idle.armed) proxy.timeouts.arm(this.idle, hcm.idleTimeoutMs);
  }

  onHalfClosed(): void {
    this.headTimeout.cancel();
    this.halfClosed = new Timeout(() => this.codec.giveUpHalfClosed());
    this.context.proxy.timeouts.arm(this.halfClosed, HALF_CLOSED_GRACE_MS);
  }

  onClosing(): void {
    const { hcm, proxy } = this.context;
    this.idle.cancel();
    const close = new Timeout(() => {
      this.context.observer.countConnection?.('delayed_close_timeout');
      this.connection.destroy();
    });
    proxy.timeouts.arm(close, hcm.delayedCloseTimeoutMs || 1000);
    this.maxDuration?.cancel();
    this.maxDuration = close;
  }

  onConnectionClosed(): void {
    if (this.closed) return;
    this.closed = true;
    this.idle.cancel();
    this.headTimeout.cancel();
    this.maxDuration?.cancel();
    this.halfClosed?.cancel();
    this.wholeRequest?.cancel();
    this.context.observer.connectionClosed(this.context.proxy.clock.monotonicMs() - this.openedMs, this.connection, this.codec);
  }

  private onIdleTimeout(): void {
    const { hcm, proxy } = this.context;
    const idleMs = proxy.clock.monotonicMs() - this.lastIdleMs;
    if (this.exchange && !this.exchange.isFinished) proxy.timeouts.arm(this.idle, hcm.idleTimeoutMs);
    else if (idleMs < hcm.idleTimeoutMs) proxy.timeouts.arm(this.idle, hcm.idleTimeoutMs - idleMs);
    else {
      this.context.observer.countConnection?.('idle_timeout');
      this.endWhenIdle();
    }
  }

  private onRequestTimeout(): void {
    const { exchange } = this;
    if (exchange && !exchange.requestEnded) exchange.respond({ status: 408, body: 'request timeout', details: 'request_overall_timeout' });
  }

  private onHeadTimeout(): void {
    this.codec.refuseSlowHead(headLimit(this.context.hcm).fault);
  }
}
