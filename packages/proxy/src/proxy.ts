// The data plane, assembled: listeners in front, clusters behind, one immutable runtime between them.

import { type Clock, type Logger, messageOf, type SocketAddress, silentLogger, systemClock, type Transport } from '@lateen/base';
import type { NodeIdentity, ProxyContext } from './http/context.ts';
import { type ProxyObserver, silentObserver } from './http/observer.ts';
import { createRequestIds } from './http/request-id.ts';
import { createHostTransport } from './io/host-transport.ts';
import { handlesAreUsable } from './io/tcp-handle.ts';
import { createTimeouts } from './io/timer-wheel.ts';
import { clockPerTurn } from './io/turn-clock.ts';
import type { ActiveListener } from './listener/active-listener.ts';
import { Counters } from './listener/counters.ts';
import { ListenerSet } from './listener/listener-set.ts';
import { createOverload, NEVER_OVERLOADED, type Overload, type OverloadOptions } from './overload/overload.ts';
import { EMPTY_RUNTIME, type Runtime, type RuntimeKeys } from './runtime/model.ts';
import { type ClusterCounts, createClusterRegistry } from './upstream/cluster-registry.ts';
import type { ClusterState, Resolver, UpstreamContext } from './upstream/cluster-state.ts';
import { createResolver } from './upstream/resolve-names.ts';

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
  /** Default: by `nameServers`. */
  resolve?: Resolver;
  /** "ip:port". Default: the system's. */
  nameServers?: readonly string[];
  /** Where this proxy runs and which cluster its peers are in: for zone-aware balancing. */
  local?: UpstreamContext['local'];
  /** For the event logs of health checks and outlier detection. Default: none is written. */
  openLog?: UpstreamContext['openLog'];
  outlierLogPath?: UpstreamContext['outlierLogPath'];
  /** Default: each cluster counts for itself. */
  createBreaker?: UpstreamContext['createBreaker'];
  /** How long the HTTP connections of a replaced listener, and all those of a removed one, may take to end. Default 45 s (Istio's drain time). */
  drainMs?: number;
  /** When to take load off. Default: never. */
  overload?: Omit<OverloadOptions, 'clock' | 'logger' | 'targets'>;
  /** How many connections a listener may have. Default unlimited. */
  connectionLimit?: (listenerName: string) => number;
  /** What operators say about shares and weights while the proxy runs. Default: nothing. */
  runtimeKeys?: RuntimeKeys;
};

/** Istio's. */
export const DEFAULT_DRAIN_MS = 45_000;

export type Proxy = {
  /**
   * Makes `runtime` live: clusters at once or when they are warm, then listeners whose identity changed (with `afterClusters` once no
   * cluster is warming). Rejects with a CodedError when an address cannot be bound; everything else is live then.
   */
  apply(runtime: Runtime, options?: { afterClusters?: boolean }): Promise<void>;
  readonly runtime: Runtime;
  /** Bound listeners and those that serve redirected connections. */
  listeners(): readonly ActiveListener[];
  readonly listenerSet: ListenerSet;
  /** From now on answers end their connections; new connections are still served. */
  drain(): void;
  /** Connections of all listeners, drained ones included. */
  readonly connectionCount: number;
  /** Of filters. */
  readonly counters: Counters;
  clusters(): readonly ClusterState[];
  readonly clusterCounts: ClusterCounts;
  /** Configurations of clusters that do not serve yet; their predecessors do. */
  warmingClusters(): readonly ClusterState[];
  /** The bound address of a listener; undefined while it is not bound. */
  addressOf(listenerName: string): SocketAddress | undefined;
  /** Undefined: load is never taken off. */
  readonly overload: Overload | undefined;
  readonly isFailingHealthChecks: boolean;
  /** From now on health checks fail (or no longer), and answers of listeners that drain at such times end their connections. */
  setFailingHealthChecks(failing: boolean): void;
  /** Stops everything at once. */
  close(): Promise<void>;
};

