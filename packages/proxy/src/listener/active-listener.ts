// A listener that serves: accepted connections find their filter chain and its terminal filter.

import type { Socket } from 'node:net';
import type { SocketAddress, TransportListener } from '@lateen/base';
import { createFilterChain } from '../filters/chain.ts';
import type { HcmContext, ProxyContext } from '../http/context.ts';
import { HttpConnection } from '../http/http-connection.ts';
import type { ProxyObserver, TcpObserver } from '../http/observer.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import { Http2Connection } from '../http2/http2-connection.ts';
import { adoptSocket } from '../io/adopt.ts';
import { type Connection, ignoring } from '../io/connection.ts';
import type { FilterChainRuntime, HcmRuntime, ListenerRuntime, TcpProxyRuntime } from '../runtime/model.ts';
import { TcpConnection } from '../tcp/tcp-connection.ts';
import { secureDownstream } from '../tls/downstream-tls.ts';
import { describeConnection, localOf, remoteOf } from './connection-info.ts';
import { type Inspected, inspect } from './inspection.ts';

export class ListenerStats {
  downstream_cx_total = 0;
  downstream_cx_active = 0;
  downstream_cx_destroy = 0;
  downstream_pre_cx_timeout = 0;
  no_filter_chain_match = 0;
}

export type ListenerServices = {
  readonly proxy: ProxyContext;
  readonly observer: ProxyObserver;
  originalDestination(socket: Socket): SocketAddress | undefined;
  /** The listener that serves connections to this address, for `useOriginalDst`. */
  listenerFor(address: SocketAddress): ActiveListener | undefined;
};

export class ActiveListener {
  readonly runtime: ListenerRuntime;
  readonly stats = new ListenerStats();
  sockets: readonly TransportListener[] = [];
  private readonly services: ListenerServices;
  private readonly connections = new Set<Connection>();
  /** Those of them that are proxied as plain byte streams. */
  private readonly streams = new WeakSet<Connection>();
  private readonly httpContexts = new Map<HcmRuntime, HcmContext>();
  private readonly tcpObservers = new Map<TcpProxyRuntime, TcpObserver>();
  private draining = false;

  constructor(runtime: ListenerRuntime, services: ListenerServices) {
    this.runtime = runtime;
    this.services = services;
  }

  /** A new connection, fresh from the transport. */
  accept(socket: Socket): void {
    const connection = adoptSocket(socket, ignoring);
    const remote = remoteOf(socket);
    const redirected = this.runtime.useOriginalDst || this.runtime.listenerFilters.some((filter) => filter.kind === 'original_dst');
    const local = (redirected ? this.services.originalDestination(socket) : undefined) ?? localOf(socket);
    const owner = (this.runtime.useOriginalDst ? this.services.listenerFor(local) : undefined) ?? this;
    owner.serve(connection, local, remote);
  }

  private serve(connection: Connection, local: SocketAddress, remote: SocketAddress): void {
    this.stats.downstream_cx_total++;
    this.stats.downstream_cx_active++;
    this.connections.add(connection);
    connection.onceClosed(() => {
      this.stats.downstream_cx_active--;
      this.stats.downstream_cx_destroy++;
      this.connections.delete(connection);
    });
    inspect(connection, this.runtime, { port: local.port, timeouts: this.services.proxy.timeouts }, (found) => {
      if (!found) {
        this.stats.downstream_pre_cx_timeout++;
        connection.destroy();
        return;
      }
      this.dispatch(connection, local, remote, found);
    });
  }

  private dispatch(connection: Connection, local: SocketAddress, remote: SocketAddress, found: Inspected): void {
    const chain = this.runtime.matchChain({ destination: local, source: remote, ...found });
    if (!chain) {
      this.stats.no_filter_chain_match++;
      connection.destroy();
      return;
    }
    const { serverName = '', transportProtocol } = found;
    const facts = { id: connection.id, local, remote, serverName, transportProtocol };
    if (chain.tls) {
      const { proxy } = this.services;
      const services = { timeouts: proxy.timeouts, secret: (name: string) => proxy.runtime().secrets.get(name) };
      const how = { unread: found.bytes, timeoutMs: chain.transportSocketConnectTimeoutMs, services };
      secureDownstream(connection, chain.tls, how, (secured) => {
        if (!secured) return;
        this.connections.add(secured);
        secured.onceClosed(() => this.connections.delete(secured));
        const protocol = secured.tls?.applicationProtocol ?? '';
        this.begin(secured, chain, describeConnection({ ...facts, tls: secured.tls }), protocol === 'h2');
        secured.resume();
      });
      return;
    }
    this.begin(connection, chain, describeConnection({ ...facts, tls: undefined }), found.applicationProtocols[0] === 'h2c');
    if (found.bytes) connection.received(found.bytes);
    if (found.ended) connection.handler.onEnd();
    connection.resume();
  }

  private begin(connection: Connection, chain: FilterChainRuntime, info: ConnectionInfo, isHttp2: boolean): void {
    const { terminal } = chain;
    if (terminal.kind === 'tcp') {
      this.streams.add(connection);
      new TcpConnection(this.services.proxy, terminal.tcp, this.tcpObserver(terminal.tcp), connection, info);
      return;
    }
    if (isHttp2 || terminal.hcm.codec === 'http2') {
      new Http2Connection(this.httpContext(terminal.hcm), connection, info);
      return;
    }
    new HttpConnection(this.httpContext(terminal.hcm), connection, info);
  }

  private httpContext(hcm: HcmRuntime): HcmContext {
    let context = this.httpContexts.get(hcm);
    if (!context) {
      const { proxy, observer } = this.services;
      context = {
        proxy,
        hcm,
        observer: observer.http(this.runtime, hcm),
        filters: createFilterChain(hcm, proxy.node),
        isDraining: () => this.draining,
      };
      this.httpContexts.set(hcm, context);
    }
    return context;
  }

  private tcpObserver(tcp: TcpProxyRuntime): TcpObserver {
    let observer = this.tcpObservers.get(tcp);
    if (!observer) {
      observer = this.services.observer.tcp(this.runtime, tcp);
      this.tcpObservers.set(tcp, observer);
    }
    return observer;
  }

  /** Stops accepting; sockets are free when it resolves. */
  async stopAccepting(): Promise<void> {
    const { sockets } = this;
    this.sockets = [];
    await Promise.all(sockets.map((socket) => socket.close()));
  }

  /**
   * From now on each HTTP connection ends with its next answer. Idle ones are left open: a request may be on its way on them, and
   * it shall not be lost. TCP connections have no such moment.
   */
  drain(): void {
    this.draining = true;
  }

  /** Breaks off what is left: everything, or only what had a moment to end in order (HTTP). */
  destroyConnections(which: 'all' | 'http'): void {
    for (const connection of this.connections) if (which === 'all' || !this.streams.has(connection)) connection.destroy();
  }

  get connectionCount(): number {
    return this.connections.size;
  }
}
