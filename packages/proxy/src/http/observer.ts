// Who hears what happened. The data path calls these once per event; metrics, access logs and spans live behind them.

import type { ClientConnection, ClientEnd } from '../observe/stats.ts';
import type { HcmRuntime, ListenerRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import type { RequestRecord } from './request-record.ts';

/** Why connections end, and what else befalls them. */
export type ConnectionEvent = 'drain_close' | 'idle_timeout' | 'max_duration_reached' | 'max_requests_reached' | 'delayed_close_timeout';

export type HttpObserver = {
  connectionOpened(protocol: 'http1' | 'http2', connection: ClientConnection): void;
  connectionClosed(lengthMs: number, connection: ClientConnection, end: ClientEnd): void;
  /** A connection that was over before its version of HTTP was known. */
  connectionUnused?(lengthMs: number, isIdle: boolean): void;
  requestStarted(): void;
  /** Something that is counted of connections ("http.<stat_prefix>.downstream_cx_…"). */
  countConnection?(what: ConnectionEvent): void;
  /** Wants `RequestRecord.upstreamTimes`. Default false. */
  readonly timesUpstream?: boolean;
  /** Adds to a counter by its full name in Envoy ("http.in.fault.aborts_injected"). */
  count?(name: string, by?: number): void;
  /** Exactly once per request; the record is valid during the call. */
  finish(record: RequestRecord): void;
};

/** A connection that is reported more than once. */
export type TcpProgress = RequestRecord & {
  /** Bytes since this was asked last. */
  takeUnreported(): { readonly received: number; readonly sent: number };
};

/** What a TCP proxy counts of itself ("tcp.<stat_prefix>.…"). */
export type TcpCounter = 'downstream_cx_drain_close' | 'downstream_cx_no_route' | 'idle_timeout' | 'max_downstream_connection_duration';

export type TcpObserver = {
  /** A connection has come; `finish` follows. */
  started?(): void;
  count?(counter: TcpCounter): void;
  /** The upstream is connected, or never will be. */
  connectionOpened(record: TcpProgress): void;
  /** Hears of open connections every so often. */
  readonly progress?: { readonly intervalMs: number; report(record: TcpProgress): void } | undefined;
  /** Writes the access log before the end. */
  log?(record: TcpProgress): void;
  /** Exactly once per connection. */
  finish(record: TcpProgress): void;
};

export type ProxyObserver = {
  /** Called once per compiled connection manager. */
  http(listener: ListenerRuntime, hcm: HcmRuntime): HttpObserver;
  tcp(listener: ListenerRuntime, tcp: TcpProxyRuntime): TcpObserver;
  /** What hears of each connection of the listener when it is over; undefined: nobody does. Called once per listener version. */
  listener?(listener: ListenerRuntime): ((record: RequestRecord) => void) | undefined;
};

const silentHttp: HttpObserver = { connectionOpened() {}, connectionClosed() {}, requestStarted() {}, finish() {} };
const silentTcp: TcpObserver = { connectionOpened() {}, finish() {} };

/** Hears nothing. */
export const silentObserver: ProxyObserver = { http: () => silentHttp, tcp: () => silentTcp };
