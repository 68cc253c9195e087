// A KubeClient over a map, for tests of the node and the controllers without an API server: resource versions, optimistic
// locking, status subresource, patches, watches, graceful deletion of pods, finalizers, garbage collection by owner.

import { randomUUID } from 'node:crypto';
import { jsonEqual } from '@lateen/base';
import { type KubeClient, KubeError, type Target } from '@lateen/kube';
import { applyMergePatch, applyStrategicMergePatch } from '@lateen/kube/patch';
import type { KubeObject, ResourceRef, WatchEvent } from '@lateen/kube/types';

export type MemoryClient = KubeClient & {
  /** All objects of a resource. */
  all<T = KubeObject>(resource: ResourceRef): T[];
  find<T = KubeObject>(resource: ResourceRef, name: string, namespace?: string): T | undefined;
};

type Stored = { resource: string; object: KubeObject };
type Listener = (resource: string, event: WatchEvent) => void;

export function createMemoryClient(): MemoryClient {
  const objects = new Map<string, Stored>();
  const listeners = new Set<Listener>();
  let version = 0;

  const keyOf = (resource: ResourceRef, { namespace, name }: Target) =>
    `${resource.group}/${resource.resource}/${resource.namespaced ? (namespace ?? 'default') : ''}/${name}`;
  const fail = (code: number, reason: string, what: string): never => {
    throw new KubeError(code, { code, reason, message: what }, 'request');
  };
  const emit = (resource: string, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubeObject) => {
    for (const listener of [...listeners]) listener(resource, { type, object });
  };
  const get = (resource: ResourceRef, target: Target): Stored =>
    objects.get(keyOf(resource, target)) ?? fail(404, 'NotFound', `${resource.resource} ${target.name} not found`);

  function write(key: string, resource: string, next: KubeObject, old: KubeObject): KubeObject {
    const rest = ({ metadata, status: _, ...fields }: KubeObject) => ({
      ...fields,
      metadata: { ...metadata, resourceVersion: '', generation: 0 },
    });
    if (jsonEqual(rest(next), rest(old)) && jsonEqual(next.status, old.status)) return old;
    const generation = (old.metadata.generation ?? 1) + (jsonEqual(next.spec, old.spec) ? 0 : 1);
    const { uid, creationTimestamp } = old.metadata;
    const metadata = {
      ...next.metadata,
      ...(uid && { uid }),
      creationTimestamp: creationTimestamp ?? null,
      generation,
      resourceVersion: String(++version),
    };
    const object = { ...next, metadata };
    if (metadata.deletionTimestamp && !metadata.finalizers?.length && resource !== 'pods') return drop(key, resource, object);
    objects.set(key, { resource, object });
    emit(resource, 'MODIFIED', object);
    return structuredClone(object);
  }

  function drop(key: string, resource: string, object: KubeObject): KubeObject {
    objects.delete(key);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } };
    emit(resource, 'DELETED', last);
    for (const [dependentKey, dependent] of [...objects]) {
      if (!dependent.object.metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid)) continue;
      remove(dependentKey, dependent, undefined);
    }
    return last;
  }

  function remove(key: string, stored: Stored, graceSeconds: number | undefined): KubeObject {
    const { resource, object } = stored;
    const spec = object.spec as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined;
    const grace = graceSeconds ?? spec?.terminationGracePeriodSeconds ?? 30;
    const waits = (resource === 'pods' && grace > 0 && spec?.nodeName) || object.metadata.finalizers?.length;
    if (!waits) return drop(key, resource, object);
    if (object.metadata.deletionTimestamp) return object;
    const metadata = {
      ...object.metadata,
      deletionTimestamp: new Date().toISOString(),
      deletionGracePeriodSeconds: grace,
      resourceVersion: String(++version),
    };
    const going = { ...object, metadata };
    objects.set(key, { resource, object: going });
    emit(resource, 'MODIFIED', going);
    return going;
  }

  const client: MemoryClient = {
    transport: { request: () => Promise.reject(new Error('no transport')), close() {} },
    all: <T>(resource: ResourceRef) =>
      [...objects.values()].filter((stored) => stored.resource === resource.resource).map(({ object }) => object as T),
    find: <T>(resource: ResourceRef, name: string, namespace?: string) =>
      objects.get(keyOf(resource, { name, ...(namespace && { namespace }) }))?.object as T | undefined,
    async get<T>(resource: ResourceRef, target: Target) {
      return structuredClone(get(resource, target).object) as T;
    },
    async list<T>(resource: ResourceRef, options: { namespace?: string } = {}) {
      const items = client
        .all<KubeObject>(resource)
        .filter(({ metadata }) => !options.namespace || metadata.namespace === options.namespace);
      return { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: String(version) }, items: structuredClone(items) as T[] };
    },
    listAll: (resource, options) => client.list(resource, options),
    async *watch<T>(resource: ResourceRef, options: { namespace?: string; signal?: AbortSignal } = {}) {
      const queue: WatchEvent[] = [];
      let wake = () => {};
      const listener: Listener = (name, event) => {
        const { namespace } = (event as { object: KubeObject }).object.metadata;
        if (name !== resource.resource || (options.namespace && namespace !== options.namespace)) return;
        queue.push(structuredClone(event));
        wake();
      };
      listeners.add(listener);
      const onAbort = () => wake();
      options.signal?.addEventListener('abort', onAbort);
      try {
        while (!options.signal?.aborted) {
          const event = queue.shift();
          if (event) yield event as WatchEvent<T>;
          else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        }
      } finally {
        listeners.delete(listener);
        options.signal?.removeEventListener('abort', onAbort);
      }
    },
    async create<T extends KubeObject>(resource: ResourceRef, given: T) {
      const name = given.metadata.name || `${given.metadata.generateName}${randomUUID().slice(0, 5)}`;
      const namespace = resource.namespaced ? (given.metadata.namespace ?? 'default') : undefined;
      const key = keyOf(resource, { name, ...(namespace && { namespace }) });
      if (objects.has(key)) fail(409, 'AlreadyExists', `${resource.resource} ${name} already exists`);
      const metadata = {
        ...given.metadata,
        name,
        ...(namespace && { namespace }),
        uid: randomUUID(),
        generation: 1,
        creationTimestamp: new Date().toISOString(),
        resourceVersion: String(++version),
      };
      const object = structuredClone({ ...given, metadata });
      objects.set(key, { resource: resource.resource, object });
      emit(resource.resource, 'ADDED', object);
      return structuredClone(object) as T;
    },
    async update<T extends KubeObject>(resource: ResourceRef, object: T) {
      const key = keyOf(resource, object.metadata);
      const { object: old } = get(resource, object.metadata);
      checkVersion(object, old, fail);
      return write(key, resource.resource, { ...structuredClone(object), status: old.status }, old) as T;
    },
    async updateStatus<T extends KubeObject>(resource: ResourceRef, object: T) {
      const { object: old } = get(resource, object.metadata);
      checkVersion(object, old, fail);
      return write(keyOf(resource, object.metadata), resource.resource, { ...old, status: structuredClone(object.status) }, old) as T;
    },
    async patch<T>(
      resource: ResourceRef,
      target: Target,
      { type, body, subresource }: { type: string; body: unknown; subresource?: string },
    ) {
      const { object: old } = get(resource, target);
      const patched = (type === 'strategic' ? applyStrategicMergePatch(old, body) : applyMergePatch(old, body)) as KubeObject;
      if (patched.metadata.uid !== old.metadata.uid) fail(409, 'Conflict', 'uid differs');
      const next = subresource === 'status' ? { ...old, status: patched.status } : { ...patched, status: old.status };
      return write(keyOf(resource, target), resource.resource, next, old) as T;
    },
    apply: () => Promise.reject(new Error('not in this fake')),
    async delete(resource, target, options = {}) {
      const stored = get(resource, target);
      const { uid } = options.preconditions ?? {};
      if (uid && uid !== stored.object.metadata.uid) fail(409, 'Conflict', 'uid differs');
      return remove(keyOf(resource, target), stored, options.gracePeriodSeconds);
    },
    async requestJson<T>({ path, body }: { path: string; body?: string | Uint8Array }) {
      const binding = /\/namespaces\/([^/]+)\/pods\/([^/]+)\/binding$/.exec(path);
      if (binding) {
        const [, namespace = '', name = ''] = binding;
        const pods: ResourceRef = { group: '', version: 'v1', resource: 'pods', namespaced: true };
        const nodeName = (JSON.parse(String(body)) as { target: { name: string } }).target.name;
        return client.patch<T>(pods, { namespace, name }, { type: 'merge', body: { spec: { nodeName } } });
      }
      if (!path.endsWith('/token')) fail(404, 'NotFound', path);
      return { status: { token: `token-${++version}`, expirationTimestamp: new Date(Date.now() + 3600_000).toISOString() } } as T;
    },
    close() {},
  };
  return client;
}

function checkVersion(given: KubeObject, old: KubeObject, fail: (code: number, reason: string, what: string) => never): void {
  const { resourceVersion } = given.metadata;
  if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) fail(409, 'Conflict', 'the object has been modified');
}
