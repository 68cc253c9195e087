// The control plane's Service and Deployment, under istiod's names, so that proxies, webhooks and tools find them.

import type { KubeObject } from '@lateen/kube/types';
import { ISTIOD_SERVICE_ACCOUNT } from './access.ts';
import type { InstallContext } from './manifests.ts';

export function istiod({ namespace, hub, tag }: InstallContext): KubeObject[] {
  const selector = { app: 'istiod', istio: 'pilot' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'istiod', namespace, labels: { ...selector, 'istio.io/rev': 'default', release: 'istio' } },
      spec: {
        selector,
        ports: [
          { name: 'grpc-xds', port: 15010, protocol: 'TCP' },
          { name: 'https-dns', port: 15012, protocol: 'TCP' },
          { name: 'https-webhook', port: 443, targetPort: 15017, protocol: 'TCP' },
          { name: 'http-monitoring', port: 15014, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'istiod', namespace, labels: { ...selector, 'istio.io/rev': 'default', release: 'istio' } },
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        template: {
          metadata: {
            labels: { ...selector, 'istio.io/rev': 'default', 'sidecar.istio.io/inject': 'false' },
            annotations: { 'prometheus.io/port': '15014', 'prometheus.io/scrape': 'true' },
          },
          spec: { serviceAccountName: ISTIOD_SERVICE_ACCOUNT, containers: [discovery(`${hub}/pilot:${tag}`)] },
        },
      },
    },
  ];
}

const discovery = (image: string) => ({
  name: 'discovery',
  image,
  args: ['discovery', '--monitoringAddr=:15014', '--log_output_level=default:info', '--domain', 'cluster.local'],
  ports: [8080, 15010, 15014, 15017].map((containerPort) => ({ containerPort, protocol: 'TCP' })),
  readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 3, timeoutSeconds: 5 },
  env: [
    { name: 'REVISION', value: 'default' },
    fromField('POD_NAME', 'metadata.name'),
    fromField('POD_NAMESPACE', 'metadata.namespace'),
    fromField('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    { name: 'CLUSTER_ID', value: 'Kubernetes' },
  ],
  resources: { requests: { cpu: '10m', memory: '100Mi' } },
});

/** An environment variable from the pod itself (downward API). */
export const fromField = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } });
