// The `sidecar` template: capture of the pod's traffic (istio-init, or istio-validation where a CNI plugin captures) and the proxy.

import { isObject } from '@lateen/base';
import type { Container, SecurityContext } from '@lateen/kube/types';
import { proxyMetadataOf } from '../proxy-config.ts';
import { valueAt } from '../values.ts';
import * as context from './context.ts';
import { annotationOr, hasAnnotation, imageOf, isEnabled, type PodOverlay, type TemplateContext, textValue } from './context.ts';
import { otelResourceAttributes } from './otel-attributes.ts';
import * as parts from './parts.ts';

const LAYOUT: parts.VolumeLayout = {
  plain: {},
  credentialSocket: true,
  crl: true,
  agentVolume: 'istio-envoy',
  clusterTrustBundles: true,
};

/** Renders the sidecar for a pod. */
export function sidecarTemplate(pod: TemplateContext): PodOverlay {
  const isNative = context.isNativeSidecar(pod);
  const capture = context.interceptionMode(pod) === 'NONE' ? [] : [captureContainer(pod)];
  const proxy = proxyContainer(pod, isNative);
  return {
    metadata: { labels: labelsOf(pod), annotations: annotationsOf(pod) },
    spec: {
      initContainers: isNative ? [...capture, proxy] : capture,
      ...(isNative ? {} : { containers: [proxy] }),
      volumes: [...parts.proxyVolumes(pod, LAYOUT, bootstrapVolumes(pod)), ...parts.userEntries(pod, 'sidecar.istio.io/userVolume')],
      ...parts.imagePullSecrets(pod),
    },
  };
}

function labelsOf(pod: TemplateContext): Record<string, string> {
  const labels = pod.metadata.labels ?? {};
  const isHbone = proxyMetadataOf(pod.proxyConfig).some(([name, value]) => name === 'ISTIO_META_ENABLE_HBONE' && value === 'true');
  return {
    'security.istio.io/tlsMode': labels['security.istio.io/tlsMode'] || 'istio',
    ...(isHbone ? { 'networking.istio.io/tunnel': labels['networking.istio.io/tunnel'] || 'http' } : {}),
    ...context.canonicalLabels(pod),
  };
}

function annotationsOf(pod: TemplateContext): Record<string, string> {
  return {
    'istio.io/rev': pod.config.revision || 'default',
    ...context.defaultContainerAnnotations(pod),
    ...(isEnabled(pod, 'pilot.cni.enabled') ? cniAnnotations(pod) : {}),
  };
}

// What istio-init gets as arguments, the CNI plugin reads from the pod.
function cniAnnotations(pod: TemplateContext): Record<string, string> {
  const traffic = (name: string) => `traffic.sidecar.istio.io/${name}`;
  const optional = (entries: Record<string, string | undefined>) =>
    Object.fromEntries(Object.entries(entries).filter(([, value]) => value));
  const annotations = pod.metadata.annotations ?? {};
  const networks = annotations['k8s.v1.cni.cncf.io/networks'] ?? '';
  return {
    ...(textValue(pod, 'pilot.cni.provider') === 'multus'
      ? { 'k8s.v1.cni.cncf.io/networks': appendMultusNetwork(networks, 'default/istio-cni') }
      : {}),
    'sidecar.istio.io/interceptionMode': context.interceptionMode(pod),
    [traffic('includeInboundPorts')]: annotationOr(pod, traffic('includeInboundPorts'), 'global.proxy.includeInboundPorts'),
    [traffic('excludeInboundPorts')]: context.excludedInboundPorts(pod),
    ...(optional({
      [traffic('includeOutboundIPRanges')]: annotationOr(pod, traffic('includeOutboundIPRanges'), 'global.proxy.includeIPRanges'),
      [traffic('excludeOutboundIPRanges')]: annotationOr(pod, traffic('excludeOutboundIPRanges'), 'global.proxy.excludeIPRanges'),
      [traffic('includeOutboundPorts')]: annotationOr(pod, traffic('includeOutboundPorts'), 'global.proxy.includeOutboundPorts'),
      [traffic('excludeOutboundPorts')]: annotationOr(pod, traffic('excludeOutboundPorts'), 'global.proxy.excludeOutboundPorts'),
      [traffic('kubevirtInterfaces')]: annotations[traffic('kubevirtInterfaces')],
      'istio.io/reroute-virtual-interfaces': annotations['istio.io/reroute-virtual-interfaces'],
      [traffic('excludeInterfaces')]: annotations[traffic('excludeInterfaces')],
    }) as Record<string, string>),
  };
}

