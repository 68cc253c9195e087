// Configuration from elsewhere than ADS: files, and gRPC streams for one type of resource. It follows what clusters and listeners
// name; everything it finds goes the way of ADS updates.

import { existsSync, statSync } from 'node:fs';
import type { Clock, Logger, Result, Timer } from '@lateen/base';
import { type AdsClient, type AdsClientOptions, createAdsClient, type ResourceUpdate } from '@lateen/xds/client';
import { resourceKey } from '../runtime/compile/config-source.ts';
import type { ConfigSourceRuntime } from '../runtime/index.ts';
import type { DynamicSources } from './bootstrap.ts';
import { createFileSource, type FileSubscription } from './file-source.ts';
import { type LiveConfig, type ResourceKind, resourceNameOf, TYPE_URLS } from './live-config.ts';
import type { SourceCounters } from './source-counts.ts';

/** A server of xDS: a static cluster. */
export type XdsTarget = Pick<AdsClientOptions, 'address' | 'credentials'>;

export type ConfigSourcesOptions = {
  config: LiveConfig;
  /** Of clusters and listeners. */
  sources: DynamicSources;
  /** Takes an update into force in every thread, or gives every reason against it. */
  update: LiveConfig['update'];
  /** How it went to put the configuration into force: listeners may find their ports taken. */
  applied: () => Promise<Result<void, readonly string[]>>;
  counters: SourceCounters;
  targetOf(clusterName: string): XdsTarget | undefined;
  node: AdsClientOptions['node'];
  clock: Clock;
  logger: Logger;
  random?: () => number;
};

export type ConfigSources = {
  /** To be called after every update of clusters or listeners; the first call starts. */
  follow(): void;
  close(): void;
};

type GrpcSource = Extract<ConfigSourceRuntime, { kind: 'grpc' }>;
type Stream = { kind: ResourceKind; source: GrpcSource; names: '*' | Set<string> };
const SERVICES = { cluster: 'clusters', endpoints: 'endpoints', listener: 'listeners', route: 'routes' } as const;

