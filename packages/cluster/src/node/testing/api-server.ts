// The real API server over a store in memory, with a client that tests can also ask synchronously.

import { silentLogger, systemClock } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createKubeClient, type KubeClient } from '@lateen/kube';
import type { KubeObject, ResourceRef } from '@lateen/kube/types';
import { createApiServer } from '../../apiserver/index.ts';
import { loadClusterKeys } from '../../cluster-keys.ts';
import type { NodeApi } from '../../contracts.ts';
import { createStore } from '../../store/index.ts';
import { SERVICE_ACCOUNTS } from '../kube-resources.ts';

export type TestClient = KubeClient & {
  /** All objects of a resource as they are now. */
  all<T extends object = KubeObject>(resource: ResourceRef): T[];
  /** One object; namespace "default" when none is given. */
  find<T extends object = KubeObject>(resource: ResourceRef, name: string, namespace?: string): T | undefined;
};

export type TestApiServer = { client: TestClient; close(): Promise<void> };

const storageOf = ({ group, resource }: ResourceRef): string => (group === '' ? resource : `${resource}.${group}`);

/** `keysDir` holds the cluster's keys. The namespace default has a service account that mounts no token. */
export async function startTestApiServer(keysDir: string, nodeApi: NodeApi): Promise<TestApiServer> {
  const { authority, serving } = loadClusterKeys(keysDir);
  const store = createStore();
  const dialService = () => Promise.reject(new Error('no webhooks in these tests'));
  const server = createApiServer({
    store,
    ca: authority.certPem,
    cert: serving.certPem,
    key: serving.keyPem,
    nodeApi,
    dialService,
    clock: systemClock,
    logger: silentLogger,
  });
  const client = createKubeClient(server.transport);
  const body = { automountServiceAccountToken: false };
  const withoutToken = () => client.patch(SERVICE_ACCOUNTS, { namespace: 'default', name: 'default' }, { type: 'merge', body });
  await eventually(withoutToken, { intervalMs: 2 });
  return {
    client: {
      ...client,
      all: <T extends object>(resource: ResourceRef) => (store.list({ resource: storageOf(resource) }) ?? []) as object[] as T[],
      find: <T extends object>(resource: ResourceRef, name: string, namespace = 'default') =>
        store.get({ resource: storageOf(resource), namespace: resource.namespaced ? namespace : '', name }) as T | undefined,
    },
    async close() {
      await server.close();
      store.close();
    },
  };
}
