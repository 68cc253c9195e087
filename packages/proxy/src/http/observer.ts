// Who hears what happened. The data path calls these once per event; metrics, access logs and spans live behind them.

import type { Metered } from '../observe/byte-count.ts';
import type { HcmRuntime, ListenerRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import type { RequestRecord } from './request-record.ts';

export type HttpObserver = {
  connectionOpened(protocol: 'http1' | 'http2', connection: Metered): void;
  connectionClosed(lengthMs: number, connection: Metered): void;
  requestStarted(): void;
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
export type TcpCounter = 'downstream_cx_no_route' | 'idle_timeout' | 'max_downstream_connection_duration';

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
