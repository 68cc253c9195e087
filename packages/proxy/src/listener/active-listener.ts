// A listener that serves: accepted connections pass the listener filters, find their filter chain and begin there. Its
// configuration is replaced in place; connections of filter chains that did not change go on as if nothing had been.

import type { Socket } from 'node:net';
import type { SocketAddress, TransportListener } from '@lateen/base';
import type { RequestRecord } from '../http/request-record.ts';
import { adoptSocket } from '../io/adopt.ts';
import { type Connection, ignoring } from '../io/connection.ts';
import { Timeout } from '../io/timer-wheel.ts';
import type { FilterChainRuntime, ListenerFilterRuntime, ListenerRuntime } from '../runtime/model.ts';
import { TcpRecord } from '../tcp/tcp-record.ts';
import { HANDSHAKE_TIMEOUT, secureDownstream } from '../tls/downstream-tls.ts';
import { tlsStatsOf } from '../tls/tls-stats.ts';
import { ActiveChain, type ChainServices } from './active-chain.ts';
import { isOn } from './connection-filters.ts';
import { describeConnection, type Facts, localOf, remoteOf } from './connection-info.ts';
import { type Inspected, type InspectionFailure, inspect } from './inspection.ts';
import { ListenerStats } from './listener-stats.ts';
import { TokenBucketState } from './token-bucket.ts';

export type ListenerServices = Omit<ChainServices, 'isListenerDraining'> & {
  originalDestination(socket: Socket): SocketAddress | undefined;
  /** The listener that serves connections to this address, for `useOriginalDst`. */
  listenerFor(address: SocketAddress): ActiveListener | undefined;
  /** Downstream connections of all listeners that are counted together. */
  readonly total: { active: number };
  /** Connections that the listener may have. */
  connectionLimit(listenerName: string): number;
};

type RateLimitFilter = Extract<ListenerFilterRuntime, { kind: 'local_rate_limit' }>;
/** A line of the listener's own log in the making. `carrier`: the connection with the plaintext, once a chain has it. */
type LogEntry = { readonly record: TcpRecord; carrier: Connection | undefined };
/** Where a connection comes from and goes to; a PROXY header may say otherwise than the socket. */
type Ends = { local: SocketAddress; remote: SocketAddress; isRedirected: boolean };

/** What is known of a connection that no chain was looked for. */
const UNKNOWN = {
  serverName: '',
  transportProtocol: 'raw_buffer',
  direct: undefined,
  proxyHeader: undefined,
  dynamicMetadata: undefined,
} as const;

/** Its bytes are those of the connection. The TCP proxy counts what it passed on. */
const isMeteredByConnection = ({ terminal }: FilterChainRuntime): boolean => terminal.kind !== 'tcp';

/** Closes it unserved. As with what the kernel drops unread, a client that has sent something learns that nobody took it. */
function refuse(connection: Connection): void {
  if (connection.bytesRead > 0) connection.reset();
  else connection.destroy();
}

export class ActiveListener {
  readonly name: string;
  readonly stats = new ListenerStats();
  sockets: readonly TransportListener[] = [];
  private current: ListenerRuntime;
  private readonly services: ListenerServices;
  private readonly chains = new Map<FilterChainRuntime, ActiveChain>();
  /** Chains that the configuration dropped, while they have connections. */
  private readonly drainedChains = new Set<ActiveChain>();
  /** Connections that have not begun at a chain. */
  private readonly pending = new Set<Connection>();
  /** All of them, those before a chain too: what the limit counts. */
  private open = 0;
  private buckets = new WeakMap<RateLimitFilter, TokenBucketState>();
  private draining = false;
  private log: { readonly of: ListenerRuntime; readonly write: ((record: RequestRecord) => void) | undefined } | undefined;

  constructor(runtime: ListenerRuntime, services: ListenerServices) {
    this.name = runtime.name;
    this.current = runtime;
    this.services = services;
  }

  get runtime(): ListenerRuntime {
    return this.current;
  }

