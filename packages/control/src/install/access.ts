// Who the control plane is and what it may do.

import type { KubeObject } from '@lateen/kube/types';
import type { InstallContext } from './manifests.ts';

export const ISTIOD_SERVICE_ACCOUNT = 'istiod';

const READ = ['get', 'list', 'watch'];
const ISTIO_GROUPS = ['networking.istio.io', 'security.istio.io', 'telemetry.istio.io', 'extensions.istio.io'];

export function controlPlaneAccess({ namespace }: InstallContext): KubeObject[] {
  const labels = { app: 'istiod', release: 'istio' };
  const subject = { kind: 'ServiceAccount', name: ISTIOD_SERVICE_ACCOUNT, namespace };
  const clusterRole = `istiod-clusterrole-${namespace}`;
  const rbac = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: ISTIOD_SERVICE_ACCOUNT, namespace, labels } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: clusterRole, labels },
      rules: [
        {
          apiGroups: ['admissionregistration.k8s.io'],
          resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
          verbs: [...READ, 'update', 'patch'],
        },
        { apiGroups: ISTIO_GROUPS, resources: ['*'], verbs: READ },
        { apiGroups: [''], resources: ['pods', 'nodes', 'services', 'namespaces', 'endpoints'], verbs: READ },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: READ },
        // The root certificate goes to every namespace.
        { apiGroups: [''], resources: ['configmaps'], verbs: [...READ, 'create', 'update', 'patch'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: clusterRole, labels },
      roleRef: { ...rbac('ClusterRole'), name: clusterRole },
      subjects: [subject],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'istiod', namespace, labels },
      rules: [
        { apiGroups: [''], resources: ['secrets'], verbs: [...READ, 'create', 'update'] },
        // A dry run: the webhook proves that it refuses.
        { apiGroups: ['networking.istio.io'], resources: ['gateways'], verbs: ['create'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'istiod', namespace, labels },
      roleRef: { ...rbac('Role'), name: 'istiod' },
      subjects: [subject],
    },
  ];
}
