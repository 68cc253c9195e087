// What this version of the mesh accepts and stores but does not act on: said when the object is applied, so that nobody relies
// on it. A feature that is built loses its line here.

import type { Finding, ResourceRef } from '@lateen/api';
import type { KubeObject } from '@lateen/kube/types';
import type { DestinationRule, Gateway, Sidecar, Telemetry, VirtualService } from '../model/index.ts';

const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  PeerAuthentication: 'connections stay plaintext',
  RequestAuthentication: 'tokens are not checked',
  AuthorizationPolicy: 'no request is denied by it',
  EnvoyFilter: 'no configuration is patched by it',
  WasmPlugin: 'no module is loaded',
  WorkloadGroup: 'no workload is registered by it',
};

type Gap = { path: string; what: string };

/** Warnings (LAT0210) about the kind or the fields of this object that have no effect yet. */
export function checkSupport(object: KubeObject): Finding[] {
  const [group = ''] = object.apiVersion.split('/');
  if (!group.endsWith('.istio.io')) return [];
  const { kind, metadata } = object;
  const resource: ResourceRef = {
    apiVersion: object.apiVersion,
    kind,
    ...(metadata.namespace && { namespace: metadata.namespace }),
    name: metadata.name,
  };
  const warn = (path: string, message: string): Finding => ({ code: 'LAT0210', level: 'warning', path, message, resource });
  const consequence = Object.hasOwn(WITHOUT_EFFECT, kind) ? WITHOUT_EFFECT[kind] : undefined;
  if (consequence) return [warn('', `${kind} is stored but not supported yet: ${consequence}`)];
  return gapsOf(object).map(({ path, what }) => warn(path, `${what} is not supported yet and has no effect`));
}

function gapsOf(object: KubeObject): Gap[] {
  switch (object.kind) {
    case 'Gateway':
      return gatewayGaps(object as KubeObject & Gateway);
    case 'DestinationRule':
      return destinationRuleGaps(object as KubeObject & DestinationRule);
    case 'VirtualService':
      return virtualServiceGaps(object as KubeObject & VirtualService);
    case 'Sidecar':
      return sidecarGaps(object as KubeObject & Sidecar);
    case 'Telemetry':
      return telemetryGaps(object as KubeObject & Telemetry);
    default:
      return [];
  }
}

function gatewayGaps({ spec }: Gateway): Gap[] {
  return (spec.servers ?? []).flatMap(({ tls, port }, index) => {
    const mode = tls?.mode ?? (port.protocol?.toUpperCase() === 'HTTPS' ? 'SIMPLE' : 'PASSTHROUGH');
    return mode === 'PASSTHROUGH'
      ? []
      : [{ path: `spec.servers[${index}].tls`, what: `TLS mode ${mode} of a gateway server (its port stays closed)` }];
  });
}

function destinationRuleGaps({ spec }: DestinationRule): Gap[] {
  const policies: [string, typeof spec.trafficPolicy][] = [
    ['spec.trafficPolicy', spec.trafficPolicy],
    ...(spec.subsets ?? []).map(({ trafficPolicy }, index): [string, typeof spec.trafficPolicy] => [
      `spec.subsets[${index}].trafficPolicy`,
      trafficPolicy,
    ]),
  ];
  return policies.flatMap(([path, policy]) => [
    ...(policy?.tls?.mode && policy.tls.mode !== 'DISABLE'
      ? [{ path: `${path}.tls.mode`, what: `TLS mode ${policy.tls.mode} (connections stay plaintext)` }]
      : []),
    ...(policy?.tunnel ? [{ path: `${path}.tunnel`, what: 'a tunnel' }] : []),
    ...(policy?.proxyProtocol ? [{ path: `${path}.proxyProtocol`, what: 'the PROXY protocol' }] : []),
    ...(policy?.retryBudget ? [{ path: `${path}.retryBudget`, what: 'a retry budget' }] : []),
    ...(policy?.loadBalancer?.localityLbSetting?.failoverPriority?.length
      ? [{ path: `${path}.loadBalancer.localityLbSetting.failoverPriority`, what: 'failover by labels' }]
      : []),
  ]);
}

function virtualServiceGaps({ spec }: VirtualService): Gap[] {
  return (spec.http ?? []).flatMap((rule, index) => [
    ...(rule.retries?.retryRemoteLocalities
      ? [{ path: `spec.http[${index}].retries.retryRemoteLocalities`, what: 'retrying in other localities' }]
      : []),
    ...(rule.match ?? []).flatMap((match, at) =>
      Object.keys({ ...match.headers, ...match.withoutHeaders }).some((name) => name.startsWith('@request.auth.'))
        ? [{ path: `spec.http[${index}].match[${at}].headers`, what: 'matching claims of a token' }]
        : [],
    ),
  ]);
}

const sidecarGaps = ({ spec }: Sidecar): Gap[] => [
  ...(spec.ingress?.length ? [{ path: 'spec.ingress', what: 'an ingress listener of a Sidecar' }] : []),
  ...(spec.egress ?? []).flatMap((listener, index) =>
    listener.port || listener.bind ? [{ path: `spec.egress[${index}]`, what: 'an egress listener with its own port or bind address' }] : [],
  ),
];

const telemetryGaps = ({ spec }: Telemetry): Gap[] => [
  ...(spec.tracing?.length ? [{ path: 'spec.tracing', what: 'tracing' }] : []),
  ...(spec.metrics?.length ? [{ path: 'spec.metrics', what: 'changing metrics' }] : []),
  ...(spec.accessLogging ?? []).flatMap((entry, index) =>
    entry.filter ? [{ path: `spec.accessLogging[${index}].filter`, what: 'an access log filter' }] : [],
  ),
];