  /**
   * Takes the next version in place. Connections of chains that it shares with this one go on; the others drain, and the HTTP ones
   * among them end after `drainMs` at the latest.
   */
  update(next: ListenerRuntime, drainMs: number): void {
    this.current = next;
    const kept = new Set<FilterChainRuntime | undefined>([...next.filterChains, next.defaultFilterChain]);
    for (const [runtime, chain] of this.chains) {
      if (kept.has(runtime)) continue;
      this.chains.delete(runtime);
      this.drainedChains.add(chain);
      chain.startDrain();
      const end = () => {
        chain.destroyConnections('http');
        if (chain.connectionCount === 0) this.drainedChains.delete(chain);
      };
      this.services.proxy.clock.after(drainMs, end, { background: true });
    }
    for (const chain of this.drainedChains) if (chain.connectionCount === 0) this.drainedChains.delete(chain);
  }

  /** A new connection, fresh from the transport. */
  accept(socket: Socket): void {
    if (!this.admits(socket)) return;
    const { useOriginalDst, listenerFilters, keepalive } = this.current;
    if (keepalive) socket.setKeepAlive(true, keepalive.idleMs, keepalive.intervalMs, keepalive.probes);
    const redirected = useOriginalDst || listenerFilters.some((filter) => filter.kind === 'original_dst');
    const original = redirected ? this.services.originalDestination(socket) : undefined;
    const isRedirected = original !== undefined;
    const ends =
      socket.remoteAddress === undefined ? this.pathEnds() : { local: original ?? localOf(socket), remote: remoteOf(socket), isRedirected };
    const owner = this.ownerOf(original ?? ends.local);
    const connection = adoptSocket(socket, ignoring);
    owner.serve(connection, ends, undefined);
  }

  /** Of a connection over a Unix domain socket: its path stands for both, as in Envoy. */
  private pathEnds(): Ends {
    const path = this.current.addresses.find(({ host }) => host.startsWith('/')) ?? { host: '', port: 0 };
    return { local: path, remote: path, isRedirected: false };
  }

  /** Who serves connections to this address. */
  private ownerOf(address: SocketAddress): ActiveListener {
    return (this.current.useOriginalDst ? this.services.listenerFor(address) : undefined) ?? this;
  }

  private admits(socket: Socket): boolean {
    const { proxy, total, connectionLimit } = this.services;
    const { ignoreGlobalConnLimit, bypassOverloadManager } = this.current;
    const { stats } = this;
    if (!ignoreGlobalConnLimit && total.active >= proxy.overload.maxDownstreamConnections) stats.downstream_global_cx_overflow++;
    else if (!bypassOverloadManager && proxy.overload.refusesConnections) stats.downstream_cx_overload_reject++;
    else if (this.open >= connectionLimit(this.name)) stats.downstream_cx_overflow++;
    else return true;
    socket.on('error', () => {});
    socket.resetAndDestroy();
    return false;
  }

  private serve(connection: Connection, ends: Ends, found: Inspected | undefined): void {
    const { stats, services } = this;
    const { ignoreGlobalConnLimit } = this.current;
    if (!ignoreGlobalConnLimit) services.total.active++;
    this.open++;
    this.pending.add(connection);
    connection.onceClosed(() => {
      if (!ignoreGlobalConnLimit) services.total.active--;
      this.open--;
      this.pending.delete(connection);
    });
    stats.downstream_pre_cx_active++;
    const how = { timeouts: services.proxy.timeouts, counters: services.counters, takeToken: this.takeToken };
    const onTimeout = () => void stats.downstream_pre_cx_timeout++;
    inspect(connection, this.current, how, { local: ends.local, found, onTimeout }, (outcome) => {
      stats.downstream_pre_cx_active--;
      if (typeof outcome === 'string') this.giveUp(connection, ends, outcome);
      else this.dispatch(connection, ends, outcome);
    });
  }

