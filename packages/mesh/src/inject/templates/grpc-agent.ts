// The `grpc-agent` template: no proxy; the agent writes certificates and a bootstrap for applications whose gRPC speaks xDS.

import type { VolumeMount } from '@lateen/kube/types';
import {
  annotationOr,
  appContainers,
  canonicalLabels,
  defaultContainerAnnotations,
  imageOf,
  type PodOverlay,
  proxyResources,
  pullPolicy,
  type TemplateContext,
} from './context.ts';
import * as parts from './parts.ts';

const LAYOUT: parts.VolumeLayout = { plain: {}, credentialSocket: false, crl: false, agentVolume: 'istio-xds', clusterTrustBundles: false };

export function grpcAgentTemplate(pod: TemplateContext): PodOverlay {
  return {
    metadata: {
      labels: canonicalLabels(pod),
      annotations: {
        'istio.io/rev': pod.config.revision || 'default',
        ...defaultContainerAnnotations(pod),
        'sidecar.istio.io/rewriteAppHTTPProbers': 'false',
      },
    },
    spec: {
      containers: [agentContainer(pod), ...appContainers(pod).map((name) => applicationContainer(pod, name))],
      volumes: [...parts.proxyVolumes(pod, LAYOUT), ...parts.userEntries(pod, 'sidecar.istio.io/userVolume')],
      ...parts.imagePullSecrets(pod),
    },
  };
}

function agentContainer(pod: TemplateContext) {
  const hasProbe = annotationOr(pod, 'status.sidecar.istio.io/port', 'global.proxy.statusPort') !== '0';
  return {
    name: 'istio-proxy',
    image: imageOf(pod),
    ports: [{ containerPort: 15020, protocol: 'TCP', name: 'mesh-metrics' }],
    args: ['proxy', 'sidecar', ...parts.agentArgs(pod)],
    lifecycle: { postStart: { exec: { command: ['pilot-agent', 'wait', '--url=http://localhost:15020/healthz/ready'] } } },
    env: [
      parts.variable('ISTIO_META_GENERATOR', 'grpc'),
      parts.variable('OUTPUT_CERTS', '/var/lib/istio/data'),
      ...parts.identityEnv(pod),
      parts.proxyConfigEnv(pod),
      parts.podPortsEnv(pod),
      parts.appContainersEnv(pod),
      parts.clusterEnv(pod),
      parts.nodeName,
      ...parts.networkEnv(pod),
      ...parts.workloadEnv(pod, pod.workload.name),
      ...parts.meshEnv(pod),
      ...parts.metadataEnv(pod),
      parts.variable('ISTIO_META_DNS_CAPTURE', 'false'),
      parts.variable('DISABLE_ENVOY', 'true'),
    ],
    ...pullPolicy(pod),
    ...(hasProbe ? { readinessProbe: parts.readinessProbe(pod, { port: 15020, annotated: true }) } : {}),
    resources: proxyResources(pod),
    volumeMounts: [...parts.proxyMounts(pod, LAYOUT), ...parts.userEntries(pod, 'sidecar.istio.io/userVolumeMount')],
  };
}

function applicationContainer(pod: TemplateContext, name: string) {
  const volumeMounts: VolumeMount[] = [
    { name: 'istio-data', mountPath: '/var/lib/istio/data' },
    { name: 'istio-xds', mountPath: '/etc/istio/proxy' },
    parts.workloadCertificateMount(pod),
  ];
  return {
    name,
    env: [
      parts.variable('GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT', 'true'),
      parts.variable('GRPC_XDS_BOOTSTRAP', '/etc/istio/proxy/grpc-bootstrap.json'),
    ],
    volumeMounts,
  };
}
