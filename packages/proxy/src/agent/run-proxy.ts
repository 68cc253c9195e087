// The data plane alone, from an Envoy-shaped bootstrap: static resources, ADS, admin interface.

import {
  type Clock,
  createMetricRegistry,
  fail,
  type Logger,
  type LogLevel,
  messageOf,
  ok,
  type Result,
  type SocketAddress,
  systemClock,
  type Transport,
} from '@lateen/base';
import type { AdsClientOptions } from '@lateen/xds/client';
import { type AdminSource, collectAll, createAdminHandler, type DrainOptions, type ServerState } from '../admin/admin.ts';
import { type Endpoint, serveEndpoint } from '../admin/http-endpoint.ts';
import { sourceStats } from '../admin/source-stats.ts';
import type { BootstrapSettings } from '../ads/bootstrap.ts';
import { problemOfSource } from '../ads/config-sources.ts';
import { checkSources, type DynamicConfig, plaintextAddressOf, startDynamicConfig, targetOf } from '../ads/dynamic-config.ts';
import { createFetchTimeouts } from '../ads/fetch-timeouts.ts';
import { createLiveConfig } from '../ads/live-config.ts';
import { createSecretSources, type SecretSources } from '../ads/secret-sources.ts';
import { createSourceCounters } from '../ads/source-counts.ts';
import { createHostTransport } from '../io/host-transport.ts';
import { createLogSinks } from '../observe/access-log.ts';
import { createObserver } from '../observe/observer.ts';
import { startStatsd } from '../observe/statsd.ts';
import { GLOBAL_LIMIT_KEY, listenerLimitKey } from '../overload/runtime-layers.ts';
import { createProxy, type Proxy as DataPlane, DEFAULT_DRAIN_MS, type ProxyOptions } from '../proxy.ts';
import type { ListenerRuntime } from '../runtime/model.ts';
import { createDataReader } from '../tls/local-data.ts';
import type { Resolver } from '../upstream/cluster-state.ts';
import type { WorkerPool } from '../workers/worker-pool.ts';
import { awaitShutdown, readMaxOpenFiles, type ShutdownPlan } from './shutdown.ts';
import { addStaticResources } from './static-resources.ts';

export type RunProxyOptions = {
  /** From `parseBootstrap`. */
  bootstrap: BootstrapSettings;
  logger: Logger;
  /** Access log text for a path as configured ("/dev/stdout" included). */
  appendLog: (path: string, text: string) => void;
  /** Default: the host's network. */
  transport?: Transport;
  /** Where this process must dial the ADS address. Default: as written in the bootstrap. */
  resolveAddress?: (address: SocketAddress) => SocketAddress;
  /** Default plaintext. */
  adsCredentials?: NonNullable<AdsClientOptions['credentials']>;
  clock?: Clock;
  random?: () => number;
  newRequestId?: () => string;
  resolve?: Resolver;
  /** How long connections of replaced listeners may take to end. Default 45 s. */
  drainMs?: number;
  /** Statistics of clusters and listeners that no connection ever used are left out. Default false, as in Envoy. */
  hidesUnusedStats?: boolean;
  /** What /server_info says. */
  version?: string;
  /**
   * Threads that share the listening ports (SO_REUSEPORT), this one included. Default 1. More need the host's transport. Each has
   * pools, outlier and health state of its own.
   */
  concurrency?: number;
  /** Of the other threads. Default info. */
  logLevel?: LogLevel;
  /** This proxy's part of the connection limits, 0 to 1, when others share them. Default 1. */
  limitShare?: number;
  /** For a thread of several; default: each cluster counts for itself. */
  createBreaker?: ProxyOptions['createBreaker'];
  /** What another thread hands over with `source.config.update`; nothing is asked for here then. Default: nothing. */
  fed?: readonly ('cluster' | 'listener')[];
  /** Variables that secrets of the configuration may name. Default none. */
  environment?: Readonly<Record<string, string | undefined>>;
};

export type RunningProxy = {
  readonly proxy: DataPlane;
  /** What the admin interface shows; the agent serves parts of it on other ports. */
  readonly source: AdminSource;
  readonly adminAddress: SocketAddress | undefined;
  state(): ServerState;
  /** Tells clients to come no more; listeners go on unless asked otherwise. */
  drainListeners(options: DrainOptions): void;
  /** The state becomes DRAINING, answers end their connections, and it resolves when the plan is through or `hurry` aborts. */
  shutDown(plan: ShutdownPlan, hurry?: AbortSignal): Promise<void>;
  /** How it went to put the configuration into force that was accepted last. */
  applied(): Promise<Result<void, readonly string[]>>;
  /** Resolves when somebody asked over the admin interface to quit. */
  readonly quit: Promise<void>;
  close(): Promise<void>;
};

/** Unless the runtime key of the listener says otherwise. */
const DEFAULT_LISTENER_LIMIT = 10_000;

