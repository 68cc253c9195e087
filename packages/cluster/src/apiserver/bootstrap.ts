// What a cluster has before anybody creates anything: the system namespaces with their default service accounts, and
// the `kubernetes` Service.

import type { KubeObject } from '@lateen/kube/types';
import { defaultService } from './defaults/service.ts';
import { type Core, timestamp } from './rest/call.ts';

const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

/** Stores what is missing, and the `kubernetes` Service again whenever it is deleted. */
export function bootstrap(core: Core): { close(): void } {
  const { store } = core;
  for (const name of NAMESPACES) addNamespace(core, name);
  const key = { resource: 'services', namespace: 'default', name: 'kubernetes' };
  store.put(key, apiService(core), 'absent');
  const stop = store.watch({ resource: 'services', namespace: 'default' }, store.revision, (event) => {
    if (event.type === 'DELETED' && event.key.name === key.name) store.put(key, apiService(core), 'absent');
  });
  return { close: () => stop?.() };
}

function addNamespace({ store, clock, newUid }: Core, name: string): void {
  const creationTimestamp = timestamp(clock.now());
  const namespace: KubeObject = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, uid: newUid(), creationTimestamp, labels: { 'kubernetes.io/metadata.name': name } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
  const account: KubeObject = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace: name, uid: newUid(), creationTimestamp },
  };
  store.put({ resource: 'namespaces', namespace: '', name }, namespace, 'absent');
  store.put({ resource: 'serviceaccounts', namespace: name, name: 'default' }, account, 'absent');
}

function apiService({ clock, newUid }: Core): KubeObject {
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const service: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', uid: newUid(), creationTimestamp: timestamp(clock.now()), labels },
    spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }] },
    status: { loadBalancer: {} },
  };
  defaultService(service);
  return service;
}
