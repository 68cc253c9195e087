// Gateways: pods and ports (IST0101, IST0162), two that serve the same (IST0145), shared certificates (IST0138).

import type { Gateway } from '@lateen/api';
import type { Collector } from './collector.ts';
import { selectorText, selects } from './selectors.ts';
import type { World } from './world.ts';

const nameOf = ({ metadata }: Gateway): string => `${metadata.namespace}/${metadata.name}`;

export function analyzeGatewayPorts(world: World, out: Collector): void {
  for (const gateway of world.istio('Gateway')) {
    const selector = gateway.spec.selector ?? {};
    const pods = world.workloads.filter(({ labels }) => selects(selector, labels));
    if (pods.length === 0) {
      out.add('IST0101', gateway, {
        path: 'spec.selector',
        message: `Referenced selector not found: "${selectorText(selector)}"`,
        fix: 'No pod has these labels, so the gateway is served nowhere. The default ingress gateway has istio=ingressgateway.',
      });
      continue;
    }
    const ports = exposedPorts(world, pods);
    if (ports.size === 0) continue;
    gateway.spec.servers?.forEach((server, i) => {
      const number = server.port?.number;
      if (!number || ports.has(number)) return;
      out.add('IST0162', gateway, {
        path: `spec.servers[${i}].port.number`,
        message: `The gateway is listening on a target port (port ${number}) that is not defined in the Service associated with its workload instances (Pod selector ${selectorText(selector)}).`,
        fix: `The Service exposes ${[...ports].join(', ')}.`,
      });
    });
  }
}

const USUAL_PORTS: ReadonlyMap<string, number> = new Map([
  ['http2', 80],
  ['https', 443],
]);

// A server's port may be written as the service's port or as the port of the pods behind it.
function exposedPorts(world: World, pods: World['workloads']): Set<number> {
  const ports = new Set<number>();
  for (const service of world.services) {
    const selector = service.spec.selector;
    if (!selector || !pods.some(({ namespace, labels }) => namespace === service.metadata.namespace && selects(selector, labels))) continue;
    for (const { name = '', port, targetPort, protocol = 'TCP' } of service.spec.ports ?? []) {
      if (protocol !== 'TCP') continue;
      ports.add(port);
      if (typeof targetPort === 'number') ports.add(targetPort);
      // As translation does: where the Service has another port for it, 80 and 443 mean the ones of these names.
      const usual = USUAL_PORTS.get(name);
      if (usual !== undefined) ports.add(usual);
    }
  }
  return ports;
}

type Server = { gateway: Gateway; port: number; bind: string; hosts: string[] };

export function analyzeConflictingGateways(world: World, out: Collector): void {
  const servers = world
    .istio('Gateway')
    .flatMap((gateway) =>
      (gateway.spec.servers ?? []).flatMap((server): Server[] =>
        server.port?.number ? [{ gateway, port: server.port.number, bind: server.bind ?? '', hosts: server.hosts ?? [] }] : [],
      ),
    );
  const conflicts = new Map<Gateway, { others: Set<string>; port: number; hosts: Set<string> }>();
  for (const server of servers) {
    for (const other of servers) {
      if (other.gateway === server.gateway || other.port !== server.port || other.bind !== server.bind) continue;
      const shared = server.hosts.filter((host) => other.hosts.includes(host));
      if (shared.length === 0 || !sharePods(world, server.gateway, other.gateway)) continue;
      const conflict = conflicts.get(server.gateway) ?? { others: new Set(), port: server.port, hosts: new Set() };
      conflict.others.add(nameOf(other.gateway));
      for (const host of shared) conflict.hosts.add(host);
      conflicts.set(server.gateway, conflict);
    }
  }
  for (const [gateway, { others, port, hosts }] of conflicts) {
    out.add('IST0145', gateway, {
      path: 'spec.servers',
      message: `Conflict with gateways ${[...others].sort().join(',')} (workload selector ${selectorText(gateway.spec.selector ?? {})}, port ${port}, hosts ${[...hosts].join(',')}).`,
    });
  }
}

function sharePods(world: World, a: Gateway, b: Gateway): boolean {
  const [left, right] = [a.spec.selector ?? {}, b.spec.selector ?? {}];
  if (selects(left, right) || selects(right, left)) return true;
  return world.workloads.some(({ labels }) => selects(left, labels) && selects(right, labels));
}

/** Certificates of a gateway, as a text that equals for equal ones. */
function certificatesOf({ spec }: Gateway): string[] {
  return (spec.servers ?? []).flatMap(({ tls }) => {
    if (!tls) return [];
    const names = [tls.credentialName, ...(tls.credentialNames ?? [])].flatMap((name) => (name ? [`secret ${name}`] : []));
    return tls.serverCertificate && tls.privateKey ? [...names, `files ${tls.serverCertificate} ${tls.privateKey}`] : names;
  });
}

/** Clients reuse an HTTP/2 connection for every host of its certificate; the other gateway's hosts then get 404. */
export function analyzeSharedCertificates(world: World, out: Collector): void {
  const gateways = world.istio('Gateway');
  for (const gateway of gateways) {
    const own = certificatesOf(gateway);
    const sharing = gateways.filter(
      (other) =>
        other !== gateway &&
        selects(gateway.spec.selector, other.spec.selector ?? {}) &&
        certificatesOf(other).some((certificate) => own.includes(certificate)),
    );
    if (sharing.length === 0) continue;
    const names = [gateway, ...sharing].map(nameOf).sort();
    out.add('IST0138', gateway, {
      path: 'spec.servers',
      message: `Duplicate certificate in multiple gateways [${names.join(' ')}] may cause 404s if clients re-use HTTP2 connections.`,
      fix: 'Put the hosts of one certificate into one Gateway.',
    });
  }
}
