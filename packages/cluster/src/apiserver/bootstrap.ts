// What a cluster has before anybody creates anything: the system namespaces with their default service accounts, and
// the `kubernetes` Service.

import type { KubeObject } from '@lateen/kube/types';
import { defaultService } from './defaults/service.ts';
import { type Core, timestamp } from './rest/call.ts';

const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

/** Stores what is missing. */
export function bootstrap({ store, clock, newUid }: Core): void {
  const now = timestamp(clock.now());
  for (const name of NAMESPACES) {
    const namespace: KubeObject = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, uid: newUid(), creationTimestamp: now, labels: { 'kubernetes.io/metadata.name': name } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    };
    store.put({ resource: 'namespaces', namespace: '', name }, namespace, 'absent');
    const account: KubeObject = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default', namespace: name, uid: newUid(), creationTimestamp: now },
    };
    store.put({ resource: 'serviceaccounts', namespace: name, name: 'default' }, account, 'absent');
  }
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const service: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', uid: newUid(), creationTimestamp: now, labels },
    spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }] },
    status: { loadBalancer: {} },
  };
  defaultService(service);
  store.put({ resource: 'services', namespace: 'default', name: 'kubernetes' }, service, 'absent');
}