/** Starts nothing until `follow`. */
export function createConfigSources(options: ConfigSourcesOptions): ConfigSources {
  const { config, counters, clock, logger } = options;
  const streams = new Map<string, AdsClient>();
  const timers = new Map<'cluster' | 'listener', Timer>();
  let isClosed = false;
  let isFollowing = false;
  let isStale = false;

  const take = async (update: ResourceUpdate) => {
    const verdict = options.update(update);
    return verdict.ok && update.typeUrl === TYPE_URLS.listener ? options.applied() : verdict;
  };
  const giveUp = (kind: ResourceKind, key: string) => {
    if (isClosed) return;
    if (kind === 'cluster' || kind === 'listener') config.giveUpFirst(kind);
    // In every thread: what was never there is told to be gone.
    else if (config.isWaitedFor(kind, key)) options.update({ typeUrl: TYPE_URLS[kind], version: '', changed: new Map(), removed: [key] });
    follow();
  };
  const files = createFileSource({
    update: take,
    dynamicNames: (kind) => config.entries(kind).flatMap(({ entry }) => (entry.isStatic ? [] : [entry.name])),
    giveUp: ({ kind, key }) => giveUp(kind, key),
    counters,
    clock,
    logger,
  });

  const openStream = ({ kind, source }: Stream): AdsClient | undefined => {
    const target = options.targetOf(source.clusterName);
    if (!target) return void logger.error('configuration is asked of a cluster that is not static', { cluster: source.clusterName });
    const isFullState = kind === 'cluster' || kind === 'listener';
    const keyOf = (name: string) => (isFullState ? name : resourceKey(source, name));
    return createAdsClient({
      ...target,
      service: SERVICES[kind],
      protocol: source.protocol,
      node: options.node,
      types: [{ typeUrl: TYPE_URLS[kind], isFullState, nameOf: resourceNameOf }],
      async onUpdate(received) {
        const changed = new Map([...received.changed].map(([name, value]) => [keyOf(name), value]));
        const verdict = await take({ ...received, changed, removed: received.removed.map(keyOf) });
        const keys = isFullState ? [''] : [...changed.keys()];
        for (const key of keys) {
          counters.count(kind, key, verdict.ok ? 'success' : 'rejected');
          if (!verdict.ok) giveUp(kind, key);
        }
        return verdict;
      },
      clock,
      logger,
      ...(options.random && { random: options.random }),
    });
  };

  const followStreams = (wanted: readonly Stream[]) => {
    const next = new Map<string, Stream>();
    for (const one of wanted) {
      const key = `${one.kind} ${one.source.clusterName} ${one.source.protocol}`;
      const known = next.get(key)?.names;
      if (known instanceof Set && one.names !== '*') for (const name of one.names) known.add(name);
      else next.set(key, one);
    }
    for (const [key, client] of streams) {
      if (next.has(key)) continue;
      client.close();
      streams.delete(key);
    }
    for (const [key, stream] of next) {
      const client = streams.get(key) ?? openStream(stream);
      if (!client) continue;
      streams.set(key, client);
      client.subscribe(TYPE_URLS[stream.kind], stream.names);
    }
  };

  const followFirst = (kind: 'cluster' | 'listener', source: ConfigSourceRuntime) => {
    if (source.kind === 'path' || source.initialFetchTimeoutMs <= 0) return;
    if (config.hasReceived(kind)) timers.get(kind)?.cancel();
    else if (!timers.has(kind)) {
      const timedOut = () => {
        counters.countTimeout(kind, '');
        giveUp(kind, '');
      };
      timers.set(kind, clock.after(source.initialFetchTimeoutMs, timedOut, { background: true }));
    }
  };

  const followOnce = () => {
    const fromFiles: FileSubscription[] = [];
    const fromStreams: Stream[] = [];
    const add = (kind: ResourceKind, source: ConfigSourceRuntime, { key, resourceName }: { key: string; resourceName: string }) => {
      if (source.kind === 'path') fromFiles.push({ ...source, kind, key, resourceName });
      if (source.kind === 'grpc') fromStreams.push({ kind, source, names: key === '' ? '*' : new Set([resourceName]) });
    };
    for (const kind of ['cluster', 'listener'] as const) {
      const source = options.sources[kind];
      // As in Envoy, listeners come once it is known which clusters there are.
      if (!source || (kind === 'listener' && !config.hasReceived('cluster'))) continue;
      add(kind, source, { key: '', resourceName: '' });
      followFirst(kind, source);
    }
    for (const kind of ['endpoints', 'route'] as const) {
      for (const one of config.references(kind).values()) add(kind, one.source, one);
    }
    followStreams(fromStreams);
    files.follow(fromFiles);
  };
  function follow(): void {
    isStale = true;
    // What a file says takes effect within the call, and calls again.
    if (isFollowing) return;
    isFollowing = true;
    try {
      while (isStale && !isClosed) {
        isStale = false;
        followOnce();
      }
    } finally {
      isFollowing = false;
    }
  }

  return {
    follow,
    close() {
      isClosed = true;
      files.close();
      for (const client of streams.values()) client.close();
      for (const timer of timers.values()) timer.cancel();
    },
  };
}

/** Why nothing can come from a source; undefined: something may. */
export function problemOfSource(source: ConfigSourceRuntime, targetOf: ConfigSourcesOptions['targetOf']): string | undefined {
  if (source.kind === 'grpc' && !targetOf(source.clusterName)) {
    return `api_config_source: ${JSON.stringify(source.clusterName)} is not a static cluster with a plaintext endpoint`;
  }
  if (source.kind !== 'path') return undefined;
  if (!existsSync(source.path)) return `paths must refer to an existing path in the system: '${source.path}' does not exist`;
  const { watchedDirectory: directory } = source;
  if (directory && !statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    return `watched_directory: '${directory}' is not a directory`;
  return undefined;
}