  /** From the moment that a chain has it, as in Envoy. */
  private countConnection(connection: Connection): void {
    const { stats } = this;
    const { clock } = this.services.proxy;
    const openedMs = clock.monotonicMs();
    stats.downstream_cx_total++;
    stats.downstream_cx_active++;
    connection.onceClosed(() => {
      stats.downstream_cx_active--;
      stats.downstream_cx_destroy++;
      stats.downstream_cx_length_ms.record(clock.monotonicMs() - openedMs);
    });
  }

  private readonly takeToken = (filter: RateLimitFilter): boolean => {
    if (!isOn(filter.enabled, this.services.proxy)) return true;
    const nowMs = this.services.proxy.clock.monotonicMs();
    let bucket = this.buckets.get(filter);
    if (!bucket) {
      bucket = new TokenBucketState(filter.bucket, nowMs);
      this.buckets.set(filter, bucket);
    }
    if (bucket.take(nowMs)) return true;
    this.services.counters.count(`listener_local_ratelimit.${filter.statPrefix}.rate_limited`);
    return false;
  };

  private giveUp(connection: Connection, { local, remote, isRedirected }: Ends, why: InspectionFailure): void {
    if (why === 'remote_close') this.stats.downstream_listener_filter_remote_close++;
    this.startEntry(connection, { id: connection.id, local, isRedirected, remote, ...UNKNOWN });
    refuse(connection);
  }

  private dispatch(connection: Connection, ends: Ends, found: Inspected): void {
    const said = found.proxyHeader?.addresses;
    const local = said?.destination ?? ends.local;
    const remote = said?.source ?? ends.remote;
    const direct = said && ends.remote;
    const { serverName = '', transportProtocol, proxyHeader, dynamicMetadata } = found;
    const isRedirected = said ? said.destination !== undefined : ends.isRedirected;
    const facts = { id: connection.id, local, isRedirected, remote, direct, serverName, transportProtocol, proxyHeader, dynamicMetadata };
    const entry = this.startEntry(connection, facts);
    const runtime = this.current.matchChain({ destination: local, source: remote, directSource: direct, ...found });
    if (!runtime) {
      this.stats.no_filter_chain_match++;
      entry?.record.addFlag('NR');
      if (entry) entry.record.responseCodeDetails = 'filter_chain_not_found';
      return refuse(connection);
    }
    this.countConnection(connection);
    const chain = this.chainOf(runtime);
    const admission = chain.filters.admit();
    if (admission.kind === 'closed') {
      const record = entry?.record ?? this.newRecord(facts);
      if (admission.flag) record.addFlag(admission.flag);
      chain.reportRefused(record);
      return this.closeLater(connection, admission.delayMs);
    }
    connection.onceClosed(admission.release);
    // No handshake ends without the client's last word.
    if (runtime.tls && found.ended) return refuse(connection);
    if (runtime.tls) return this.secure(connection, chain, { facts, unread: found.bytes, entry });
    this.pending.delete(connection);
    if (entry && isMeteredByConnection(runtime)) entry.carrier = connection;
    const info = describeConnection({ ...facts, tls: undefined });
    chain.begin(connection, info, { protocol: found.applicationProtocols[0] ?? '', record: entry?.record });
    if (found.bytes) connection.receivedBefore(found.bytes);
    if (found.ended) connection.handler.onEnd();
    connection.resume();
  }

  /** For the listener's own access log, which has a line for each connection. */
  private startEntry(connection: Connection, facts: Omit<Facts, 'tls'>): LogEntry | undefined {
    const { observer } = this.services;
    if (this.log?.of !== this.current) this.log = { of: this.current, write: observer.listener?.(this.current) };
    const { write } = this.log;
    if (!write) return undefined;
    const record = this.newRecord(facts);
    const entry: LogEntry = { record, carrier: undefined };
    connection.onceClosed(() => {
      record.complete();
      if (entry.carrier) {
        record.bytesReceived = entry.carrier.bytesRead;
        record.bytesSent = entry.carrier.bytesWritten;
      }
      // Whoever ends the connection says why just after.
      queueMicrotask(() => {
        record.accessLogType = 'NotSet';
        write(record);
      });
    });
    return entry;
  }