/** Creates a data plane with nothing configured. The caller closes it. */
export function createProxy(options: ProxyOptions = {}): Proxy {
  // Tested before traffic comes: an HTTP/2 connection that began without a handle has none as long as it lives.
  handlesAreUsable();
  const clock = clockPerTurn(options.clock ?? systemClock);
  const transport = options.transport ?? createHostTransport();
  const logger = options.logger ?? silentLogger;
  const random = options.random ?? Math.random;
  const timeouts = createTimeouts(clock);
  const secret = (key: string) => runtime.secrets.get(key);
  const clusters = createClusterRegistry({
    transport,
    clock,
    timeouts,
    random,
    resolve: options.resolve ?? createResolver(options.nameServers),
    logger,
    secret,
    createBreaker: options.createBreaker,
    openLog: options.openLog,
    outlierLogPath: options.outlierLogPath,
    runtimeKeys: options.runtimeKeys,
    local: options.local,
  });
  let runtime: Runtime = EMPTY_RUNTIME;
  let closed = false;
  let isFailingHealthChecks = false;
  const overload =
    options.overload &&
    createOverload({
      clock,
      logger,
      ...options.overload,
      targets: {
        closeIdle: (shorten) => listeners.closeIdle(shorten),
        resetBiggest: (fromBytes, limit) => listeners.resetBiggest(fromBytes, limit),
      },
    });
  const proxy: ProxyContext = {
    clock,
    timeouts,
    random,
    newRequestId: options.newRequestId ?? createRequestIds(),
    node: options.node ?? { id: '', cluster: '', metadata: {} },
    clusters,
    runtime: () => runtime,
    logger,
    overload: overload ?? NEVER_OVERLOADED,
    isFailingHealthChecks: () => isFailingHealthChecks,
    runtimeKeys: options.runtimeKeys,
  };
  const counters = new Counters();
  const total = { active: 0 };
  const listeners = new ListenerSet({
    transport,
    clock,
    drainMs: options.drainMs ?? DEFAULT_DRAIN_MS,
    services: {
      proxy,
      observer: options.observer ?? silentObserver,
      counters,
      buckets: new Map(),
      total,
      originalDestination: (socket) => transport.originalDestination(socket),
      connectionLimit: options.connectionLimit ?? (() => Number.POSITIVE_INFINITY),
    },
  });
  let applying: Promise<void> = Promise.resolve();
  const closing = Promise.withResolvers<void>();
  return {
    apply(next, { afterClusters = false } = {}) {
      // Endpoints reach the clusters while listeners wait for these.
      if (!closed) {
        clusters.apply(next);
        runtime = next;
      }
      const run = async () => {
        if (afterClusters && next.listeners.size > 0) await Promise.race([clusters.warmed(), closing.promise]);
        if (closed) return;
        const errors = await listeners.apply(next.listeners);
        if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, errors.map(messageOf).join('; '));
      };
      const result = applying.then(run);
      applying = result.catch(() => {});
      return result;
    },
    get runtime() {
      return runtime;
    },
    get overload() {
      return overload;
    },
    get isFailingHealthChecks() {
      return isFailingHealthChecks;
    },
    listeners: () => listeners.list(),
    listenerSet: listeners,
    drain: () => listeners.startDrain(() => true),
    get connectionCount() {
      return listeners.connectionCount;
    },
    counters,
    clusters: () => clusters.list(),
    clusterCounts: clusters.counts,
    warmingClusters: () => clusters.warming(),
    addressOf: (name) => listeners.get(name)?.sockets[0]?.address,
    setFailingHealthChecks(failing) {
      isFailingHealthChecks = failing;
    },
    async close() {
      closed = true;
      closing.resolve();
      await applying;
      overload?.close();
      await listeners.close();
      clusters.close();
      timeouts.close();
    },
  };
}
