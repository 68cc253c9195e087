// Deletes what its owners left behind, and carries out foreground and orphan deletion. Reads the store (all kinds at once),
// writes through the API.

import { type Clock, type Closable, type Logger, silentLogger, systemClock } from '@lateen/base';
import { createKubeClient, createWorkQueue, isConflict, isNotFound, type KubeClient } from '@lateen/kube';
import type { KubeObject, ResourceRef } from '@lateen/kube/types';
import type { Store, StoreKey } from '../../store/index.ts';
import type { ApiServer } from '../api-server.ts';
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '../rest/delete.ts';

export type GarbageCollectorOptions = { store: Store; server: Pick<ApiServer, 'transport' | 'registry'>; clock?: Clock; logger?: Logger };

type Node = { key: StoreKey; object: KubeObject };

/** Works from now until closed. */
export function createGarbageCollector(options: GarbageCollectorOptions): Closable {
  const { store, server, clock = systemClock, logger = silentLogger } = options;
  const client = createKubeClient(server.transport, { fieldManager: 'garbage-collector' });
  const nodes = new Map<string, Node>();
  const dependents = new Map<string, Set<string>>();
  const queue = createWorkQueue({ process: (uid) => collect(uid).catch(ignoreRaces), clock, logger: logger.child('garbage-collector') });

  const link = (uid: string, object: KubeObject, isThere: boolean) => {
    for (const owner of object.metadata.ownerReferences ?? []) {
      const set = dependents.get(owner.uid) ?? new Set<string>();
      dependents.set(owner.uid, set);
      if (isThere) set.add(uid);
      else set.delete(uid);
      if (set.size === 0) dependents.delete(owner.uid);
    }
  };
  const put = (key: StoreKey, object: KubeObject) => {
    const { uid } = object.metadata;
    if (uid === undefined) return;
    const before = nodes.get(uid);
    if (before) link(uid, before.object, false);
    nodes.set(uid, { key, object });
    link(uid, object, true);
    if (object.metadata.ownerReferences || object.metadata.deletionTimestamp) queue.add(uid);
    // An owner that waits for its dependents looks again.
    for (const owner of before?.object.metadata.ownerReferences ?? [])
      if (nodes.get(owner.uid)?.object.metadata.deletionTimestamp) queue.add(owner.uid);
  };
  const drop = ({ metadata }: KubeObject) => {
    const uid = metadata.uid ?? '';
    const before = nodes.get(uid);
    if (!before) return;
    nodes.delete(uid);
    link(uid, before.object, false);
    for (const dependent of dependents.get(uid) ?? []) queue.add(dependent);
    for (const owner of metadata.ownerReferences ?? []) if (nodes.get(owner.uid)?.object.metadata.deletionTimestamp) queue.add(owner.uid);
  };

  const from = store.revision;
  for (const resource of store.resources()) {
    for (const object of store.list({ resource }) ?? []) {
      put({ resource, namespace: object.metadata.namespace ?? '', name: object.metadata.name }, object);
    }
  }
  const stop = store.watch({}, from, ({ type, key, object }) => (type === 'DELETED' ? drop(object) : put(key, object)));

  const refOf = ({ key }: Node): ResourceRef | undefined => {
    const resource = server.registry.stored().find((one) => one.storage === key.resource);
    return resource && { group: resource.group, version: resource.version, resource: resource.plural, namespaced: resource.namespaced };
  };

  async function collect(uid: string): Promise<void> {
    const node = nodes.get(uid);
    const ref = node && refOf(node);
    if (!node || !ref) return;
    const { metadata } = node.object;
    if (metadata.deletionTimestamp && metadata.finalizers?.includes(ORPHAN_FINALIZER)) return orphan(node, ref);
    if (metadata.deletionTimestamp && metadata.finalizers?.includes(FOREGROUND_FINALIZER)) return foreground(node, ref);
    const owners = metadata.ownerReferences ?? [];
    if (metadata.deletionTimestamp || owners.length === 0 || owners.some((owner) => nodes.has(owner.uid))) return;
    await deleteNode(client, { node, ref, propagationPolicy: 'Background' });
  }

  async function orphan(node: Node, ref: ResourceRef): Promise<void> {
    const { uid = '' } = node.object.metadata;
    for (const dependent of [...(dependents.get(uid) ?? [])].flatMap((one) => nodes.get(one) ?? [])) {
      const dependentRef = refOf(dependent);
      const rest = (dependent.object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
      if (dependentRef)
        await patchMetadata(client, { node: dependent, ref: dependentRef, metadata: { ownerReferences: rest.length > 0 ? rest : null } });
    }
    await dropFinalizer(client, { node, ref, finalizer: ORPHAN_FINALIZER });
  }

  async function foreground(node: Node, ref: ResourceRef): Promise<void> {
    const { uid = '' } = node.object.metadata;
    const below = [...(dependents.get(uid) ?? [])].flatMap((one) => nodes.get(one) ?? []);
    for (const dependent of below) {
      const dependentRef = refOf(dependent);
      if (!dependentRef || dependent.object.metadata.deletionTimestamp) continue;
      await deleteNode(client, { node: dependent, ref: dependentRef, propagationPolicy: 'Foreground' }).catch(ignoreRaces);
    }
    const blocking = below.filter(({ object }) =>
      object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
    );
    if (blocking.length === 0) await dropFinalizer(client, { node, ref, finalizer: FOREGROUND_FINALIZER });
  }

  return {
    async close() {
      stop?.();
      await queue.close();
    },
  };
}

// Somebody else was faster; the event of that brings the object here again.
function ignoreRaces(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}

type Work = { node: Node; ref: ResourceRef };

const targetOf = ({ object: { metadata } }: Node) => ({
  name: metadata.name,
  ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
});

function deleteNode(
  client: KubeClient,
  { node, ref, propagationPolicy }: Work & { propagationPolicy: 'Background' | 'Foreground' },
): Promise<unknown> {
  const { uid } = node.object.metadata;
  return client.delete(ref, targetOf(node), { propagationPolicy, ...(uid === undefined ? {} : { preconditions: { uid } }) });
}

async function patchMetadata(client: KubeClient, { node, ref, metadata }: Work & { metadata: Record<string, unknown> }): Promise<void> {
  const { uid, resourceVersion } = node.object.metadata;
  await client.patch(ref, targetOf(node), { type: 'merge', body: { metadata: { ...metadata, uid, resourceVersion } } });
}

function dropFinalizer(client: KubeClient, { node, ref, finalizer }: Work & { finalizer: string }): Promise<void> {
  const rest = (node.object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
  return patchMetadata(client, { node, ref, metadata: { finalizers: rest.length > 0 ? rest : null } });
}