  private newRecord(facts: Omit<Facts, 'tls'>): TcpRecord {
    return new TcpRecord(describeConnection({ ...facts, tls: undefined }), this.services.proxy.clock);
  }

  private secure(
    connection: Connection,
    chain: ActiveChain,
    { facts, unread, entry }: { facts: Omit<Facts, 'tls'>; unread: Buffer | undefined; entry: LogEntry | undefined },
  ): void {
    const { tls, transportSocketConnectTimeoutMs } = chain.runtime;
    if (!tls) return;
    const { proxy } = this.services;
    const services = {
      timeouts: proxy.timeouts,
      secret: (key: string) => proxy.runtime().secrets.get(key),
      stats: tlsStatsOf(this),
      now: () => proxy.clock.now(),
    };
    secureDownstream(connection, tls, { unread, timeoutMs: transportSocketConnectTimeoutMs, services }, (secured, failure, refused) => {
      this.pending.delete(connection);
      if (!secured) {
        const record = entry?.record ?? this.newRecord(facts);
        // Who was refused is what one wants to know.
        if (refused) record.connection = describeConnection({ ...facts, tls: refused });
        if (failure === HANDSHAKE_TIMEOUT) {
          this.stats.downstream_cx_transport_socket_connect_timeout++;
          record.connectionTerminationDetails = failure;
        } else record.downstreamTransportFailureReason = failure.replaceAll(' ', '_');
        chain.reportRefused(record);
        return;
      }
      // A protocol that ALPN settled is not guessed from bytes.
      const protocol = secured.tls?.applicationProtocol ?? '';
      const serverName = facts.serverName || (secured.tls?.serverName ?? '');
      const info = describeConnection({ ...facts, serverName, transportProtocol: 'tls', tls: secured.tls });
      if (entry) {
        entry.record.connection = info;
        if (isMeteredByConnection(chain.runtime)) entry.carrier = secured;
      }
      chain.begin(secured, info, { protocol, record: entry?.record });
      secured.resume();
    });
  }

  private closeLater(connection: Connection, delayMs: number): void {
    connection.handler = ignoring;
    if (delayMs <= 0) return connection.destroy();
    connection.pause();
    this.services.proxy.timeouts.arm(new Timeout(() => connection.destroy()), delayMs);
  }

  private chainOf(runtime: FilterChainRuntime): ActiveChain {
    let chain = this.chains.get(runtime);
    if (!chain) {
      chain = new ActiveChain(runtime, this.current, { ...this.services, isListenerDraining: this.isDraining });
      this.chains.set(runtime, chain);
    }
    return chain;
  }

  private readonly isDraining = (): boolean =>
    this.draining || (this.current.drainType === 'default' && this.services.proxy.isFailingHealthChecks());

  private *allChains(): Iterable<ActiveChain> {
    yield* this.chains.values();
    yield* this.drainedChains;
  }

  /** Stops accepting; sockets are free when it resolves. */
  async stopAccepting(): Promise<void> {
    const { sockets } = this;
    this.sockets = [];
    await Promise.all(sockets.map((socket) => socket.close()));
  }

  /** See `ActiveChain.startDrain`: for all chains, and for connections that come from now on. */
  startDrain(): void {
    this.draining = true;
    for (const chain of this.allChains()) chain.startDrain();
  }

  /** Breaks off everything, or only HTTP connections. */
  destroyConnections(which: 'all' | 'http'): void {
    for (const chain of this.allChains()) chain.destroyConnections(which);
    if (which === 'all') for (const connection of this.pending) connection.destroy();
  }

  closeIdle(shorten: (idleTimeoutMs: number) => number): void {
    for (const chain of this.allChains()) chain.closeIdle(shorten);
  }

  /** Those that have begun at a filter chain. */
  *connections(): Iterable<Connection> {
    for (const chain of this.allChains()) yield* chain.connections();
  }

  get drainingChainCount(): number {
    return this.drainedChains.size;
  }

  get connectionCount(): number {
    let count = this.pending.size;
    for (const chain of this.allChains()) count += chain.connectionCount;
    return count;
  }
}
