// Destinations of VirtualServices: hosts, ports and subsets that do not exist (IST0101, IST0112), and routes to a service by
// its gateway that leave out the subsets its mesh routes have (IST0140).

import type { Destination, VirtualService } from '@lateen/api';
import type { Collector } from './collector.ts';
import { fullHost, HostRegistry } from './registry.ts';
import type { World } from './world.ts';

type Placed = { destination: Destination; path: string };

/** Every destination of a VirtualService with its path. */
export function destinationsOf({ spec }: VirtualService): Placed[] {
  const found: Placed[] = [];
  for (const protocol of ['http', 'tls', 'tcp'] as const) {
    spec[protocol]?.forEach((rule, r) => {
      rule.route?.forEach(({ destination }, d) => {
        if (destination?.host) found.push({ destination, path: `spec.${protocol}[${r}].route[${d}].destination` });
      });
    });
  }
  spec.http?.forEach((rule, r) => {
    if (rule.mirror?.host) found.push({ destination: rule.mirror, path: `spec.http[${r}].mirror` });
    rule.mirrors?.forEach(({ destination }, m) => {
      if (destination?.host) found.push({ destination, path: `spec.http[${r}].mirrors[${m}].destination` });
    });
  });
  return found;
}

const namespaceOf = ({ metadata }: { metadata: { namespace?: string } }): string => metadata.namespace ?? '';

export function analyzeDestinationHosts(world: World, out: Collector): void {
  const registry = new HostRegistry(world);
  for (const service of world.istio('VirtualService')) {
    const namespace = namespaceOf(service);
    const exportTo = service.spec.exportTo?.filter((scope) => scope !== '*').map((scope) => (scope === '.' ? namespace : scope));
    for (const placed of destinationsOf(service)) {
      checkDestination(service, placed, { registry, namespaces: exportTo?.length ? exportTo : [namespace], out });
    }
  }
}

type CheckOptions = { registry: HostRegistry; namespaces: readonly string[]; out: Collector };

function checkDestination(service: VirtualService, { destination, path }: Placed, { registry, namespaces, out }: CheckOptions): void {
  const { host, port } = destination;
  const registered = registry.find(fullHost(host, namespaceOf(service)), namespaces);
  if (!registered) {
    out.add('IST0101', service, {
      path: `${path}.host`,
      message: `Referenced host not found: "${host}"`,
      fix: 'Requests sent there get 503. Check the name and namespace of the Service or ServiceEntry.',
    });
    return;
  }
  const ports = registered.ports.filter(({ protocol }) => protocol !== 'UDP');
  if (port?.number) {
    if (ports.length > 0 && !ports.some(({ number }) => number === port.number)) {
      out.add('IST0101', service, {
        path: `${path}.port.number`,
        message: `Referenced host:port not found: "${host}:${port.number}"`,
        fix: `Its ports are ${ports.map(({ number }) => number).join(', ')}.`,
      });
    }
  } else if (ports.length > 1) {
    const numbers = ports.map(({ number }) => number);
    out.add('IST0112', service, {
      path,
      message: `This VirtualService routes to a service "${host}" that exposes multiple ports [${numbers.join(' ')}]. Specifying a port in the destination is required to disambiguate.`,
    });
  }
}

export function analyzeDestinationSubsets(world: World, out: Collector): void {
  const subsets = new Map<string, Set<string>>();
  for (const rule of world.istio('DestinationRule')) {
    const host = fullHost(rule.spec.host ?? '', namespaceOf(rule));
    const names = subsets.get(host) ?? new Set<string>();
    for (const { name } of rule.spec.subsets ?? []) names.add(name);
    subsets.set(host, names);
  }
  for (const service of world.istio('VirtualService')) {
    for (const { destination, path } of destinationsOf(service)) {
      const { host, subset } = destination;
      if (!subset) continue;
      const known = subsets.get(fullHost(host, namespaceOf(service)));
      if (known?.has(subset)) continue;
      out.add('IST0101', service, {
        path: `${path}.subset`,
        message: `Referenced host+subset in destinationrule not found: "${host}+${subset}"`,
        fix: known?.size ? `Its subsets are ${[...known].join(', ')}.` : `Define it in a DestinationRule with host: ${host}.`,
      });
    }
  }
}

/** Rules for "mesh" do not apply to what enters by a gateway: a gateway route without subset spreads over all versions. */
export function analyzeIngressSubsets(world: World, out: Collector): void {
  const services = world.istio('VirtualService');
  const pinned = new Map<string, VirtualService>();
  for (const service of services) {
    const appliesToMesh = !service.spec.gateways?.length || service.spec.gateways.includes('mesh');
    if (!appliesToMesh || !destinationsOf(service).some(({ destination }) => destination.subset)) continue;
    for (const host of service.spec.hosts ?? []) pinned.set(fullHost(host, namespaceOf(service)), service);
  }
  for (const service of services) {
    const gateways = service.spec.gateways ?? [];
    if (gateways.length === 0 || gateways.includes('mesh')) continue;
    for (const { destination, path } of destinationsOf(service)) {
      const other = pinned.get(fullHost(destination.host, namespaceOf(service)));
      if (destination.subset || !other || path.includes('mirror')) continue;
      out.add('IST0140', service, {
        path,
        message: `Subset in virtual service ${namespaceOf(other)}/${other.metadata.name} has no effect on ingress gateway ${gateways.join(', ')} requests`,
        fix: 'Name the subset in this destination too, or bind the other VirtualService to the gateway.',
      });
    }
  }
}
