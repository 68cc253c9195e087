// The hosts a namespace can send to: Services and ServiceEntries with their visibility.

import type { ServiceEntry } from '@lateen/api';
import type { KubeObject, Service } from '@lateen/kube/types';
import type { World } from './world.ts';

export type RegisteredHost = {
  host: string;
  /** Namespaces that see it; "*" for all. */
  scopes: readonly string[];
  ports: readonly { number: number; protocol: string }[];
  object: KubeObject;
};

const CLUSTER_DOMAIN = 'cluster.local';

/** A short name belongs to the namespace; names with a dot or a wildcard stand for themselves. */
export function fullHost(host: string, namespace: string): string {
  return host.includes('.') || host.includes('*') ? host : `${host}.${namespace}.svc.${CLUSTER_DOMAIN}`;
}

export class HostRegistry {
  readonly #exact = new Map<string, RegisteredHost[]>();
  readonly #wildcards: RegisteredHost[] = [];

  constructor(world: World) {
    for (const service of world.services) this.#addService(service);
    for (const entry of world.istio('ServiceEntry')) this.#addEntry(entry);
  }

  /** What `namespaces` see under this name: the exact host first, then a wildcard that covers it. */
  find(host: string, namespaces: readonly string[]): RegisteredHost | undefined {
    const visible = (candidate: RegisteredHost): boolean => candidate.scopes.some((scope) => scope === '*' || namespaces.includes(scope));
    const wanted = host.startsWith('*') ? host.slice(1) : host;
    return (
      this.#exact.get(host)?.find(visible) ??
      this.#wildcards.find((candidate) => visible(candidate) && wanted.endsWith(candidate.host.slice(1)))
    );
  }

  #add(registered: RegisteredHost): void {
    if (registered.host.startsWith('*')) this.#wildcards.push(registered);
    const list = this.#exact.get(registered.host);
    if (list) list.push(registered);
    else this.#exact.set(registered.host, [registered]);
  }

  #addService(service: Service): void {
    const { name, namespace = '', annotations } = service.metadata;
    const exportTo = annotations?.['networking.istio.io/exportTo'];
    const scopes = exportTo ? exportTo.split(',').map((scope) => scopeOf(scope.trim(), namespace)) : ['*'];
    const ports = (Array.isArray(service.spec.ports) ? service.spec.ports : []).map(({ port, protocol = 'TCP' }) => ({
      number: port,
      protocol,
    }));
    this.#add({ host: `${name}.${namespace}.svc.${CLUSTER_DOMAIN}`, scopes, ports, object: service });
  }

  #addEntry(entry: ServiceEntry): void {
    const { namespace = '' } = entry.metadata;
    const scopes = entry.spec.exportTo?.length ? entry.spec.exportTo.map((scope) => scopeOf(scope, namespace)) : ['*'];
    const ports = (entry.spec.ports ?? []).map(({ number, protocol = '' }) => ({ number, protocol }));
    for (const host of entry.spec.hosts ?? [])
      this.#add({ host: fullHost(host, namespace), scopes, ports, object: entry as unknown as KubeObject });
  }
}

const scopeOf = (scope: string, namespace: string): string => (scope === '.' ? namespace : scope);
