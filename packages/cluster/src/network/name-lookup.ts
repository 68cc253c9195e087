import { CLUSTER_DOMAIN } from './addresses.ts';
import type { Zone } from './dns-zone.ts';
import type { HostAccess } from './host-access.ts';

/** Aliases followed before giving up: two ExternalName services may point at each other. */
const MAX_ALIASES = 8;
/** `options ndots:5` of a pod's resolv.conf. */
const NDOTS = 5;

/** IPv4 addresses of a name as a pod of the namespace would find them; empty when there are none. */
export type NameLookup = (name: string, namespace: string) => Promise<string[]>;

/** `zone` is asked anew for each lookup; names that are not the cluster's go to the host's resolver. */
export function createNameLookup(zone: () => Zone, host: Pick<HostAccess, 'lookupOnHost'>): NameLookup {
  const lookup = async (name: string, namespace: string, aliases: number): Promise<string[]> => {
    for (const candidate of searchList(name, namespace)) {
      const found = zone().answer({ name: candidate, type: 'A' });
      if (found.kind === 'answer') return zone().resolve(candidate);
      if (found.kind === 'alias') return aliases >= MAX_ALIASES ? [] : lookup(`${found.target}.`, namespace, aliases + 1);
    }
    return isOfCluster(name) ? [] : host.lookupOnHost(name.replace(/\.$/, ''));
  };
  return (name, namespace) => lookup(name, namespace, 0);
}

/** The names that a resolver with a pod's search list asks for, in order. */
function searchList(name: string, namespace: string): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN].map((suffix) => `${name}.${suffix}`);
  return name.split('.').length > NDOTS ? [name, ...searched] : [...searched, name];
}

const isOfCluster = (name: string): boolean => name.replace(/\.$/, '').toLowerCase().endsWith(`.${CLUSTER_DOMAIN}`);
