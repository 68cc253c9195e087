// Who hears what happened. The data path calls these once per event; metrics, access logs and spans live behind them.

import type { HcmRuntime, ListenerRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import type { RequestRecord } from './request-record.ts';

export type HttpObserver = {
  connectionOpened(): void;
  connectionClosed(): void;
  requestStarted(): void;
  /** Exactly once per request; the record is valid during the call. */
  finish(record: RequestRecord): void;
};

export type TcpObserver = {
  connectionOpened(record: RequestRecord): void;
  /** Exactly once per connection. */
  finish(record: RequestRecord): void;
};

export type ProxyObserver = {
  /** Called once per compiled connection manager. */
  http(listener: ListenerRuntime, hcm: HcmRuntime): HttpObserver;
  tcp(listener: ListenerRuntime, tcp: TcpProxyRuntime): TcpObserver;
};

const silentHttp: HttpObserver = { connectionOpened() {}, connectionClosed() {}, requestStarted() {}, finish() {} };
const silentTcp: TcpObserver = { connectionOpened() {}, finish() {} };

/** Hears nothing. */
export const silentObserver: ProxyObserver = { http: () => silentHttp, tcp: () => silentTcp };
