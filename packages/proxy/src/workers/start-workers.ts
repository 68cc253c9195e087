// From a running proxy to the setup of its workers.

import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { Clock, Logger, LogLevel } from '@lateen/base';
import type { ResourceUpdate } from '@lateen/xds/client';
import { BootstrapSchema } from '@lateen/xds/messages/admin';
import { SecretSchema } from '@lateen/xds/messages/proxy';
import type { BootstrapSettings } from '../ads/bootstrap.ts';
import { type LiveConfig, SECRET_TYPE_URL, TYPE_URLS } from '../ads/live-config.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import { allocateSharedCounts, SharedCounts } from './shared-counts.ts';
import { startWorkerPool, type WorkerPool } from './worker-pool.ts';

export { createSharedBreakers } from './shared-breaker.ts';

export type StartWorkersOptions = {
  readonly bootstrap: BootstrapSettings;
  /** Serves already: its ports are known. */
  readonly proxy: DataPlane;
  readonly config: LiveConfig;
  /** Threads in all, the main one included. */
  readonly concurrency: number;
  /** Of circuit breakers; the main thread counts in them already. */
  readonly counts: SharedCounts;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly appendLog: (path: string, text: string) => void;
};

/** What the circuit breakers of so many threads count in, as the main thread sees it. */
export const createSharedCounts = (threads: number): SharedCounts => new SharedCounts(allocateSharedCounts(threads), 0);

/** The caller closes the pool. @throws CodedError LAT4010 */
export function startWorkers({ bootstrap, proxy, config, counts, ...options }: StartWorkersOptions): Promise<WorkerPool> {
  const { concurrency, logLevel, drainMs, environment } = options;
  return startWorkerPool({
    size: concurrency - 1,
    setup: {
      bootstrap: encodeBootstrap(bootstrap, proxy),
      fed: (['cluster', 'listener'] as const).filter((kind) => bootstrap.sources[kind]),
      logLevel,
      drainMs,
      concurrency,
      sharedCounts: counts.memory,
      environment: { ...environment },
    },
    counts,
    clock: options.clock,
    logger: options.logger,
    appendLog: options.appendLog,
    currentUpdates: () => currentUpdates(config),
  });
}

function encodeBootstrap({ message, clusters, listeners, secrets = [] }: BootstrapSettings, proxy: DataPlane): Uint8Array {
  const { admin: _admin, dynamicResources: _dynamic, statsSinks: _sinks, $typeName: _type, ...rest } = create(BootstrapSchema, message);
  const bound = listeners.map((listener) => {
    const target = listener.address?.address;
    const port = proxy.addressOf(listener.name)?.port;
    if (target?.case !== 'socketAddress' || port === undefined) return listener;
    const value = { ...target.value, portSpecifier: { case: 'portValue' as const, value: port } };
    return { ...listener, address: { ...listener.address, address: { case: 'socketAddress' as const, value } } };
  });
  const staticResources = { clusters: [...clusters], listeners: bound, secrets: [...secrets] };
  return toBinary(
    BootstrapSchema,
    create(BootstrapSchema, { ...rest, staticResources } as Parameters<typeof create<typeof BootstrapSchema>>[1]),
  );
}

/** What is not static and in force or warming, in the order in which it can be applied; and what nobody is to wait for. */
function currentUpdates(config: LiveConfig): ResourceUpdate[] {
  const updates = (['cluster', 'endpoints', 'listener', 'route'] as const).map((kind): ResourceUpdate => {
    const typeUrl = TYPE_URLS[kind];
    const changed = new Map(
      config.entries(kind).flatMap(({ entry: { name, version, bytes, isStatic } }) => {
        return isStatic ? [] : [[name, { resource: create(AnySchema, { typeUrl, value: bytes }), version }] as const];
      }),
    );
    const removed =
      kind === 'endpoints' || kind === 'route'
        ? [...config.references(kind).keys()].filter((key) => !changed.has(key) && !config.isWaitedFor(kind, key))
        : [];
    return { typeUrl, version: '', changed, removed };
  });
  return [sentSecrets(config), ...updates].filter(({ changed, removed }) => changed.size > 0 || removed.length > 0);
}

function sentSecrets(config: LiveConfig): ResourceUpdate {
  const changed = [...config.secrets.entries.values()].flatMap(({ name, message, version }) => {
    if (!message) return [];
    const resource = create(AnySchema, { typeUrl: SECRET_TYPE_URL, value: toBinary(SecretSchema, message) });
    return [[name, { resource, version }] as const];
  });
  return { typeUrl: SECRET_TYPE_URL, version: '', changed: new Map(changed), removed: [] };
}
