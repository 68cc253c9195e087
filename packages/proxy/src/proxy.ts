// The data plane, assembled: listeners in front, clusters behind, one immutable runtime between them.

import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import {
  type Clock,
  CodedError,
  type Logger,
  messageOf,
  type SocketAddress,
  silentLogger,
  systemClock,
  type Transport,
} from '@lateen/base';
import type { NodeIdentity, ProxyContext } from './http/context.ts';
import { type ProxyObserver, silentObserver } from './http/observer.ts';
import { createHostTransport } from './io/host-transport.ts';
import { createTimeouts } from './io/timer-wheel.ts';
import { ActiveListener, type ListenerServices } from './listener/active-listener.ts';
import { EMPTY_RUNTIME, type ListenerRuntime, type Runtime } from './runtime/model.ts';
import { createClusterRegistry } from './upstream/cluster-registry.ts';
import type { ClusterState, Resolver } from './upstream/cluster-state.ts';

export type ProxyOptions = {
  /** Default: the host's network. */
  transport?: Transport;
  clock?: Clock;
  /** Uniform in [0, 1). */
  random?: () => number;
  newRequestId?: () => string;
  logger?: Logger;
  node?: NodeIdentity;
  observer?: ProxyObserver;
  /** Default: the system's resolver. */
  resolve?: Resolver;
  /** How long the HTTP connections of a replaced listener, and all those of a removed one, may take to end. Default 45 s (Istio's drain time). */
  drainMs?: number;
};

export type Proxy = {
  /**
   * Makes `runtime` live: clusters first, then listeners whose identity changed. Rejects with a CodedError when an address cannot
   * be bound; everything else is live then.
   */
  apply(runtime: Runtime): Promise<void>;
  readonly runtime: Runtime;
  /** Bound listeners and those that serve redirected connections. */
  listeners(): readonly ActiveListener[];
  clusters(): readonly ClusterState[];
  /** The bound address of a listener; undefined while it is not bound. */
  addressOf(listenerName: string): SocketAddress | undefined;
  /** From now on answers end their connections; new connections are still served. */
  drain(): void;
  /** Connections of all listeners, drained ones included. */
  readonly connectionCount: number;
  /** Stops everything at once. */
  close(): Promise<void>;
};

