// VirtualServices for sidecars that define the same host (IST0109), and routing by token claims without authentication (IST0149).

import { isClaimName, type VirtualService } from '@lateen/api';
import { hostsIntersect } from '@lateen/base';
import type { Collector } from './collector.ts';
import { fullHost } from './registry.ts';
import { selects } from './selectors.ts';
import { gatewayNameOf, gatewaysByName } from './virtual-service-gateways.ts';
import type { World } from './world.ts';

const nameOf = ({ metadata }: VirtualService): string => `${metadata.namespace}/${metadata.name}`;

export function analyzeMeshHostConflicts(world: World, out: Collector): void {
  // Scope (a namespace, or "*") and host to the rules visible there.
  const byScope = new Map<string, Map<string, VirtualService[]>>();
  for (const service of world.istio('VirtualService')) {
    const { gateways, hosts = [], exportTo } = service.spec;
    if (gateways?.length && !gateways.includes('mesh')) continue;
    const own = service.metadata.namespace ?? '';
    const scopes = exportTo?.length ? new Set(exportTo.map((scope) => (scope === '.' ? own : scope))) : ['*'];
    for (const scope of scopes) {
      const hostsOfScope = byScope.get(scope) ?? new Map<string, VirtualService[]>();
      byScope.set(scope, hostsOfScope);
      for (const host of new Set(hosts.map((name) => fullHost(name, own))))
        hostsOfScope.set(host, [...(hostsOfScope.get(host) ?? []), service]);
    }
  }
  const conflicts = new Map<VirtualService, { names: Set<string>; hosts: Set<string> }>();
  const everywhere = byScope.get('*');
  for (const [scope, hosts] of byScope) {
    for (const [host, own] of hosts) {
      const services = scope === '*' ? own : [...own, ...takingAll(host, everywhere)];
      if (services.length < 2) continue;
      for (const service of services) {
        const conflict = conflicts.get(service) ?? { names: new Set(), hosts: new Set() };
        for (const other of services) conflict.names.add(nameOf(other));
        conflict.hosts.add(host);
        conflicts.set(service, conflict);
      }
    }
  }
  for (const [service, { names, hosts }] of conflicts) {
    out.add('IST0109', service, {
      path: 'spec.hosts',
      message: `The VirtualServices ${[...names].sort().join(',')} associated with mesh gateway define the same host ${[...hosts].join(', ')} which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.`,
      fix: 'Only the oldest takes effect.',
    });
  }
}

/** What is visible everywhere meets what a single namespace sees: for the same host, or for a wildcard of both. */
function takingAll(host: string, everywhere: ReadonlyMap<string, VirtualService[]> | undefined): VirtualService[] {
  const same = everywhere?.get(host) ?? [];
  if (!host.startsWith('*')) return same;
  const wider = [...(everywhere ?? [])].filter(([other]) => other !== host && other.startsWith('*') && hostsIntersect(host, other));
  return [...same, ...wider.flatMap(([, services]) => services)];
}

export function analyzeClaimRouting(world: World, out: Collector): void {
  const authentications = world.istio('RequestAuthentication');
  const gateways = gatewaysByName(world);
  for (const service of world.istio('VirtualService')) {
    const claim = claimOf(service);
    if (!claim) continue;
    for (const reference of service.spec.gateways ?? []) {
      const { namespace, name } = gatewayNameOf(reference, service.metadata.namespace ?? '');
      const gateway = gateways.get(`${namespace}/${name}`);
      const pod = gateway && world.pods.find(({ labels }) => selects(gateway.spec.selector, labels));
      if (!pod) continue;
      const covered = authentications.some(({ metadata, spec }) => {
        const inScope = metadata.namespace === pod.namespace || metadata.namespace === world.rootNamespace;
        return inScope && selects(spec.selector?.matchLabels, pod.labels);
      });
      if (covered) continue;
      out.add('IST0149', service, {
        path: 'spec.http',
        message: `The virtual service uses the JWT claim based routing (key: ${claim}) but found no request authentication for the gateway (${reference}) pod (${pod.name}).`,
        fix: 'Apply a RequestAuthentication that selects the gateway pods.',
      });
    }
  }
}

function claimOf({ spec }: VirtualService): string | undefined {
  for (const rule of spec.http ?? []) {
    for (const match of rule.match ?? []) {
      const claim = [...Object.keys(match.headers ?? {}), ...Object.keys(match.withoutHeaders ?? {})].find(isClaimName);
      if (claim) return claim;
    }
  }
  return undefined;
}
