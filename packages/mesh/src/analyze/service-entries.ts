// ServiceEntries: TCP ports without addresses (IST0134), one host and port with two protocols (IST0177).

import { isAutoAllocated, type ServiceEntry } from '@lateen/api';
import { isObject } from '@lateen/base';
import type { Collector } from './collector.ts';
import { fullHost } from './registry.ts';
import type { World } from './world.ts';

/** Proxy metadata that makes sidecars answer DNS, and so tell hosts without address apart. */
export type DnsCapture = { capture: boolean; autoAllocate: boolean };

export function analyzeServiceEntryAddresses(world: World, out: Collector, dns: DnsCapture): void {
  for (const entry of world.istio('ServiceEntry')) {
    const { spec } = entry;
    if (spec.addresses?.length || dns.autoAllocate || (dns.capture && (isAutoAllocated(entry) || hasAllocated(entry)))) continue;
    const index = spec.ports?.findIndex(({ protocol = '' }) => protocol === '' || protocol.toUpperCase() === 'TCP') ?? -1;
    if (index < 0) continue;
    out.add('IST0134', entry, {
      path: `spec.ports[${index}]`,
      message: 'ServiceEntry addresses are required for this protocol.',
      fix: 'Without an address every TCP connection to this port goes here. Set addresses, or a protocol like HTTPS.',
    });
  }
}

/** Whether the control plane has given it addresses already. */
function hasAllocated(entry: ServiceEntry): boolean {
  const { status } = entry as { status?: unknown };
  return isObject(status) && Array.isArray(status.addresses) && status.addresses.length > 0;
}

export function analyzeServiceEntryProtocols(world: World, out: Collector): void {
  const byPort = new Map<string, { entry: ServiceEntry; protocol: string; index: number }[]>();
  for (const entry of world.istio('ServiceEntry')) {
    for (const host of entry.spec.hosts ?? []) {
      entry.spec.ports?.forEach(({ number, protocol = '' }, index) => {
        const key = `${fullHost(host, entry.metadata.namespace ?? '')}:${number}`;
        byPort.set(key, [...(byPort.get(key) ?? []), { entry, protocol: protocol.toUpperCase(), index }]);
      });
    }
  }
  for (const [key, users] of byPort) {
    for (const { entry, protocol, index } of users) {
      const others = users.filter((other) => other.entry !== entry && other.protocol !== protocol && seeEachOther(entry, other.entry));
      if (others.length === 0) continue;
      const names = others.map((other) => `${other.entry.metadata.namespace}/${other.entry.metadata.name} (${other.protocol || 'none'})`);
      const message = `ServiceEntry ${entry.metadata.name} defines ${key} with protocol ${protocol || 'none'}, in conflict with ${names.join(', ')}.`;
      out.add('IST0177', entry, { path: `spec.ports[${index}].protocol`, message });
    }
  }
}

// Whether some namespace sees both.
function seeEachOther(a: ServiceEntry, b: ServiceEntry): boolean {
  const [left, right] = [scopesOf(a), scopesOf(b)];
  return left.includes('*') || right.includes('*') || left.some((scope) => right.includes(scope));
}

const scopesOf = ({ metadata, spec }: ServiceEntry): string[] =>
  spec.exportTo?.length ? spec.exportTo.map((scope) => (scope === '.' ? (metadata.namespace ?? '') : scope)) : ['*'];
