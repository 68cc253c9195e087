// The one implementation of the store's semantics. All state is in memory (an embedded cluster has thousands of objects, not
// millions); the journal is written before memory, so that what a caller was told is never lost.

import type { KubeObject } from '@lateen/kube/types';
import type { Journal, Store, StoreEvent, StoreKey, StoreScope, WatchScope, WriteResult } from './store.ts';

export type StoreOptions = {
  /** Default: none, the state dies with the process. */
  journal?: Journal;
  /** Events kept for watches and consistent lists. Default 2,000. */
  historySize?: number;
};

type Watcher = { scope: WatchScope; onEvent: (event: StoreEvent) => void };
type Table = Map<string, Map<string, KubeObject>>;

/** A store over `journal`, which it closes with itself. */
export function createStore(options: StoreOptions = {}): Store {
  const { journal, historySize = 2000 } = options;
  const tables = new Map<string, Table>();
  const watchers = new Set<Watcher>();
  let history: StoreEvent[] = [];
  let revision = 0;

  const loaded = journal?.load();
  if (loaded) {
    revision = loaded.revision;
    history = loaded.events;
    for (const { key, object } of loaded.objects) set(tables, key, object);
  }
  // Events up to this revision are forgotten. A fresh store remembers everything.
  let forgotten = loaded ? (history[0]?.revision ?? revision + 1) - 1 : 0;

  // Watchers called from within a watcher's write must see events in order, so delivery is queued.
  const queue: StoreEvent[] = [];
  let delivering = false;
  const deliver = (event: StoreEvent) => {
    queue.push(event);
    if (delivering) return;
    delivering = true;
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        for (const watcher of [...watchers]) if (watchers.has(watcher) && inScope(watcher.scope, next.key)) watcher.onEvent(next);
      }
    } finally {
      delivering = false;
    }
  };

  const commit = (event: StoreEvent) => {
    journal?.append(event);
    revision = event.revision;
    if (event.type === 'DELETED') tables.get(event.key.resource)?.get(event.key.namespace)?.delete(event.key.name);
    else set(tables, event.key, event.object);
    history.push(event);
    // Trimmed in batches, so that a write costs no array copy.
    if (history.length > historySize * 1.25) {
      const dropped = history.splice(0, history.length - historySize);
      forgotten = dropped.at(-1)?.revision ?? forgotten;
    }
    deliver(event);
  };

  const get = (key: StoreKey) => tables.get(key.resource)?.get(key.namespace)?.get(key.name);

  return {
    get revision() {
      return revision;
    },
    get oldestRevision() {
      return forgotten;
    },
    get,
    resources: () => [...tables.keys()],
    list(scope, at) {
      if (at !== undefined && (at < forgotten || at > revision)) return undefined;
      const found = current(tables, scope);
      if (at !== undefined) undo(found, history, { scope, at });
      return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    },
    put(key, object, expected): WriteResult {
      const previous = get(key);
      if (expected === 'absent' ? previous !== undefined : previous?.metadata.resourceVersion !== expected) {
        return { ok: false, reason: expected === 'absent' ? 'exists' : previous ? 'conflict' : 'missing', current: previous };
      }
      const next = revision + 1;
      const stored = withRevision(object, next);
      commit({ type: previous ? 'MODIFIED' : 'ADDED', revision: next, key, object: stored, previous });
      return { ok: true, object: stored };
    },
    remove(key, expected): WriteResult {
      const previous = get(key);
      if (!previous) return { ok: false, reason: 'missing', current: undefined };
      if (previous.metadata.resourceVersion !== expected) return { ok: false, reason: 'conflict', current: previous };
      const next = revision + 1;
      const last = withRevision(previous, next);
      commit({ type: 'DELETED', revision: next, key, object: last, previous });
      return { ok: true, object: last };
    },
    watch(scope, from, onEvent) {
      if (from < forgotten) return undefined;
      const watcher = { scope, onEvent };
      const past = history.slice(firstAfter(history, from)).filter((event) => inScope(scope, event.key));
      // What is still queued for delivery is part of `past` too, and must not come twice.
      const replayed = revision;
      if (queue.length > 0) watcher.onEvent = (event) => void (event.revision > replayed && onEvent(event));
      watchers.add(watcher);
      for (const event of past) if (watchers.has(watcher)) onEvent(event);
      return () => void watchers.delete(watcher);
    },
    close() {
      watchers.clear();
      journal?.close();
    },
  };
}

const inScope = (scope: WatchScope, key: StoreKey): boolean =>
  (scope.resource === undefined || scope.resource === key.resource) && (scope.namespace === undefined || scope.namespace === key.namespace);

const withRevision = (object: KubeObject, revision: number): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: String(revision) },
});

// NUL sorts below every character of a name, so that "a/x" comes before "a-b/x".
const sortKey = (namespace: string, name: string): string => `${namespace}\0${name}`;

function set(tables: Map<string, Table>, key: StoreKey, object: KubeObject): void {
  const table = tables.get(key.resource) ?? new Map<string, Map<string, KubeObject>>();
  tables.set(key.resource, table);
  const objects = table.get(key.namespace) ?? new Map<string, KubeObject>();
  table.set(key.namespace, objects);
  objects.set(key.name, object);
}

function current(tables: Map<string, Table>, scope: StoreScope): Map<string, KubeObject> {
  const found = new Map<string, KubeObject>();
  for (const [namespace, objects] of tables.get(scope.resource) ?? []) {
    if (scope.namespace !== undefined && scope.namespace !== namespace) continue;
    for (const [name, object] of objects) found.set(sortKey(namespace, name), object);
  }
  return found;
}

function undo(found: Map<string, KubeObject>, history: StoreEvent[], { scope, at }: { scope: StoreScope; at: number }): void {
  for (let i = history.length - 1; i >= 0; i--) {
    const event = history[i] as StoreEvent;
    if (event.revision <= at) return;
    if (!inScope(scope, event.key)) continue;
    const key = sortKey(event.key.namespace, event.key.name);
    if (event.previous) found.set(key, event.previous);
    else found.delete(key);
  }
}

function firstAfter(history: StoreEvent[], revision: number): number {
  let low = 0;
  let high = history.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((history[middle] as StoreEvent).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
