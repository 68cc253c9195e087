// What the API server needs of a database: objects by key, one revision counter for everything, ordered watches. The
// semantics live in `createStore`; a journal makes them durable.

import type { KubeObject } from '@lateen/kube/types';

/** `resource` is "pods" or "deployments.apps"; `namespace` is empty for cluster-scoped objects. */
export type StoreKey = { resource: string; namespace: string; name: string };

/** All objects of a resource, or those in one namespace. */
export type StoreScope = { resource: string; namespace?: string | undefined };
/** As StoreScope; without a resource, everything. */
export type WatchScope = Partial<StoreScope>;

export type StoreEvent = {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The revision this change made; also `object.metadata.resourceVersion`. */
  revision: number;
  key: StoreKey;
  object: KubeObject;
  /** The object before; undefined for ADDED. */
  previous: KubeObject | undefined;
};

/** `absent`: the key exists already. `conflict`: it has another revision, or is gone (`current` undefined). */
export type WriteResult =
  | { ok: true; object: KubeObject }
  | { ok: false; reason: 'exists' | 'conflict' | 'missing'; current: KubeObject | undefined };

/**
 * Objects handed out are shared: whoever wants to change one clones it first. A write has reached the journal when its call
 * returns, and watchers have been called with it, in revision order.
 */
export type Store = {
  readonly revision: number;
  /** The oldest revision from which `watch` and `list` can still start. */
  readonly oldestRevision: number;
  get(key: StoreKey): KubeObject | undefined;
  /** Sorted by namespace and name. `at` gives the state at an earlier revision; undefined when that is beyond the history. */
  list(scope: StoreScope, at?: number): KubeObject[] | undefined;
  /** Resources that have (or recently had) objects. */
  resources(): string[];
  /** Writes with a fresh resourceVersion. `expected` is the revision that must be current, or `absent`. */
  put(key: StoreKey, object: KubeObject, expected: string | 'absent'): WriteResult;
  /** The result has the object's last state with the resourceVersion of its deletion. */
  remove(key: StoreKey, expected: string): WriteResult;
  /**
   * Calls back with every event after `from`: at once for past ones, then as they come. Undefined when `from` is beyond the
   * history (410 Gone). The function returned stops it.
   */
  watch(scope: WatchScope, from: number, onEvent: (event: StoreEvent) => void): (() => void) | undefined;
  close(): void;
};

/** Makes a store durable. `append` returns once the event survives a kill of this process. */
export type Journal = {
  load(): { revision: number; objects: { key: StoreKey; object: KubeObject }[]; events: StoreEvent[] };
  append(event: StoreEvent): void;
  close(): void;
};
