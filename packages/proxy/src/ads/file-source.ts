// Subscriptions to files: what a file must have in it, and when it is read again.

import type { Any } from '@bufbuild/protobuf/wkt';
import { type Clock, fail, type Logger, messageOf, ok, type Result } from '@lateen/base';
import type { ResourceUpdate } from '@lateen/xds/client';
import { readDiscoveryFile } from './discovery-file.ts';
import { type ResourceKind, resourceNameOf, TYPE_URLS } from './live-config.ts';
import type { SourceCounters } from './source-counts.ts';
import { createMoveWatcher, type MoveWatch } from './watch-moves.ts';

/** One file for one resource (`resourceName`), or for all clusters or listeners. */
export type FileSubscription = MoveWatch & {
  readonly kind: ResourceKind;
  /** Of the resource in updates; empty for clusters and listeners. */
  readonly key: string;
  readonly resourceName: string;
};

export type FileSourceOptions = {
  /** Takes an update into force, or gives every reason against it. */
  update(update: ResourceUpdate): Promise<Result<void, readonly string[]>>;
  /** Clusters or listeners in force that are not static. */
  dynamicNames(kind: ResourceKind): readonly string[];
  /** The file has nothing, or nothing that can be used: nobody is to wait for it. */
  giveUp(subscription: FileSubscription): void;
  counters: SourceCounters;
  clock: Clock;
  logger: Logger;
};

export type FileSource = {
  /** Reads what is new, and from now on what is moved into place. */
  follow(subscriptions: readonly FileSubscription[]): void;
  close(): void;
};

export function createFileSource(options: FileSourceOptions): FileSource {
  const { counters, logger } = options;
  let byId = new Map<string, FileSubscription>();

  const load = async (subscription: FileSubscription): Promise<void> => {
    const { kind, key, path } = subscription;
    const response = readDiscoveryFile(path);
    if (!response.ok) {
      counters.count(kind, key, 'failure');
      logger.warn('a configuration file cannot be read, what it said before stays', { path, reason: response.error });
      return options.giveUp(subscription);
    }
    const { resources, versionInfo } = response.value;
    if (resources.length === 0 && key !== '') {
      counters.count(kind, key, 'empty');
      logger.warn('a configuration file lacks the resource', { path, resource: subscription.resourceName });
      return options.giveUp(subscription);
    }
    const update = updateOf(resources, versionInfo, subscription);
    const verdict = 'reasons' in update ? ({ ok: false, error: update.reasons } as const) : await options.update(withRemoved(update, kind));
    counters.count(kind, key, verdict.ok ? 'success' : 'rejected');
    if (verdict.ok) return;
    logger.warn('a configuration file was refused, what it said before stays', { path, version: versionInfo, reasons: verdict.error });
    options.giveUp(subscription);
  };
  const withRemoved = (update: ResourceUpdate, kind: ResourceKind): ResourceUpdate => {
    if (kind !== 'cluster' && kind !== 'listener') return update;
    return { ...update, removed: options.dynamicNames(kind).filter((name) => !update.changed.has(name)) };
  };
  const watcher = createMoveWatcher({
    clock: options.clock,
    onMove(id) {
      const subscription = byId.get(id);
      if (subscription) void load(subscription);
    },
    onError: (directory, error) => logger.error('configuration files are not watched', { directory, reason: messageOf(error) }),
  });

  return {
    follow(subscriptions) {
      const before = byId;
      byId = new Map(subscriptions.map((one) => [`${one.kind} ${one.key}`, one]));
      watcher.follow(byId);
      for (const [id, subscription] of byId) if (!before.has(id)) void load(subscription);
    },
    close() {
      byId = new Map();
      watcher.close();
    },
  };
}

/** What Envoy demands of the file as well: one resource of the right name and type, or all clusters or listeners, each once. */
function updateOf(
  resources: readonly Any[],
  version: string,
  { kind, key, resourceName }: FileSubscription,
): ResourceUpdate | { reasons: readonly string[] } {
  const typeUrl = TYPE_URLS[kind];
  const reasons: string[] = [];
  const changed = new Map<string, { resource: Any; version: string }>();
  if (key !== '' && resources.length > 1)
    reasons.push(`${resources.length} resources where only ${JSON.stringify(resourceName)} is expected`);
  for (const [i, resource] of resources.entries()) {
    const at = `resources[${i}]`;
    if (resource.typeUrl !== typeUrl) {
      reasons.push(`${at}: type ${resource.typeUrl} where ${typeUrl} is expected`);
      continue;
    }
    const name = nameOf(resource);
    if (!name.ok) {
      reasons.push(`${at}: ${name.error}`);
      continue;
    }
    if (key !== '' && name.value !== resourceName)
      reasons.push(`${at}: ${JSON.stringify(name.value)} where ${JSON.stringify(resourceName)} is expected`);
    if (key === '' && changed.has(name.value)) reasons.push(`${at}: ${kind} ${JSON.stringify(name.value)} is there twice`);
    changed.set(key || name.value, { resource, version });
  }
  return reasons.length > 0 ? { reasons } : { typeUrl, version, changed, removed: [] };
}

/** Binary files may hold anything. */
function nameOf(resource: Any): Result<string> {
  try {
    return ok(resourceNameOf(resource));
  } catch (error) {
    return fail(messageOf(error));
  }
}
