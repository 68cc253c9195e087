// What one scope sees of the snapshot: services, rules, and the Sidecar that narrows them. Computed once per translation;
// it answers look-ups and knows nothing of xDS.

import { compareHostSpecificity, hostMatches } from '@lateen/base';
import {
  compareAge,
  type Finding,
  isExportedTo,
  labelsMatch,
  type MeshService,
  type MeshSnapshot,
  refOf,
  type ServicePortModel,
  type Sidecar,
} from '../model/index.ts';
import { destinationRuleFor, type MergedDestinationRule } from './destination-rules.ts';
import type { GatewayTopology, ProxyHeaders } from './node-settings.ts';
import type { ProxyScope } from './scope.ts';
import { type ResolvedVirtualService, resolveVirtualServices } from './virtual-service-rules.ts';

export type View = {
  readonly snapshot: MeshSnapshot;
  readonly scope: ProxyScope;
  /** Sorted by hostname; one service per hostname. */
  readonly services: readonly MeshService[];
  readonly virtualServices: readonly ResolvedVirtualService[];
  readonly allowsAny: boolean;
  /** The proxy's own, else the mesh's. */
  readonly proxyHeaders: ProxyHeaders;
  readonly gatewayTopology: GatewayTopology;
  serviceByHost(hostname: string): MeshService | undefined;
  destinationRuleFor(service: MeshService): MergedDestinationRule | undefined;
  report(finding: Finding): void;
  readonly findings: readonly Finding[];
};

export function createView(snapshot: MeshSnapshot, scope: ProxyScope): View {
  const findings: Finding[] = [];
  const sidecar = scope.type === 'sidecar' ? sidecarFor(snapshot, scope) : undefined;
  const egress = sidecar ? egressHosts(sidecar, findings) : undefined;
  const services = visibleServices(snapshot, scope, egress);
  const byHost = new Map(services.map((service) => [service.hostname, service]));
  const rules = resolveVirtualServices(snapshot.virtualServices, snapshot.mesh.clusterDomain);
  const merged = new Map<string, MergedDestinationRule | undefined>();
  const policy = sidecar?.spec.outboundTrafficPolicy ?? snapshot.mesh.outboundTrafficPolicy;
  findings.push(...rules.findings);
  return {
    snapshot,
    scope,
    services,
    virtualServices: rules.virtualServices.filter((rule) => isVisible(snapshot, scope, rule, egress)),
    proxyHeaders: scope.proxyHeaders ?? snapshot.mesh.defaultConfig.proxyHeaders ?? {},
    gatewayTopology: scope.gatewayTopology ?? snapshot.mesh.defaultConfig.gatewayTopology ?? {},
    allowsAny: (policy.mode ?? 'ALLOW_ANY') === 'ALLOW_ANY',
    serviceByHost: (hostname) => byHost.get(hostname),
    destinationRuleFor(service) {
      if (!merged.has(service.hostname)) merged.set(service.hostname, destinationRuleFor(snapshot, scope, service));
      return merged.get(service.hostname);
    },
    report: (finding) => void findings.push(finding),
    findings,
  };
}

/** The port of a service that a destination means: the one named, the only one, or the listener's. */
export function destinationPort(service: MeshService | undefined, port: number | undefined, listenerPort: number): number {
  if (port !== undefined) return port;
  const only = service?.ports.length === 1 ? (service.ports[0] as ServicePortModel) : undefined;
  return only?.port ?? listenerPort;
}

function visibleServices(snapshot: MeshSnapshot, scope: ProxyScope, egress: readonly EgressHost[] | undefined): MeshService[] {
  const byHost = new Map<string, MeshService>();
  for (const service of snapshot.services.values()) {
    const exported = { exportTo: service.exportTo, owner: service.namespace, fallback: snapshot.mesh.defaultServiceExportTo };
    if (!isExportedTo(exported, scope.namespace)) continue;
    if (egress && !egress.some((entry) => egressAllows(entry, service, scope.namespace))) continue;
    const other = byHost.get(service.hostname);
    if (!other || isPreferred(service, other, scope.namespace)) byHost.set(service.hostname, service);
  }
  return [...byHost.values()].sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
}

