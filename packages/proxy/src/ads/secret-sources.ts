// Secrets from elsewhere than ADS: streams to SDS servers (Istio's agent on its socket), files with secrets in them, files that
// secrets name. It follows what the configuration names.

import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Clock, type Logger, messageOf, type Timer } from '@lateen/base';
import { type AdsClient, type AdsClientOptions, createAdsClient } from '@lateen/xds/client';
import { SecretSchema } from '@lateen/xds/messages/proxy';
import type { SecretSource } from '../runtime/index.ts';
import { readDiscoveryFile } from './discovery-file.ts';
import { type LiveConfig, resourceNameOf, SECRET_TYPE_URL } from './live-config.ts';
import type { NamedSecret } from './secret-table.ts';
import { createFileWatcher } from './watch-files.ts';

export type SecretSourcesOptions = {
  config: LiveConfig;
  node: AdsClientOptions['node'];
  /** Where the SDS server of this cluster is ("127.0.0.1:1", "unix:/path"); undefined when there is no such static cluster. */
  addressOf(clusterName: string): string | undefined;
  clock: Clock;
  logger: Logger;
  random?: () => number;
};

export type SecretSources = {
  /** To be called after every change of the configuration. */
  follow(): void;
  close(): void;
};

type GrpcSource = Extract<SecretSource, { kind: 'grpc' }>;

/** Starts nothing until `follow`. */
export function createSecretSources(options: SecretSourcesOptions): SecretSources {
  const { config, clock, logger } = options;
  const clients = new Map<string, AdsClient>();
  const timers = new Map<string, Timer>();
  const loaded = new Set<string>();
  let named: ReadonlyMap<string, NamedSecret> = new Map();
  let isClosed = false;
  let isFollowing = false;

  const loadPath = (path: string) => {
    const wanted = [...named.values()].filter(({ source }) => source.kind === 'path' && source.path === path);
    const result = readSecretFile(path, new Set(wanted.map(({ name }) => name)));
    if (!('changed' in result)) return logger.warn('secrets cannot be read', { path, reason: result.error });
    const verdict = config.updateSecrets({ changed: result.changed, removed: [] }, (name) => `path:${path}:${name}`);
    if (!verdict.ok) logger.warn('secrets refused', { path, reasons: verdict.error });
  };
  const watcher = createFileWatcher(clock, (id) => {
    if (isClosed) return;
    if (id.startsWith(PATH)) return loadPath(id.slice(PATH.length));
    const verdict = config.rereadSecret(id);
    if (!verdict.ok) logger.warn('secret refused, the one before stays', { secret: id, reason: verdict.error });
  });

  const followStream = (key: string, source: GrpcSource, names: ReadonlySet<string>) => {
    let client = clients.get(key);
    if (!client) {
      const address = options.addressOf(source.clusterName);
      if (address === undefined)
        return logger.warn('secrets are asked of what is not a static cluster with a plaintext endpoint', { cluster: source.clusterName });
      client = createAdsClient({
        service: 'secrets',
        address,
        protocol: source.protocol,
        node: options.node,
        types: [{ typeUrl: SECRET_TYPE_URL, isFullState: false, nameOf: resourceNameOf }],
        onUpdate: (update) => config.updateSecrets(update, (name) => `grpc:${source.clusterName}:${name}`),
        clock,
        logger,
        ...(options.random && { random: options.random }),
      });
      clients.set(key, client);
    }
    client.subscribe(SECRET_TYPE_URL, names);
  };

  const followStreams = () => {
    const streams = new Map<string, { source: GrpcSource; names: Set<string> }>();
    for (const { name, source } of named.values()) {
      if (source.kind !== 'grpc') continue;
      const key = `${source.clusterName} ${source.protocol}`;
      const stream = streams.get(key) ?? { source, names: new Set() };
      streams.set(key, stream);
      stream.names.add(name);
    }
    for (const [key, client] of clients) {
      if (streams.has(key)) continue;
      client.close();
      clients.delete(key);
    }
    for (const [key, { source, names }] of streams) followStream(key, source, names);
  };

  const followFiles = () => {
    const watches = new Map<string, { files: readonly string[]; directories: readonly string[] }>();
    for (const { key, plan } of config.secrets.entries.values()) {
      if (plan.files.length > 0) watches.set(key, { files: plan.files, directories: plan.watchedDirectories });
    }
    for (const { key, source } of named.values()) {
      if (source.kind !== 'path') continue;
      watches.set(PATH + source.path, { files: [source.path], directories: source.watchedDirectory ? [source.watchedDirectory] : [] });
      if (loaded.has(key)) continue;
      loaded.add(key);
      loadPath(source.path);
    }
    for (const key of loaded) if (!named.has(key)) loaded.delete(key);
    watcher.follow(watches);
  };

  const followTimeouts = () => {
    for (const [key, timer] of timers) {
      if (named.has(key) && !config.secrets.entries.has(key)) continue;
      timer.cancel();
      timers.delete(key);
    }
    for (const { key, source } of named.values()) {
      if (timers.has(key) || config.secrets.entries.has(key)) continue;
      const timeoutMs = 'initialFetchTimeoutMs' in source ? source.initialFetchTimeoutMs : DEFAULT_TIMEOUT_MS;
      if (timeoutMs > 0)
        timers.set(
          key,
          clock.after(timeoutMs, () => config.giveUpSecret(key), { background: true }),
        );
    }
  };

  return {
    follow() {
      // What is loaded here changes the configuration, which calls again.
      if (isClosed || isFollowing) return;
      isFollowing = true;
      named = config.namedSecrets();
      followStreams();
      followFiles();
      followTimeouts();
      isFollowing = false;
    },
    close() {
      isClosed = true;
      for (const client of clients.values()) client.close();
      for (const timer of timers.values()) timer.cancel();
      watcher.close();
    },
  };
}

const PATH = 'path:';
const DEFAULT_TIMEOUT_MS = 15_000;

type SecretFile = { changed: Parameters<LiveConfig['updateSecrets']>[0]['changed'] } | { error: string };

/** The wanted secrets of a file: a DiscoveryResponse in JSON or YAML. */
function readSecretFile(path: string, wanted: ReadonlySet<string>): SecretFile {
  const response = readDiscoveryFile(path);
  if (!response.ok) return { error: response.error };
  try {
    const found = response.value.resources.flatMap((resource) => {
      const name = anyUnpack(resource, SecretSchema)?.name;
      return name !== undefined && wanted.has(name) ? [[name, { resource, version: response.value.versionInfo }] as const] : [];
    });
    return { changed: new Map(found) };
  } catch (error) {
    return { error: messageOf(error) };
  }
}
