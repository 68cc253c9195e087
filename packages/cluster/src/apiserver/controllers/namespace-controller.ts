// Gives every namespace its default service account and the cluster's CA, and empties a deleted namespace before it goes.

import { type Clock, type Closable, type Logger, silentLogger, systemClock } from '@lateen/base';
import { createKubeClient, createWorkQueue, isAlreadyExists, isConflict, isNotFound } from '@lateen/kube';
import type { KubeObject, ResourceRef } from '@lateen/kube/types';
import type { Store } from '../../store/index.ts';
import type { ApiServer } from '../api-server.ts';

export type NamespaceControllerOptions = {
  store: Store;
  server: Pick<ApiServer, 'transport' | 'registry'>;
  /** PEM of the cluster's CA, for the ConfigMap kube-root-ca.crt. */
  ca: string;
  clock?: Clock;
  logger?: Logger;
};

const NAMESPACES: ResourceRef = { group: '', version: 'v1', resource: 'namespaces', namespaced: false };
const ACCOUNTS: ResourceRef = { group: '', version: 'v1', resource: 'serviceaccounts', namespaced: true };
const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps', namespaced: true };
const ROOT_CA = 'kube-root-ca.crt';

/** Works from now until closed. */
export function createNamespaceController(options: NamespaceControllerOptions): Closable {
  const { store, server, ca, clock = systemClock, logger = silentLogger } = options;
  const client = createKubeClient(server.transport, { fieldManager: 'namespace-controller' });
  const queue = createWorkQueue({
    process: (name) => reconcile(name).catch(ignoreRaces),
    concurrency: 4,
    clock,
    logger: logger.child('namespaces'),
  });

  async function reconcile(name: string): Promise<void> {
    const namespace = store.get({ resource: 'namespaces', namespace: '', name });
    if (!namespace) return;
    await (namespace.metadata.deletionTimestamp ? empty(namespace) : furnish(name));
  }

  async function furnish(namespace: string): Promise<void> {
    if (!store.get({ resource: 'serviceaccounts', namespace, name: 'default' })) {
      await client.create(ACCOUNTS, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });
    }
    const found = store.get({ resource: 'configmaps', namespace, name: ROOT_CA });
    const map = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: ROOT_CA, namespace, annotations: { 'kubernetes.io/description': 'The certificate authority of the API server.' } },
      data: { 'ca.crt': ca },
    };
    if (!found) await client.create(CONFIG_MAPS, map);
    else if ((found['data'] as Record<string, string> | undefined)?.['ca.crt'] !== ca) await client.update(CONFIG_MAPS, map);
  }

  async function empty(namespace: KubeObject): Promise<void> {
    const { name } = namespace.metadata;
    let remaining = 0;
    for (const resource of server.registry.stored()) {
      if (!resource.namespaced) continue;
      const objects = store.list({ resource: resource.storage, namespace: name }) ?? [];
      remaining += objects.length;
      const ref = { group: resource.group, version: resource.version, resource: resource.plural, namespaced: true };
      for (const { metadata } of objects) {
        if (!metadata.deletionTimestamp) await client.delete(ref, { namespace: name, name: metadata.name }).catch(ignoreRaces);
      }
    }
    // What has grace or finalizers goes later; its last event brings us back.
    if (remaining > 0 && hasContent(name)) return;
    await client.requestJson({
      method: 'PUT',
      path: `/api/v1/namespaces/${name}/finalize`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...namespace, metadata: { name }, spec: { finalizers: [] } }),
    });
  }

  const hasContent = (name: string): boolean =>
    server.registry
      .stored()
      .some((resource) => resource.namespaced && (store.list({ resource: resource.storage, namespace: name })?.length ?? 0) > 0);

  const from = store.revision;
  for (const { metadata } of store.list({ resource: NAMESPACES.resource }) ?? []) queue.add(metadata.name);
  const stop = store.watch({}, from, ({ type, key }) => {
    if (key.resource === 'namespaces') queue.add(key.name);
    // Also brings back a deleted default account or CA.
    else if (type === 'DELETED' && key.namespace !== '') queue.add(key.namespace);
  });
  return {
    async close() {
      stop?.();
      await queue.close();
    },
  };
}

function ignoreRaces(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error) && !isAlreadyExists(error)) throw error;
}
