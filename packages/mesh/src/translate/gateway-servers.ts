// Which Gateway servers a gateway workload serves, by the port it must bind.

import { intersectHosts } from '@lateen/base';
import {
  compareAge,
  type Gateway,
  type GatewayServer,
  labelsMatch,
  type ObjectRef,
  type Protocol,
  parseProtocol,
  refOf,
} from '../model/index.ts';
import { inboundPorts } from './inbound-ports.ts';
import type { View } from './view.ts';
import type { ResolvedVirtualService } from './virtual-service-rules.ts';

export type ServerBinding = {
  gateway: Gateway;
  source: ObjectRef;
  /** "namespace/name", as VirtualServices call it. */
  name: string;
  server: GatewayServer;
  /** `spec.servers[i]`. */
  path: string;
  protocol: Protocol;
  hosts: readonly ServerHost[];
};

/** A server host: which hosts, and from which namespace its VirtualServices may come ("*" any). */
export type ServerHost = { namespace: string; host: string };

export type GatewayPort = { port: number; servers: readonly ServerBinding[] };

/** Sorted by port; the servers of a port oldest Gateway first. */
export function gatewayPorts(view: View): GatewayPort[] {
  const { scope, snapshot } = view;
  const ports = new Map<number, ServerBinding[]>();
  const targets = publishedPorts(view);
  const gateways = [...snapshot.gateways.values()].sort(compareAge).filter((gateway) => labelsMatch(gateway.spec.selector, scope.labels));
  for (const gateway of gateways) {
    const source = refOf(gateway);
    (gateway.spec.servers ?? []).forEach((server, index) => {
      // A port of the gateway's Service means what it forwards to; any other number is the pod's own port.
      const port = targets.get(server.port.number) ?? server.port.number;
      const binding = {
        gateway,
        source,
        name: `${source.namespace}/${source.name}`,
        server,
        path: `spec.servers[${index}]`,
        protocol: parseProtocol(server.port.protocol),
        hosts: (server.hosts ?? []).map((host) => parseServerHost(host, source.namespace)),
      };
      const list = ports.get(port);
      if (list) list.push(binding);
      else ports.set(port, [binding]);
    });
  }
  return [...ports].map(([port, servers]) => ({ port, servers })).sort((a, b) => a.port - b.port);
}

// Service port -> pod port. A gateway published elsewhere than on 80 and 443 (8080, where 80 cannot be bound) still answers
// for Gateways that say 80 and 443: the Service's ports named http2 and https are meant.
function publishedPorts(view: View): Map<number, number> {
  const inbound = inboundPorts(view);
  const targets = new Map(inbound.map(({ port, targetPort }) => [port.port, targetPort]));
  for (const [number, name] of [
    [80, 'http2'],
    [443, 'https'],
  ] as const) {
    const named = inbound.find(({ port }) => port.name === name);
    if (named && !targets.has(number)) targets.set(number, named.targetPort);
  }
  return targets;
}

export function parseServerHost(text: string, gatewayNamespace: string): ServerHost {
  const slash = text.indexOf('/');
  if (slash < 0) return { namespace: '*', host: text.toLowerCase() };
  const namespace = text.slice(0, slash);
  return { namespace: namespace === '.' ? gatewayNamespace : namespace, host: text.slice(slash + 1).toLowerCase() };
}

/** The hosts on which a VirtualService may answer at these server hosts: the narrower of each pair that meets. */
export function sharedHosts(hosts: readonly ServerHost[], rules: Pick<ResolvedVirtualService, 'hosts' | 'source'>): string[] {
  const shared = new Set<string>();
  for (const { namespace, host } of hosts) {
    if (namespace !== '*' && namespace !== rules.source.namespace) continue;
    for (const ruleHost of rules.hosts) {
      const both = intersectHosts(host, ruleHost);
      if (both !== undefined) shared.add(both);
    }
  }
  return [...shared];
}
