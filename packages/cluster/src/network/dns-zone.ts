// What the cluster's names mean (Kubernetes DNS specification 1.1): a pure function from the service table to answers.

import type { Answer, Question } from 'dns-packet';
import type { ServiceTableEntry } from '../contracts.ts';
import { API_SERVER, CLUSTER_DOMAIN } from './addresses.ts';

const TTL_SECONDS = 5;
const SUFFIX = `.${CLUSTER_DOMAIN}`;

export type ZoneAnswer =
  | { kind: 'answer'; records: Answer[] }
  /** The name exists without records of this type, or does not exist; `authority` lets resolvers remember that. */
  | { kind: 'none'; exists: boolean; authority: Answer[] }
  /** An ExternalName: the CNAME, whose target the caller must resolve too. */
  | { kind: 'alias'; record: Answer; target: string }
  /** Not ours. */
  | { kind: 'forward' };

export type Zone = { answer(question: Question): ZoneAnswer; resolve(name: string): string[] };

type Host = { addresses: string[]; alias?: string };

/** The table is read once; make a new zone for a new table. Names are compared without case, `records` repeat the asked spelling. */
export function createZone(table: ServiceTableEntry[]): Zone {
  const hosts = new Map<string, Host>();
  const services = new Map<string, { name: string; priority: number; weight: number; port: number; target: string }[]>();
  const pointers = new Map<string, string>();
  const names = new Set<string>([CLUSTER_DOMAIN, `svc${SUFFIX}`, `pod${SUFFIX}`]);

  const addService = (entry: ServiceTableEntry) => {
    const base = `${entry.name}.${entry.namespace}.svc${SUFFIX}`.toLowerCase();
    names.add(base.slice(base.indexOf('.') + 1));
    if (entry.externalName !== undefined) {
      hosts.set(base, { addresses: [], alias: entry.externalName.replace(/\.$/, '').toLowerCase() });
      return;
    }
    const targets: string[] = [];
    if (entry.clusterIP !== undefined) {
      hosts.set(base, { addresses: [entry.clusterIP] });
      pointers.set(reverseName(entry.clusterIP), base);
      targets.push(base);
    } else {
      hosts.set(base, { addresses: entry.addresses.map(({ ip }) => ip) });
      for (const { ip, hostname } of entry.addresses) {
        const target = `${(hostname ?? ip.replaceAll('.', '-')).toLowerCase()}.${base}`;
        hosts.set(target, { addresses: [...(hosts.get(target)?.addresses ?? []), ip] });
        if (hostname !== undefined) pointers.set(reverseName(ip), target);
        targets.push(target);
      }
    }
    for (const { name, protocol, port } of entry.ports) {
      if (name === '') continue;
      const key = `_${name}._${protocol}.${base}`.toLowerCase();
      names.add(key.slice(key.indexOf('.') + 1));
      services.set(
        key,
        targets.map((target) => ({ name: key, priority: 0, weight: 100, port, target })),
      );
    }
  };
  addService(API_SERVICE);
  for (const entry of table) addService(entry);

  const hostOf = (name: string): Host | undefined => hosts.get(name) ?? podHost(name);
  const answer = ({ name: asked, type }: Question): ZoneAnswer => {
    const name = asked.toLowerCase();
    const own = name === CLUSTER_DOMAIN || name.endsWith(SUFFIX);
    if (!own) {
      const target = type === 'PTR' ? pointers.get(name) : undefined;
      if (target) return { kind: 'answer', records: [{ type: 'PTR', name: asked, ttl: TTL_SECONDS, data: target }] };
      return isReverseOfCluster(name) ? none(false) : { kind: 'forward' };
    }
    const host = hostOf(name);
    if (host?.alias)
      return { kind: 'alias', record: { type: 'CNAME', name: asked, ttl: TTL_SECONDS, data: host.alias }, target: host.alias };
    if (host && (type === 'A' || type === 'ANY') && host.addresses.length > 0) {
      return { kind: 'answer', records: host.addresses.map((data) => ({ type: 'A', name: asked, ttl: TTL_SECONDS, data })) };
    }
    const found = services.get(name);
    if (found && type === 'SRV' && found.length > 0) {
      return {
        kind: 'answer',
        records: found.map(({ priority, weight, port, target }) => ({
          type: 'SRV',
          name: asked,
          ttl: TTL_SECONDS,
          data: { priority, weight, port, target },
        })),
      };
    }
    // A headless service without ready pods has no name, as with CoreDNS.
    const isEmptyHeadless = host !== undefined && host.addresses.length === 0;
    return none((host !== undefined && !isEmptyHeadless) || found !== undefined || names.has(name));
  };
  return {
    answer,
    resolve: (name) => hostOf(name.toLowerCase())?.addresses ?? [],
  };
}

const API_SERVICE: ServiceTableEntry = {
  namespace: 'default',
  name: 'kubernetes',
  clusterIP: API_SERVER.host,
  externalName: undefined,
  addresses: [],
  ports: [{ name: 'https', protocol: 'TCP', port: API_SERVER.port, targets: [] }],
  loadBalancer: false,
};

const none = (exists: boolean): ZoneAnswer => ({ kind: 'none', exists, authority: [startOfAuthority()] });

function startOfAuthority(): Answer {
  const data = {
    mname: `ns.dns${SUFFIX}`,
    rname: `hostmaster${SUFFIX}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: TTL_SECONDS,
  };
  return { type: 'SOA', name: CLUSTER_DOMAIN, ttl: TTL_SECONDS, data };
}

/** a-b-c-d.NAMESPACE.pod.cluster.local says its own address. */
function podHost(name: string): Host | undefined {
  const match = /^(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.[a-z0-9-]{1,63}\.pod\.cluster\.local$/.exec(name);
  const bytes = match?.slice(1);
  return bytes?.every((byte) => Number(byte) < 256) ? { addresses: [bytes.map(Number).join('.')] } : undefined;
}

const reverseName = (ip: string) => `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
const isReverseOfCluster = (name: string) => name.endsWith('.96.10.in-addr.arpa') || name.endsWith('.244.10.in-addr.arpa');