/** Adds a network to a Multus annotation, which is a comma-separated list or a JSON array. */
export function appendMultusNetwork(existing: string, network: string): string {
  if (existing === '') return network;
  const bracket = existing.lastIndexOf(']');
  if (bracket < 0) return existing.split(',').some((one) => one.trim() === network) ? existing : `${existing}, ${network}`;
  try {
    const networks: unknown = JSON.parse(existing);
    if (!Array.isArray(networks) || networks.some((one) => isObject(one) && one['name'] === network)) return existing;
  } catch {
    return existing;
  }
  return `${existing.slice(0, bracket)}, {"name": "${network}"}${existing.slice(bracket)}`;
}

function captureContainer(pod: TemplateContext): Container {
  const isCni = isEnabled(pod, 'pilot.cni.enabled');
  const metadata = parts.metadataEnv(pod);
  return {
    name: isCni ? 'istio-validation' : 'istio-init',
    image: imageOf(pod, 'proxy_init'),
    args: captureArgs(pod),
    ...context.pullPolicy(pod),
    ...(metadata.length > 0 ? { env: metadata } : {}),
    resources: context.proxyResources(pod),
    securityContext: captureSecurity(pod, isCni),
  };
}

function captureArgs(pod: TemplateContext): string[] {
  const traffic = (name: string) => `traffic.sidecar.istio.io/${name}`;
  const { meshConfig } = pod.config;
  const excluded = context.excludedInboundPorts(pod);
  const ifSet = (flag: string, name: string): string[] => {
    const isSet = hasAnnotation(pod, traffic(name)) || textValue(pod, `global.proxy.${name}`) !== '';
    return isSet ? [flag, annotationOr(pod, traffic(name), `global.proxy.${name}`)] : [];
  };
  const interfaces =
    pod.metadata.annotations?.['istio.io/reroute-virtual-interfaces'] ?? pod.metadata.annotations?.[traffic('kubevirtInterfaces')];
  return [
    'istio-iptables',
    ...['-p', String(meshConfig['proxyListenPort'] || 15001)],
    ...['-z', String(meshConfig['proxyInboundListenPort'] || 15006)],
    ...['-u', String(context.interceptionMode(pod) === 'TPROXY' ? 1337 : pod.proxyUid)],
    ...['-m', context.interceptionMode(pod)],
    ...['-i', annotationOr(pod, traffic('includeOutboundIPRanges'), 'global.proxy.includeIPRanges')],
    ...['-x', annotationOr(pod, traffic('excludeOutboundIPRanges'), 'global.proxy.excludeIPRanges')],
    ...['-b', annotationOr(pod, traffic('includeInboundPorts'), 'global.proxy.includeInboundPorts')],
    ...['-d', excluded === '' ? '15090,15021' : `15090,15021,${excluded}`],
    ...ifSet('-q', 'includeOutboundPorts'),
    ...ifSet('-o', 'excludeOutboundPorts'),
    ...(interfaces === undefined ? [] : ['-k', interfaces]),
    ...(hasAnnotation(pod, traffic('excludeInterfaces')) ? ['-c', pod.metadata.annotations?.[traffic('excludeInterfaces')] ?? ''] : []),
    `--log_output_level=${annotationOr(pod, 'sidecar.istio.io/agentLogLevel', 'global.logging.level')}`,
    ...(isEnabled(pod, 'global.logAsJson') ? ['--log_as_json'] : []),
    ...(isEnabled(pod, 'pilot.cni.enabled')
      ? ['--run-validation', '--skip-rule-apply']
      : isEnabled(pod, 'global.proxy_init.forceApplyIptables')
        ? ['--force-apply']
        : []),
    ...(isEnabled(pod, 'global.nativeNftables') ? ['--native-nftables'] : []),
  ];
}