/** Creates a data plane with nothing configured. The caller closes it. */
export function createProxy(options: ProxyOptions = {}): Proxy {
  const clock = options.clock ?? systemClock;
  const transport = options.transport ?? createHostTransport();
  const logger = options.logger ?? silentLogger;
  const random = options.random ?? Math.random;
  const timeouts = createTimeouts(clock);
  const secret = (key: string) => runtime.secrets.get(key);
  const clusters = createClusterRegistry({ transport, clock, timeouts, random, resolve: options.resolve ?? resolveByHost, logger, secret });
  const listeners = new Map<string, ActiveListener>();
  const retired = new Set<ActiveListener>();
  let runtime: Runtime = EMPTY_RUNTIME;
  let closed = false;
  const proxy: ProxyContext = {
    clock,
    timeouts,
    random,
    newRequestId: options.newRequestId ?? randomUUID,
    node: options.node ?? { id: '', cluster: '', metadata: {} },
    clusters,
    runtime: () => runtime,
    logger,
  };
  const services: ListenerServices = {
    proxy,
    observer: options.observer ?? silentObserver,
    originalDestination: (socket) => transport.originalDestination(socket),
    listenerFor: (address) => findListener(listeners, address),
  };
  const retire = (listener: ActiveListener, why: 'removed' | 'replaced') => {
    for (const old of retired) if (old.connectionCount === 0) retired.delete(old);
    retired.add(listener);
    listener.drain();
    // A byte stream has no end to wait for: a change of rules does not cut it, only the removal of its listener does.
    const end = () => {
      if (why === 'replaced') return listener.destroyConnections('http');
      for (const old of retired) if (old.runtime.name === listener.runtime.name) old.destroyConnections('all');
    };
    clock.after(options.drainMs ?? 45_000, end, { background: true });
  };
  const replace = async (next: ListenerRuntime) => {
    const old = listeners.get(next.name);
    const fresh = new ActiveListener(next, services);
    if (old && next.bindToPort && sameAddresses(old.runtime, next)) {
      // The port stays open: new connections go to the new configuration from here on.
      fresh.sockets = old.sockets;
      old.sockets = [];
    } else {
      await old?.stopAccepting();
      if (next.bindToPort) fresh.sockets = await bind(transport, next, (socket) => listeners.get(next.name)?.accept(socket));
    }
    listeners.set(next.name, fresh);
    if (old) retire(old, 'replaced');
  };
  const applyListeners = async (next: Runtime) => {
    const errors: unknown[] = [];
    for (const [name, listener] of [...listeners]) {
      if (next.listeners.has(name)) continue;
      listeners.delete(name);
      await listener.stopAccepting();
      retire(listener, 'removed');
    }
    for (const listener of next.listeners.values()) {
      if (listeners.get(listener.name)?.runtime === listener) continue;
      await replace(listener).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, errors.map(messageOf).join('; '));
  };
  let applying: Promise<void> = Promise.resolve();
  return {
    apply(next) {
      const run = async () => {
        if (closed) return;
        clusters.apply(next);
        runtime = next;
        await applyListeners(next);
      };
      const result = applying.then(run);
      applying = result.catch(() => {});
      return result;
    },
    get runtime() {
      return runtime;
    },
    listeners: () => [...listeners.values()],
    clusters: () => clusters.list(),
    addressOf: (name) => listeners.get(name)?.sockets[0]?.address,
    drain() {
      for (const listener of listeners.values()) listener.drain();
    },
    get connectionCount() {
      return [...listeners.values(), ...retired].reduce((sum, listener) => sum + listener.connectionCount, 0);
    },
    async close() {
      closed = true;
      await applying;
      for (const listener of [...listeners.values(), ...retired]) {
        await listener.stopAccepting();
        listener.destroyConnections('all');
      }
      clusters.close();
      timeouts.close();
    },
  };
}

function sameAddresses(a: ListenerRuntime, b: ListenerRuntime): boolean {
  const key = (listener: ListenerRuntime) =>
    `${listener.bindToPort} ${listener.addresses.map(({ host, port }) => `${host}:${port}`).join()}`;
  return key(a) === key(b);
}

async function bind(
  transport: Transport,
  { addresses, name, backlog, reusePort }: ListenerRuntime,
  accept: Parameters<Transport['listen']>[1],
) {
  const bound: Awaited<ReturnType<Transport['listen']>>[] = [];
  try {
    for (const { host, port } of addresses) bound.push(await transport.listen({ host, port, backlog, reusePort }, accept));
    return bound;
  } catch (error) {
    await Promise.all(bound.map((one) => one.close()));
    throw new CodedError({ code: 'LAT6002', what: `listener ${name} cannot be bound`, why: messageOf(error), cause: error });
  }
}

/** The most specific listener: the same address, else any address with the same port. */
function findListener(listeners: ReadonlyMap<string, ActiveListener>, { host, port }: SocketAddress): ActiveListener | undefined {
  let wildcard: ActiveListener | undefined;
  for (const listener of listeners.values()) {
    for (const address of listener.runtime.addresses) {
      if (address.port !== port) continue;
      if (address.host === host) return listener;
      if (address.host === '0.0.0.0' || address.host === '::') wildcard = listener;
    }
  }
  return wildcard;
}

const resolveByHost: Resolver = async (name, family) => {
  const found = await lookup(name, { all: true, family: family === 'v4' ? 4 : family === 'v6' ? 6 : 0 });
  return { addresses: found.map((one) => one.address), ttlMs: 0 };
};
