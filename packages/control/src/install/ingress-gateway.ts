// The ingress gateway: a proxy of its own in front of the mesh. Its container is spelt out rather than injected, so that it
// starts beside the control plane instead of after the webhook.

import type { KubeObject } from '@lateen/kube/types';
import { fromField } from './istiod.ts';
import type { InstallContext } from './manifests.ts';

const NAME = 'istio-ingressgateway';
const SERVICE_ACCOUNT = `${NAME}-service-account`;

export function ingressGateway(context: InstallContext): KubeObject[] {
  const { namespace, gatewayHttpPort } = context;
  const selector = { app: NAME, istio: 'ingressgateway' };
  const labels = { ...selector, release: 'istio' };
  const port = (name: string, number: number, targetPort = number) => ({ name, port: number, targetPort, protocol: 'TCP' });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: SERVICE_ACCOUNT, namespace, labels } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: NAME, namespace, labels },
      spec: {
        type: 'LoadBalancer',
        selector,
        ports: [
          port('status-port', 15021),
          port('http2', gatewayHttpPort, 8080),
          port('https', 443, 8443),
          port('tcp', 31400),
          port('tls', 15443),
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: NAME, namespace, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        template: {
          metadata: {
            labels: {
              ...selector,
              'istio.io/rev': 'default',
              'service.istio.io/canonical-name': NAME,
              'service.istio.io/canonical-revision': 'latest',
              'sidecar.istio.io/inject': 'false',
            },
            annotations: { 'prometheus.io/port': '15020', 'prometheus.io/scrape': 'true', 'prometheus.io/path': '/stats/prometheus' },
          },
          spec: {
            serviceAccountName: SERVICE_ACCOUNT,
            containers: [proxy(context)],
            volumes: [
              { name: 'istio-envoy', emptyDir: {} },
              { name: 'istio-data', emptyDir: {} },
              {
                name: 'podinfo',
                downwardAPI: {
                  items: ['labels', 'annotations'].map((field) => ({
                    path: field,
                    fieldRef: { apiVersion: 'v1', fieldPath: `metadata.${field}` },
                  })),
                },
              },
            ],
          },
        },
      },
    },
  ];
}

const proxy = ({ namespace, hub, tag }: InstallContext) => ({
  name: 'istio-proxy',
  image: `${hub}/proxyv2:${tag}`,
  args: [
    'proxy',
    'router',
    '--domain',
    '$(POD_NAMESPACE).svc.cluster.local',
    '--proxyLogLevel=warning',
    '--proxyComponentLogLevel=misc:error',
    '--log_output_level=default:info',
  ],
  ports: [15021, 8080, 8443, 31400, 15443].map((containerPort) => ({ containerPort, protocol: 'TCP' })),
  readinessProbe: { httpGet: { path: '/healthz/ready', port: 15021 }, periodSeconds: 2, failureThreshold: 30 },
  env: [
    fromField('NODE_NAME', 'spec.nodeName'),
    fromField('POD_NAME', 'metadata.name'),
    fromField('POD_NAMESPACE', 'metadata.namespace'),
    fromField('INSTANCE_IP', 'status.podIP'),
    fromField('HOST_IP', 'status.hostIP'),
    fromField('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    { name: 'PROXY_CONFIG', value: JSON.stringify({ discoveryAddress: `istiod.${namespace}.svc:15010` }) },
    { name: 'ISTIO_META_WORKLOAD_NAME', value: NAME },
    { name: 'ISTIO_META_OWNER', value: `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${NAME}` },
    { name: 'ISTIO_META_MESH_ID', value: 'cluster.local' },
    { name: 'TRUST_DOMAIN', value: 'cluster.local' },
    { name: 'ISTIO_META_UNPRIVILEGED_POD', value: 'true' },
    { name: 'ISTIO_META_CLUSTER_ID', value: 'Kubernetes' },
  ],
  resources: { requests: { cpu: '10m', memory: '40Mi' } },
  volumeMounts: [
    { name: 'istio-envoy', mountPath: '/etc/istio/proxy' },
    { name: 'istio-data', mountPath: '/var/lib/istio/data' },
    { name: 'podinfo', mountPath: '/etc/istio/pod' },
  ],
});