function captureSecurity(pod: TemplateContext, isCni: boolean): SecurityContext {
  const privileged = isEnabled(pod, 'global.proxy.privileged');
  const isTproxy = context.interceptionMode(pod) === 'TPROXY';
  const seccompProfile = valueAt(pod.config.values, 'global.proxy.seccompProfile');
  return {
    allowPrivilegeEscalation: privileged,
    privileged,
    capabilities: { ...(isCni ? {} : { add: ['NET_ADMIN', 'NET_RAW'] }), drop: ['ALL'] },
    ...(isCni
      ? {
          readOnlyRootFilesystem: true,
          runAsGroup: isTproxy ? 1337 : pod.proxyGid,
          runAsUser: isTproxy ? 1337 : pod.proxyUid,
          runAsNonRoot: true,
        }
      : { readOnlyRootFilesystem: false, runAsGroup: 0, runAsNonRoot: false, runAsUser: 0 }),
    ...(isObject(seccompProfile) ? { seccompProfile: seccompProfile as { type: string } } : {}),
  };
}

function proxyContainer(pod: TemplateContext, isNative: boolean): Container {
  return {
    name: 'istio-proxy',
    image: imageOf(pod),
    ...(isNative ? { restartPolicy: 'Always' as const } : {}),
    ports: [{ containerPort: 15090, protocol: 'TCP', name: 'http-envoy-prom' }],
    args: ['proxy', 'sidecar', ...parts.agentArgs(pod), ...outlierLog(pod)],
    ...lifecycleOf(pod, isNative),
    env: proxyEnv(pod),
    ...context.pullPolicy(pod),
    ...probesOf(pod),
    securityContext: proxySecurity(pod),
    resources: context.proxyResources(pod),
    volumeMounts: [
      ...parts.proxyMounts(pod, LAYOUT, bootstrapMounts(pod)),
      ...(parts.userEntries(pod, 'sidecar.istio.io/userVolumeMount') as NonNullable<Container['volumeMounts']>),
    ],
  };
}

function outlierLog(pod: TemplateContext): string[] {
  const path = textValue(pod, 'global.proxy.outlierLogPath');
  return path === '' ? [] : [`--outlierLogPath=${path}`];
}

function lifecycleOf(pod: TemplateContext, isNative: boolean): Pick<Container, 'lifecycle'> {
  const custom = valueAt(pod.config.values, 'global.proxy.lifecycle');
  if (isObject(custom) && Object.keys(custom).length > 0) return { lifecycle: custom };
  if (isNative) {
    // The kubelet stops native sidecars last: begin to drain when the pod begins to stop.
    const statusPort = annotationOr(pod, 'status.sidecar.istio.io/port', 'global.proxy.statusPort');
    return { lifecycle: { preStop: { exec: { command: ['pilot-agent', 'request', `--debug-port=${statusPort}`, 'POST', 'drain'] } } } };
  }
  return holdsApplication(pod) ? { lifecycle: { postStart: { exec: { command: ['pilot-agent', 'wait'] } } } } : {};
}

const holdsApplication = (pod: TemplateContext): boolean =>
  pod.proxyConfig['holdApplicationUntilProxyStarts'] === true || isEnabled(pod, 'global.proxy.holdApplicationUntilProxyStarts');

function proxyEnv(pod: TemplateContext): NonNullable<Container['env']> {
  const inbound = valueAt(pod.config.meshConfig, 'inboundTrafficPolicy.mode');
  const workloadName = pod.metadata.labels?.['service.istio.io/workload-name'] || pod.workload.name;
  return [
    ...(inbound === 'LOCALHOST' ? [parts.variable('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION', 'true')] : []),
    ...parts.identityEnv(pod),
    parts.cpuLimit,
    parts.proxyConfigEnv(pod),
    parts.podPortsEnv(pod),
    parts.appContainersEnv(pod),
    parts.memoryLimit,
    ...parts.complianceEnv(pod),
    parts.clusterEnv(pod),
    parts.nodeName,
    parts.interceptionEnv(pod),
    ...parts.networkEnv(pod),
    ...parts.workloadEnv(pod, workloadName),
    ...(hasAnnotation(pod, 'sidecar.istio.io/bootstrapOverride')
      ? [parts.variable('ISTIO_BOOTSTRAP_OVERRIDE', '/etc/istio/custom-bootstrap/custom_bootstrap.json')]
      : []),
    ...parts.meshEnv(pod),
    ...datadogEnv(pod),
    ...otelEnv(pod),
    ...parts.metadataEnv(pod),
  ];
}

