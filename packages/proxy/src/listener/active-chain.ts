// One filter chain in force: its connections, what they share, and their end when the configuration drops the chain.

import { createFilterChain } from '../filters/chain.ts';
import type { HcmContext, ProxyContext, ServedHttp } from '../http/context.ts';
import { HttpConnection } from '../http/http-connection.ts';
import type { ProxyObserver, TcpObserver } from '../http/observer.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import { Http2Connection } from '../http2/http2-connection.ts';
import type { Connection } from '../io/connection.ts';
import type { FilterChainRuntime, HcmRuntime, ListenerRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import { exchangeMetadata } from '../tcp/metadata-exchange.ts';
import { answerDirectly, echo } from '../tcp/plain-terminals.ts';
import { TcpConnection } from '../tcp/tcp-connection.ts';
import { TcpRecord } from '../tcp/tcp-record.ts';
import { type ConnectionFilters, createConnectionFilters, type SharedBuckets } from './connection-filters.ts';
import type { Counters } from './counters.ts';
import { awaitHttpVersion } from './first-bytes.ts';
import { createOverloadGate } from './overload-gate.ts';

export type ChainServices = {
  readonly proxy: ProxyContext;
  readonly observer: ProxyObserver;
  readonly counters: Counters;
  readonly buckets: SharedBuckets;
  /** The listener as a whole drains. */
  readonly isListenerDraining: () => boolean;
};

/** `http` is undefined for byte streams. */
type Served = { readonly connection: Connection; http: ServedHttp | undefined };

export class ActiveChain {
  readonly runtime: FilterChainRuntime;
  readonly filters: ConnectionFilters;
  private readonly listener: ListenerRuntime;
  private readonly services: ChainServices;
  private readonly served = new Set<Served>();
  private httpContext: HcmContext | undefined;
  private readonly tcpObservers = new Map<TcpProxyRuntime, TcpObserver>();
  private draining = false;

  constructor(runtime: FilterChainRuntime, listener: ListenerRuntime, services: ChainServices) {
    this.runtime = runtime;
    this.listener = listener;
    this.services = services;
    this.filters = createConnectionFilters(runtime, services);
  }

  get connectionCount(): number {
    return this.served.size;
  }

  /**
   * Serves a connection whose bytes are plaintext by now. `protocol`: what ALPN or the inspector found; empty: nothing did. `record`:
   * what the listener's log will write of the connection.
   */
  begin(connection: Connection, plain: ConnectionInfo, { protocol, record }: { protocol: string; record: TcpRecord | undefined }): void {
    const info = this.filters.describe(plain);
    const served: Served = { connection, http: undefined };
    this.served.add(served);
    connection.onceClosed(() => this.served.delete(served));
    const { terminal } = this.runtime;
    switch (terminal.kind) {
      case 'http':
        return this.beginHttp(served, terminal.hcm, { info, protocol });
      case 'tcp':
        return this.beginTcp(connection, terminal.tcp, { info, record });
      case 'echo':
        return echo(connection);
      case 'closed':
        return connection.destroy();
      case 'direct_response':
        if (record) record.responseCodeDetails = 'direct_response';
        return answerDirectly(connection, terminal.text);
    }
  }

  /** A connection that this chain has and will not serve: a filter or its handshake refused it. The TCP proxy's log has a line for it. */
  reportRefused(record: TcpRecord): void {
    const { terminal } = this.runtime;
    if (terminal.kind !== 'tcp') return;
    const observer = this.tcpObserver(terminal.tcp);
    const { accessLogType } = record;
    observer.started?.();
    record.accessLogType = 'TcpConnectionEnd';
    record.complete();
    observer.finish(record);
    record.accessLogType = accessLogType;
  }

  private beginTcp(
    connection: Connection,
    tcp: TcpProxyRuntime,
    { info, record }: { info: ConnectionInfo; record: TcpRecord | undefined },
  ): void {
    const { proxy } = this.services;
    const isDraining = () => this.draining || this.services.isListenerDraining();
    const services = { proxy, tcp, observer: this.tcpObserver(tcp), record: record ?? new TcpRecord(info, proxy.clock), isDraining };
    const joined = new TcpConnection(services, connection, info);
    const exchange = this.runtime.networkFilters.find((filter) => filter.kind === 'metadata_exchange')?.exchange;
    if (exchange && !connection.closed && info.tls?.applicationProtocol === exchange.protocol) {
      exchangeMetadata(connection, proxy.node, joined, (peer) => joined.setDownstreamPeer(peer));
    }
  }

  private beginHttp(served: Served, hcm: HcmRuntime, { info, protocol }: { info: ConnectionInfo; protocol: string }): void {
    const { connection } = served;
    const start = (isHttp2: boolean) => this.startHttp(served, hcm, { info, isHttp2 });
    if (hcm.codec !== 'auto') return start(hcm.codec === 'http2');
    if (protocol !== '') return start(protocol === 'h2' || protocol === 'h2c');
    const { timeouts, clock } = this.services.proxy;
    const openedMs = clock.monotonicMs();
    const onUnknown = (isIdle: boolean) => this.context(hcm).observer.connectionUnused?.(clock.monotonicMs() - openedMs, isIdle);
    const idleMs = Math.min(hcm.idleTimeoutMs || Infinity, hcm.maxConnectionDurationMs || Infinity);
    awaitHttpVersion(connection, { timeouts, idleMs: idleMs < Infinity ? idleMs : 0, onUnknown }, start);
  }

  private startHttp(served: Served, hcm: HcmRuntime, { info, isHttp2 }: { info: ConnectionInfo; isHttp2: boolean }): void {
    const { connection } = served;
    served.http = new (isHttp2 ? Http2Connection : HttpConnection)(this.context(hcm), connection, info);
    if (this.draining) served.http.startDrain();
  }

  private context(hcm: HcmRuntime): HcmContext {
    if (!this.httpContext) {
      const { proxy, observer, isListenerDraining } = this.services;
      this.httpContext = {
        proxy,
        hcm,
        observer: observer.http(this.listener, hcm),
        bufferLimitBytes: this.listener.perConnectionBufferLimitBytes,
        filters: [
          ...(this.listener.bypassOverloadManager ? [] : [createOverloadGate(proxy.overload)]),
          ...createFilterChain(hcm, proxy.node),
        ],
        isDraining: () => this.draining || isListenerDraining() || proxy.overload.endsKeepalive,
      };
    }
    return this.httpContext;
  }

  private tcpObserver(tcp: TcpProxyRuntime): TcpObserver {
    let observer = this.tcpObservers.get(tcp);
    if (!observer) {
      observer = this.services.observer.tcp(this.listener, tcp);
      this.tcpObservers.set(tcp, observer);
    }
    return observer;
  }

  /**
   * From now on each HTTP connection ends with its next answer. Idle ones are left open: a request may be on its way on them, and
   * it shall not be lost. TCP connections have no such moment.
   */
  startDrain(): void {
    this.draining = true;
    for (const { http } of this.served) http?.startDrain();
  }

  /** Breaks off what is left: everything, or only what had a moment to end in order (HTTP). */
  destroyConnections(which: 'all' | 'http'): void {
    if (which === 'all' || this.runtime.terminal.kind === 'http') for (const { connection } of this.served) connection.destroy();
  }

  /** Ends HTTP connections that have been idle for longer than `shorten` leaves of their timeout. */
  closeIdle(shorten: (idleTimeoutMs: number) => number): void {
    const { terminal } = this.runtime;
    if (terminal.kind !== 'http' || this.listener.bypassOverloadManager) return;
    const limitMs = shorten(terminal.hcm.idleTimeoutMs || NO_TIMEOUT_MS);
    for (const { connection, http } of this.served) {
      if (!http || (http.idleMs ?? -1) < limitMs) continue;
      http.startDrain();
      connection.end();
    }
  }

  *connections(): Iterable<Connection> {
    for (const { connection } of this.served) yield connection;
  }
}

/** What "no idle timeout" counts as when timeouts shrink: Envoy's default. */
const NO_TIMEOUT_MS = 3_600_000;
