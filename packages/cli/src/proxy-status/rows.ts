import { compare } from '../proxy-config/cluster-name.ts';

/** One proxy in the control plane's /debug/syncz: nonces sent and acknowledged by type, as Istio writes them. */
export type ProxySync = {
  cluster_id?: string;
  proxy: string;
  istio_version?: string;
  istiod?: string;
  [nonce: string]: string | undefined;
};

export const PROXY_STATUS_HEADER = ['NAME', 'CLUSTER', 'ISTIOD', 'VERSION', 'SUBSCRIBED TYPES'];

const TYPES = [
  ['CDS', 'cluster'],
  ['LDS', 'listener'],
  ['EDS', 'endpoint'],
  ['RDS', 'route'],
  ['ECDS', 'extensionconfig'],
] as const;

/** Sorted by name. A type that is not in sync says so behind its name. */
export function proxyStatusRows(proxies: ProxySync[]): string[][] {
  return [...proxies]
    .sort((a, b) => compare(a.proxy, b.proxy))
    .map((sync) => [sync.proxy, sync.cluster_id ?? '', sync.istiod ?? '', sync.istio_version ?? '', describeTypes(sync)]);
}

function describeTypes(sync: ProxySync): string {
  const subscribed = TYPES.filter(([, field]) => sync[`${field}_sent`]);
  const names = subscribed.map(([name, field]) => (sync[`${field}_sent`] === sync[`${field}_acked`] ? name : `${name}:STALE`));
  return `${subscribed.length} (${names.join(',')})`;
}