function datadogEnv(pod: TemplateContext): NonNullable<Container['env']> {
  if (textValue(pod, 'global.proxy.tracer') !== 'datadog') return [];
  return parts.jsonEntries(pod, 'apm.datadoghq.com/env').map(([name, value]) => parts.variable(name, String(value ?? '')));
}

function otelEnv({ config, metadata, workload, spec }: TemplateContext): NonNullable<Container['env']> {
  const { meshConfig } = config;
  const value = otelResourceAttributes({ meshConfig, metadata, namespace: workload.namespace, containers: spec.containers });
  return value === '' ? [] : [parts.variable('OTEL_RESOURCE_ATTRIBUTES', value)];
}

function probesOf(pod: TemplateContext): Pick<Container, 'startupProbe' | 'readinessProbe'> {
  if (annotationOr(pod, 'status.sidecar.istio.io/port', 'global.proxy.statusPort') === '0') return {};
  const startup = { httpGet: { path: '/healthz/ready', port: 15021 }, periodSeconds: 1, timeoutSeconds: 3 };
  const failureThreshold = Number(textValue(pod, 'global.proxy.startupProbe.failureThreshold'));
  return {
    ...(isEnabled(pod, 'global.proxy.startupProbe.enabled') ? { startupProbe: { ...startup, failureThreshold } } : {}),
    readinessProbe: parts.readinessProbe(pod, { port: 15021, annotated: true }),
  };
}

function proxySecurity(pod: TemplateContext): SecurityContext {
  const isTproxy = context.interceptionMode(pod) === 'TPROXY';
  const bindsLowPorts = annotationOr(pod, 'sidecar.istio.io/capNetBindService', 'global.proxy.capNetBindService') === 'true';
  const tracesIptables = proxyMetadataOf(pod.proxyConfig).some(([name, value]) => name === 'IPTABLES_TRACE_LOGGING' && value === 'true');
  const seccompProfile = valueAt(pod.config.values, 'global.proxy.seccompProfile');
  const seccomp = isObject(seccompProfile) ? { seccompProfile: seccompProfile as { type: string } } : {};
  if (tracesIptables) {
    const capabilities = { add: ['NET_ADMIN'], drop: ['ALL'] };
    const user = { runAsGroup: pod.proxyGid, runAsNonRoot: false, runAsUser: 0 };
    return { allowPrivilegeEscalation: true, capabilities, privileged: true, readOnlyRootFilesystem: true, ...user, ...seccomp };
  }
  const privileged = isEnabled(pod, 'global.proxy.privileged');
  const add = [...(isTproxy ? ['NET_ADMIN'] : []), ...(bindsLowPorts ? ['NET_BIND_SERVICE'] : [])];
  const user =
    add.length > 0
      ? { runAsNonRoot: false, runAsUser: 0, runAsGroup: 1337 }
      : { runAsNonRoot: true, runAsUser: pod.proxyUid, runAsGroup: pod.proxyGid };
  return {
    allowPrivilegeEscalation: privileged,
    capabilities: { ...(add.length > 0 ? { add } : {}), drop: ['ALL'] },
    privileged,
    readOnlyRootFilesystem: true,
    ...user,
    ...seccomp,
  };
}

const BOOTSTRAP = 'sidecar.istio.io/bootstrapOverride';
const bootstrapMounts = (pod: TemplateContext) =>
  hasAnnotation(pod, BOOTSTRAP) ? [{ name: 'custom-bootstrap-volume', mountPath: '/etc/istio/custom-bootstrap' }] : [];
const bootstrapVolumes = (pod: TemplateContext) =>
  hasAnnotation(pod, BOOTSTRAP)
    ? [{ name: 'custom-bootstrap-volume', configMap: { name: pod.metadata.annotations?.[BOOTSTRAP] ?? '' } }]
    : [];
