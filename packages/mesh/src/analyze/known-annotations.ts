// Annotations the mesh reads, the kinds they go on, and what their values must be.

import { parseCidr, parseDuration } from '@lateen/base';

export type KnownAnnotation = { kinds: readonly string[]; deprecated?: true; problem?: (value: string) => string | undefined };

const on = (...kinds: string[]): KnownAnnotation => ({ kinds });
const pod = on('Pod');
const anyKind = on('Any');
const podWith = (problem: (value: string) => string | undefined): KnownAnnotation => ({ kinds: ['Pod'], problem });
const old = (known: KnownAnnotation): KnownAnnotation => ({ ...known, deprecated: true });

const integer = (value: string): string | undefined =>
  /^\d{1,10}$/.test(value) ? undefined : `${JSON.stringify(value)} is not a whole number`;
const boolean = (value: string): string | undefined =>
  /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(value) ? undefined : `${JSON.stringify(value)} is neither "true" nor "false"`;
const duration = (value: string): string | undefined =>
  parseDuration(value).ok ? undefined : `${JSON.stringify(value)} is not a duration like 5s`;

const list = (value: string): string[] => value.split(',').flatMap((part) => (part.trim() ? [part.trim()] : []));

function portNumbers(value: string): string | undefined {
  const bad = list(value).find((port) => !/^\d{1,5}$/.test(port) || Number(port) > 65535);
  return bad === undefined ? undefined : `${JSON.stringify(bad)} is not a port`;
}
const ports = (value: string): string | undefined => (value === '*' ? undefined : portNumbers(value));

function cidrs(value: string): string | undefined {
  if (value === '*') return undefined;
  const bad = list(value).find((block) => !block.includes('/') || !parseCidr(block).ok);
  return bad === undefined ? undefined : `${JSON.stringify(bad)} is not a CIDR block`;
}

const interception = (value: string): string | undefined =>
  ['REDIRECT', 'TPROXY', 'NONE'].includes(value) ? undefined : 'must be REDIRECT, TPROXY or NONE';

/** By name. Kinds "Any" means every kind. */
export const ANNOTATIONS: Readonly<Record<string, KnownAnnotation>> = {
  'kubernetes.io/ingress.class': on('Ingress'),
  'galley.istio.io/analyze-suppress': anyKind,
  'istio.io/dry-run': on('AuthorizationPolicy'),
  'istio.io/autoRegistrationGroup': on('WorkloadEntry'),
  'istio.io/connectedAt': on('WorkloadEntry'),
  'istio.io/disconnectedAt': on('WorkloadEntry'),
  'istio.io/workloadController': on('WorkloadEntry'),
  'istio.io/rev': anyKind,
  'ambient.istio.io/redirection': pod,
  'ambient.istio.io/bypass-inbound-capture': pod,
  'ambient.istio.io/dns-capture': pod,
  'ambient.istio.io/waypoint-inbound-binding': on('GatewayClass'),
  'gateway.istio.io/name-override': on('Gateway'),
  'gateway.istio.io/service-account': on('Gateway'),
  'gateway.istio.io/controller-version': on('Gateway'),
  'gateway.istio.io/tls-cipher-suites': on('Gateway'),
  'inject.istio.io/templates': pod,
  'install.operator.istio.io/chart-owner': anyKind,
  'install.operator.istio.io/owner-generation': anyKind,
  'install.operator.istio.io/version': anyKind,
  'internal.istio.io/service-upgrade-compat': anyKind,
  'internal.istio.io/webhook-always-reject': anyKind,
  'networking.istio.io/exportTo': on('Service'),
  'networking.istio.io/traffic-distribution': on('Service', 'Namespace', 'ServiceEntry'),
  'networking.istio.io/service-type': on('Gateway'),
  'networking.istio.io/address-type': on('Gateway'),
  'prometheus.istio.io/merge-metrics': podWith(boolean),
  'proxy.istio.io/config': pod,
  'proxy.istio.io/overrides': pod,
  'readiness.status.sidecar.istio.io/applicationPorts': podWith(portNumbers),
  'readiness.status.sidecar.istio.io/failureThreshold': podWith(integer),
  'readiness.status.sidecar.istio.io/initialDelaySeconds': podWith(integer),
  'readiness.status.sidecar.istio.io/periodSeconds': podWith(integer),
  'security.istio.io/tlsMode': pod,
  'sidecar.istio.io/agentLogLevel': pod,
  'sidecar.istio.io/bootstrapOverride': pod,
  'sidecar.istio.io/componentLogLevel': pod,
  'sidecar.istio.io/controlPlaneAuthPolicy': old(pod),
  'sidecar.istio.io/discoveryAddress': old(pod),
  'sidecar.istio.io/enableCoreDump': podWith(boolean),
  'sidecar.istio.io/extraStatTags': pod,
  'sidecar.istio.io/inject': podWith(boolean),
  'sidecar.istio.io/interceptionMode': podWith(interception),
  'sidecar.istio.io/logLevel': pod,
  'sidecar.istio.io/nativeSidecar': podWith(boolean),
  'sidecar.istio.io/proxyCPU': pod,
  'sidecar.istio.io/proxyCPULimit': pod,
  'sidecar.istio.io/proxyImage': pod,
  'sidecar.istio.io/proxyImageType': pod,
  'sidecar.istio.io/proxyMemory': pod,
  'sidecar.istio.io/proxyMemoryLimit': pod,
  'sidecar.istio.io/rewriteAppHTTPProbers': podWith(boolean),
  'sidecar.istio.io/statsCompression': podWith(boolean),
  'sidecar.istio.io/statsEvictionInterval': podWith(duration),
  'sidecar.istio.io/statsFlushInterval': podWith(duration),
  'sidecar.istio.io/statsHistogramBuckets': pod,
  'sidecar.istio.io/statsInclusionPrefixes': old(pod),
  'sidecar.istio.io/statsInclusionRegexps': old(pod),
  'sidecar.istio.io/statsInclusionSuffixes': old(pod),
  'sidecar.istio.io/status': pod,
  'sidecar.istio.io/userVolume': pod,
  'sidecar.istio.io/userVolumeMount': pod,
  'status.sidecar.istio.io/port': podWith(portNumbers),
  'topology.istio.io/controlPlaneClusters': on('Namespace'),
  'traffic.istio.io/nodeSelector': on('Service'),
  'traffic.sidecar.istio.io/excludeInboundPorts': podWith(portNumbers),
  'traffic.sidecar.istio.io/excludeInterfaces': pod,
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': podWith((value) =>
    value === '*' ? 'excluding everything is not allowed' : cidrs(value),
  ),
  'traffic.sidecar.istio.io/excludeOutboundPorts': podWith(portNumbers),
  'traffic.sidecar.istio.io/includeInboundPorts': podWith(ports),
  'traffic.sidecar.istio.io/includeOutboundIPRanges': podWith(cidrs),
  'traffic.sidecar.istio.io/includeOutboundPorts': podWith(ports),
  'traffic.sidecar.istio.io/kubevirtInterfaces': old(pod),
  'istio.io/reroute-virtual-interfaces': pod,
};
