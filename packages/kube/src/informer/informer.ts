// A list-watch store: the current objects of one resource, kept fresh for ever. Whatever goes wrong (connection lost, expired
// resource version, server error, bad data), it tries again; only `close()` ends it.

import { type Backoff, type Clock, createBackoff, delay, jsonEqual, type Logger, messageOf, silentLogger, systemClock } from '@lateen/base';
import type { KubeClient } from '../client/kube-client.ts';
import { isGone, kubeErrorOf } from '../client/kube-error.ts';
import type { KubeObject, ResourceRef } from '../types/index.ts';

/** Handlers see each change once the store has it. What they throw is logged; it cannot stop the informer. */
export type InformerHandlers<T> = {
  onAdd?(object: T): void;
  onUpdate?(object: T, old: T): void;
  onDelete?(object: T): void;
};

export type InformerOptions<T extends KubeObject> = {
  client: KubeClient;
  resource: ResourceRef;
  /** Left out: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  handlers?: InformerHandlers<T>;
  /** Called with every failed attempt; default: logged as a warning. */
  onError?: (error: unknown) => void;
  /** Between attempts. Default 0.5 s to 30 s. */
  backoff?: Backoff;
  clock?: Clock;
  logger?: Logger;
  /** How long one watch request lasts, seconds. Default 300. */
  watchTimeoutSeconds?: number;
};

export type Informer<T extends KubeObject> = {
  /** Whether the first list is in the store. */
  readonly hasSynced: boolean;
  /** Resolves at the first complete list; rejects when closed before. */
  synced(): Promise<void>;
  readonly store: {
    get(namespace: string | undefined, name: string): T | undefined;
    list(namespace?: string): T[];
    readonly size: number;
  };
  /** Adds handlers; they get `onAdd` for what is there already. Gives a function that removes them. */
  subscribe(handlers: InformerHandlers<T>): () => void;
  /** Stops watching; resolves when the loop has ended. */
  close(): Promise<void>;
};

// Past the server's own timeout by this much, a silent connection is dead.
const WATCH_GRACE_MS = 30_000;

/** Starts at once. The caller closes it. */
export function createInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  const { client, resource } = options;
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const backoff = options.backoff ?? createBackoff({ baseMs: 500, maxMs: 30_000 });
  const watchTimeoutSeconds = options.watchTimeoutSeconds ?? 300;
  const scope = {
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
    ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
  };
  const objects = new Map<string, T>();
  const subscribers = new Set<InformerHandlers<T>>(options.handlers ? [options.handlers] : []);
  const stop = new AbortController();
  const firstList = Promise.withResolvers<void>();
  firstList.promise.catch(() => {});
  let hasSynced = false;

  function notify(run: (handlers: InformerHandlers<T>) => void): void {
    for (const handlers of [...subscribers]) {
      try {
        run(handlers);
      } catch (error) {
        logger.error('an informer handler failed', { resource: resource.resource, error: messageOf(error) });
      }
    }
  }

  function put(object: T): void {
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const old = objects.get(key);
    objects.set(key, object);
    if (!old) notify((handlers) => handlers.onAdd?.(object));
    else if (old.metadata.uid !== object.metadata.uid) {
      // Deleted and created again while nobody looked.
      notify((handlers) => handlers.onDelete?.(old));
      notify((handlers) => handlers.onAdd?.(object));
    } else if (!isSame(old, object)) notify((handlers) => handlers.onUpdate?.(object, old));
  }

  function remove(key: string): void {
    const old = objects.get(key);
    if (old && objects.delete(key)) notify((handlers) => handlers.onDelete?.(old));
  }

  async function list(): Promise<string> {
    const all = await client.listAll<T>(resource, { ...scope, signal: stop.signal });
    const listed = new Set(all.items.map((object) => keyOf(object.metadata.namespace, object.metadata.name)));
    for (const key of [...objects.keys()]) if (!listed.has(key)) remove(key);
    for (const object of all.items) put(object);
    if (!hasSynced) {
      hasSynced = true;
      firstList.resolve();
    }
    return all.metadata.resourceVersion ?? '';
  }

  /** Gives the resource version to go on from, or undefined to list again. */
  async function watch(from: string): Promise<string | undefined> {
    let version = from;
    const deadline = new AbortController();
    const timer = clock.after(watchTimeoutSeconds * 1000 + WATCH_GRACE_MS, () => deadline.abort(new Error('the watch stalled')), {
      background: true,
    });
    try {
      const events = client.watch<T>(resource, {
        ...scope,
        resourceVersion: version,
        allowWatchBookmarks: true,
        timeoutSeconds: watchTimeoutSeconds,
        signal: AbortSignal.any([stop.signal, deadline.signal]),
      });
      for await (const event of events) {
        if (event.type === 'ERROR') {
          const status = event.object;
          throw kubeErrorOf(status.code ?? 500, JSON.stringify(status), `watch ${resource.resource}`);
        }
        if (event.type === 'DELETED') remove(keyOf(event.object.metadata.namespace, event.object.metadata.name));
        else if (event.type !== 'BOOKMARK') put(event.object);
        version = event.object.metadata.resourceVersion ?? version;
        backoff.reset();
      }
      return version;
    } catch (error) {
      if (isGone(error)) return undefined;
      if (!stop.signal.aborted && !deadline.signal.aborted) report(error);
      return version;
    } finally {
      timer.cancel();
    }
  }

  function report(error: unknown): void {
    if (options.onError) options.onError(error);
    else logger.warn('watching failed, trying again', { resource: resource.resource, error: messageOf(error) });
  }

  async function run(): Promise<void> {
    let version: string | undefined;
    while (!stop.signal.aborted) {
      try {
        version ??= await list();
        const startedMs = clock.monotonicMs();
        version = await watch(version);
        // A watch that fails or ends at once must not hammer the server.
        if (clock.monotonicMs() - startedMs < 1000) await delay(clock, backoff.next(), stop.signal);
      } catch (error) {
        if (stop.signal.aborted) break;
        report(error);
        version = undefined;
        await delay(clock, backoff.next(), stop.signal).catch(() => {});
      }
    }
  }

  const ended = run();
  return {
    get hasSynced() {
      return hasSynced;
    },
    synced: () => firstList.promise,
    store: {
      get: (namespace, name) => objects.get(keyOf(namespace, name)),
      list: (namespace) => [...objects.values()].filter((object) => namespace === undefined || object.metadata.namespace === namespace),
      get size() {
        return objects.size;
      },
    },
    subscribe(handlers) {
      subscribers.add(handlers);
      for (const object of objects.values()) {
        try {
          handlers.onAdd?.(object);
        } catch (error) {
          logger.error('an informer handler failed', { resource: resource.resource, error: messageOf(error) });
        }
      }
      return () => void subscribers.delete(handlers);
    },
    close() {
      stop.abort(new Error('closed'));
      firstList.reject(new Error('the informer was closed before its first list'));
      return ended;
    },
  };
}

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;

function isSame(a: KubeObject, b: KubeObject): boolean {
  const version = a.metadata.resourceVersion;
  return version !== undefined && version !== '' ? version === b.metadata.resourceVersion : jsonEqual(a, b);
}