/** Starts and returns once the static clusters are warm, static listeners and the admin interface bound. @throws CodedError with every reason. */
export async function runProxy(options: RunProxyOptions): Promise<RunningProxy> {
  const { bootstrap, logger } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const transport = options.transport ?? createHostTransport();
  const { id = '', cluster = '', metadata = {} } = bootstrap.node ?? {};
  const node = { id, cluster, metadata };
  const registry = createMetricRegistry();
  const sinks = createLogSinks({ append: options.appendLog, clock, logger });
  const { layers } = bootstrap;
  const observer = createObserver({ registry, node, clock, random, sinks, runtime: (key) => layers.number(key) });
  const drainMs = options.drainMs ?? DEFAULT_DRAIN_MS;
  const maxOpenFiles = readMaxOpenFiles();
  const concurrency = options.concurrency ?? 1;
  const limitShare = options.limitShare ?? 1 / concurrency;
  const shareOf = (limit: number) => Math.ceil(limit * limitShare);
  const totalConnections = layers.number(GLOBAL_LIMIT_KEY) ?? bootstrap.overload.maxDownstreamConnections;
  const maxDownstreamConnections = shareOf(totalConnections);
  // Loaded when asked for: most proxies have one thread.
  const threads = concurrency > 1 ? await import('../workers/start-workers.ts') : undefined;
  const counts = threads?.createSharedCounts(concurrency);
  const proxy = createProxy({
    ...options,
    ...(threads && counts && { createBreaker: threads.createSharedBreakers(counts) }),
    transport,
    clock,
    random,
    node,
    observer,
    openLog: (path) => sinks.open(path),
    outlierLogPath: bootstrap.outlierLogPath,
    ...(bootstrap.nameServers && { nameServers: bootstrap.nameServers }),
    ...(bootstrap.localClusterName && { local: { locality: localityOf(bootstrap.node), clusterName: bootstrap.localClusterName } }),
    overload: {
      settings: { ...bootstrap.overload, maxDownstreamConnections },
      ...(maxOpenFiles && { maxOpenFiles: shareOf(maxOpenFiles) }),
    },
    runtimeKeys: layers,
    connectionLimit: (listener) => shareOf(layers.number(listenerLimitKey(listener)) ?? DEFAULT_LISTENER_LIMIT),
  });
  const onRuntimeKeys = () => {
    for (const state of proxy.clusters()) state.onRuntimeKeys();
  };
  if (layers.layers.some(({ isAdmin }) => isAdmin)) layers.onChange = onRuntimeKeys;
  const startedMs = clock.monotonicMs();
  const bootstrapTimeMs = clock.now();
  let dynamic: DynamicConfig | undefined;
  let secretSources: SecretSources | undefined;
  let fetchTimeouts: ReturnType<typeof createFetchTimeouts> | undefined;
  let admin: Endpoint | undefined;
  let workers: WorkerPool | undefined;
  let statsd: { close(): Promise<void> } | undefined;
  let isShuttingDown = false;
  let lastApply: Promise<void> = Promise.resolve();
  // Ready means that the ports of the first whole configuration are bound, not only that it was accepted.
  let hasServed = false;
  /** The static configuration is in force. */
  let hasStarted = false;
  let quit = () => {};
  const quitRequested = new Promise<void>((resolve) => {
    quit = resolve;
  });

  const counters = createSourceCounters(() => clock.now());
  const awaits = options.fed ?? (['cluster', 'listener'] as const).filter((kind) => bootstrap.sources[kind]);
  const config = createLiveConfig({
    now: () => clock.now(),
    awaits,
    problemOfSource: (each) => problemOfSource(each, (clusterName) => targetOf(clusterName, options)),
    trustsClusterNames: options.fed !== undefined,
    readData: createDataReader(options.environment ?? {}),
    warmingClusters: () => proxy.warmingClusters().map(({ runtime }) => runtime),
    onRuntime(runtime) {
      lastApply = proxy.apply(runtime, { afterClusters: !hasServed });
      secretSources?.follow();
      fetchTimeouts?.follow();
      void lastApply
        .catch((error: unknown) => logger.error('configuration is only partly in force', { error: messageOf(error) }))
        .then(() => {
          hasServed ||= config.isInitialized;
        });
    },
  });
  const isDynamic = () =>
    awaits.length > 0 || bootstrap.ads !== undefined || config.references('endpoints').size > 0 || config.references('route').size > 0;
  const state = (): ServerState => {
    if (isShuttingDown || proxy.isFailingHealthChecks) return 'DRAINING';
    if (hasServed || (hasStarted && !isDynamic())) return 'LIVE';
    // As in Envoy, clusters come before everything else.
    const hasClusters = bootstrap.sources.cluster?.kind === 'ads' ? dynamic?.isAdsConnected : hasStarted && config.hasReceived('cluster');
    return hasClusters && proxy.warmingClusters().length === 0 ? 'INITIALIZING' : 'PRE_INITIALIZING';
  };
  const drainListeners = ({ inboundOnly = false, graceful = false, skipExit = false }: DrainOptions) => {
    const isMeant = ({ trafficDirection }: ListenerRuntime) => !inboundOnly || trafficDirection === 'inbound';
    const query = { ...(inboundOnly && { inboundonly: '' }), ...(graceful && { graceful: '' }), ...(skipExit && { skip_exit: '' }) };
    workers?.command('/drain_listeners', new URLSearchParams(query));
    proxy.listenerSet.startDrain(isMeant);
    const stop = () => void proxy.listenerSet.stop(isMeant);
    if (skipExit) return;
    if (graceful) clock.after(drainMs, stop, { background: true });
    else stop();
  };
  const shutDown: RunningProxy['shutDown'] = (plan, hurry) => {
    isShuttingDown = true;
    const connectionCount = async () => {
      await workers?.collect();
      return proxy.connectionCount + (workers?.connectionCount ?? 0);
    };
    return awaitShutdown({ plan, connectionCount, clock, hurry });
  };
  const applied: RunningProxy['applied'] = async () => {
    // The first listeners wait for clusters, whose endpoints come behind this acknowledgement; what cannot be bound is logged.
    if (!hasServed && proxy.warmingClusters().length > 0) return ok(undefined);
    return lastApply.then(
      () => ok(undefined),
      (error: unknown) => fail(error instanceof AggregateError ? error.errors.map(messageOf) : [messageOf(error)]),
    );
  };
  const source: AdminSource = {
    get bootstrap() {
      return bootstrap.message;
    },
    bootstrapTimeMs,
    config,
    proxy,
    observer,
    logger,
    node: bootstrap.node,
    version: options.version ?? 'lateen/dev',
    state,
    now: () => clock.now(),
    uptimeMs: () => clock.monotonicMs() - startedMs,
    isAdsConnected: () => dynamic?.isAdsConnected ?? false,
    adsClusterName: bootstrap.ads?.clusterName ?? '',
    hidesUnusedStats: options.hidesUnusedStats ?? false,
    layers,
    statsSettings: bootstrap.stats,
    sourceStats: () =>
      sourceStats(config, {
        first: (kind) => (bootstrap.sources[kind] ? (dynamic?.counts(kind) ?? counters.of(kind, '')) : undefined),
        counters,
        hidesAds: options.hidesUnusedStats ?? false,
      }),
    staticClusters() {
      const names = new Set(config.entries('cluster').flatMap(({ entry }) => (entry.isStatic ? [entry.name] : [])));
      return proxy.clusters().filter(({ name }) => names.has(name));
    },
    listenerFailures: () => proxy.listenerSet.failures,
    exposeMetrics: () => registry.expose(),
    concurrency,
    collectWorkers: () => workers?.collect() ?? Promise.resolve([]),
    commandWorkers: (path, query) => workers?.command(path, query),
    drainListeners,
    quit: () => quit(),
  };
  const close = async () => {
    dynamic?.close();
    secretSources?.close();
    fetchTimeouts?.close();
    await admin?.close();
    await statsd?.close();
    await workers?.close();
    await proxy.close();
    observer.close();
    sinks.close();
  };

  try {
    checkSources(options);
    addStaticResources(config, bootstrap);
    secretSources = createSecretSources({
      config,
      node: bootstrap.node ?? { id: '' },
      addressOf: (clusterName) => plaintextAddressOf(bootstrap.clusters, clusterName),
      clock,
      random,
      logger: logger.child('sds'),
    });
    secretSources.follow();
    fetchTimeouts = createFetchTimeouts({ config, clock, onTimeout: counters.countTimeout });
    fetchTimeouts.follow();
    if (bootstrap.admin) {
      const [handle, stats] = [createAdminHandler(source), observer.endpoint('admin')];
      admin = await serveEndpoint({ transport, address: bootstrap.admin, logger, handle, stats });
    }
    await lastApply;
    hasStarted = true;
    observer.startup.record(clock.monotonicMs() - startedMs);
    if (threads && counts) {
      const { logLevel = 'info', environment = {} } = options;
      workers = await threads.startWorkers({
        ...options,
        bootstrap,
        proxy,
        config,
        counts,
        concurrency,
        logLevel,
        drainMs,
        environment,
        clock,
      });
    }
    if (bootstrap.statsd.sinks.length > 0) {
      const collect = async () => (await collectAll(source)).stats;
      statsd = await startStatsd({ settings: bootstrap.statsd, tags: bootstrap.stats.tags, transport, clock, collect });
    }
    if (!options.fed) {
      dynamic = startDynamicConfig({
        bootstrap,
        config,
        onAccepted(update) {
          if (!workers) return;
          lastApply = Promise.all([lastApply, workers.update(update)]).then(() => {});
          lastApply.catch((error: unknown) => logger.error('a worker thread refused configuration', { error: messageOf(error) }));
        },
        applied,
        counters,
        resolveAddress: options.resolveAddress,
        adsCredentials: options.adsCredentials,
        clock,
        random,
        logger,
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { proxy, source, adminAddress: admin?.address, state, drainListeners, shutDown, applied, quit: quitRequested, close };
}

const localityOf = (node: BootstrapSettings['node']) => ({
  region: node?.locality?.region ?? '',
  zone: node?.locality?.zone ?? '',
  subZone: node?.locality?.subZone ?? '',
});
