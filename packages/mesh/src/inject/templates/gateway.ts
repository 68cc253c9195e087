// The `gateway` template: fills the istio-proxy container of a gateway's own Deployment (image "auto"); nothing is captured.

import { isObject } from '@lateen/base';
import { valueAt } from '../values.ts';
import {
  appContainers,
  canonicalLabels,
  defaultContainerAnnotations,
  imageOf,
  type PodOverlay,
  pullPolicy,
  type TemplateContext,
} from './context.ts';
import * as parts from './parts.ts';

const LAYOUT: parts.VolumeLayout = {
  plain: { emptyDir: {} },
  credentialSocket: true,
  crl: false,
  agentVolume: 'istio-envoy',
  clusterTrustBundles: false,
};

export function gatewayTemplate(pod: TemplateContext): PodOverlay {
  const lifecycle = valueAt(pod.config.values, 'global.proxy.lifecycle');
  const securityContext = valueAt(pod.config.values, 'gateways.securityContext');
  return {
    metadata: {
      labels: canonicalLabels(pod),
      annotations: {
        'istio.io/rev': pod.config.revision || 'default',
        ...(appContainers(pod).length === 1 ? defaultContainerAnnotations(pod) : {}),
      },
    },
    spec: {
      securityContext:
        isObject(securityContext) && Object.keys(securityContext).length > 0
          ? securityContext
          : { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] },
      containers: [
        {
          name: 'istio-proxy',
          image: imageOf(pod),
          ports: [{ containerPort: 15090, protocol: 'TCP', name: 'http-envoy-prom' }],
          args: ['proxy', 'router', ...parts.agentArgs(pod)],
          ...(isObject(lifecycle) && Object.keys(lifecycle).length > 0 ? { lifecycle } : {}),
          securityContext: { runAsUser: pod.proxyUid, runAsGroup: pod.proxyGid },
          env: gatewayEnv(pod),
          ...pullPolicy(pod),
          readinessProbe: parts.readinessProbe(pod, { port: 15021, annotated: false }),
          volumeMounts: parts.proxyMounts(pod, LAYOUT),
        },
      ],
      volumes: parts.proxyVolumes(pod, LAYOUT),
      ...parts.imagePullSecrets(pod),
    },
  };
}

function gatewayEnv(pod: TemplateContext) {
  return [
    ...parts.identityEnv(pod),
    parts.cpuLimit,
    parts.proxyConfigEnv(pod),
    parts.podPortsEnv(pod),
    parts.memoryLimit,
    ...parts.complianceEnv(pod),
    parts.appContainersEnv(pod),
    parts.clusterEnv(pod),
    parts.nodeName,
    parts.variable('ISTIO_META_INTERCEPTION_MODE', String(pod.proxyConfig['interceptionMode'] ?? 'REDIRECT')),
    ...parts.networkEnv(pod),
    ...parts.workloadEnv(pod, pod.workload.name),
    ...parts.meshEnv(pod),
    ...parts.metadataEnv(pod),
  ];
}