// One hostname, several declarations: Kubernetes beats ServiceEntry, the proxy's own namespace beats others, then the oldest.
function isPreferred(a: MeshService, b: MeshService, namespace: string): boolean {
  if (a.registry !== b.registry) return a.registry === 'Kubernetes';
  if ((a.namespace === namespace) !== (b.namespace === namespace)) return a.namespace === namespace;
  return a.creationTimestamp < b.creationTimestamp;
}

function isVisible(
  snapshot: MeshSnapshot,
  scope: ProxyScope,
  rule: ResolvedVirtualService,
  egress: readonly EgressHost[] | undefined,
): boolean {
  const owner = rule.source.namespace;
  const fallback = snapshot.mesh.defaultVirtualServiceExportTo;
  if (!isExportedTo({ exportTo: rule.object.spec.exportTo ?? [], owner, fallback }, scope.namespace)) return false;
  if (!egress) return true;
  return rule.hosts.some((host) =>
    egress.some(
      (entry) => matchesNamespace(entry, owner, scope.namespace) && (hostMatches(entry.host, host) || hostMatches(host, entry.host)),
    ),
  );
}

type EgressHost = { namespace: string; host: string };

function egressHosts(sidecar: Sidecar, findings: Finding[]): EgressHost[] | undefined {
  const { egress, ingress } = sidecar.spec;
  const unsupported = (path: string, what: string) =>
    findings.push({
      code: 'LAT0210',
      level: 'warning',
      resource: refOf(sidecar),
      path,
      message: `${what} is not supported yet and has no effect`,
    });
  if (ingress?.length) unsupported('spec.ingress', 'a Sidecar ingress listener');
  egress?.forEach((listener, index) => {
    if (listener.port || listener.bind) unsupported(`spec.egress[${index}].port`, 'an egress listener of its own port or bind address');
  });
  if (!egress?.length) return undefined;
  return egress.flatMap((listener) =>
    (listener.hosts ?? []).map((entry) => {
      const slash = entry.indexOf('/');
      return slash < 0 ? { namespace: '*', host: entry } : { namespace: entry.slice(0, slash), host: entry.slice(slash + 1) };
    }),
  );
}

const matchesNamespace = (entry: EgressHost, owner: string, own: string): boolean =>
  entry.namespace === '*' || entry.namespace === owner || (entry.namespace === '.' && owner === own);

const egressAllows = (entry: EgressHost, service: MeshService, own: string): boolean =>
  matchesNamespace(entry, service.namespace, own) && hostMatches(entry.host, service.hostname);

// A selector in the proxy's namespace, then that namespace's default, then the root namespace's.
function sidecarFor(snapshot: MeshSnapshot, scope: ProxyScope): Sidecar | undefined {
  const all = [...snapshot.sidecars.values()].sort(compareAge);
  const of = (namespace: string) => all.filter((sidecar) => sidecar.metadata.namespace === namespace);
  const own = of(scope.namespace);
  return (
    own.find((sidecar) => sidecar.spec.workloadSelector?.labels && labelsMatch(sidecar.spec.workloadSelector.labels, scope.labels)) ??
    own.find((sidecar) => !sidecar.spec.workloadSelector?.labels) ??
    of(snapshot.mesh.rootNamespace).find((sidecar) => !sidecar.spec.workloadSelector?.labels)
  );
}

/** The VirtualService that rules a host for sidecars: the most specific host, then the oldest. */
export function virtualServiceForHost(rules: readonly ResolvedVirtualService[], hostname: string): ResolvedVirtualService | undefined {
  let best: { rule: ResolvedVirtualService; host: string } | undefined;
  for (const rule of rules) {
    for (const host of rule.hosts) {
      if (!hostMatches(host, hostname)) continue;
      if (!best || (best.host !== host && compareHostSpecificity(host, best.host) < 0)) best = { rule, host };
    }
  }
  return best?.rule;
}
