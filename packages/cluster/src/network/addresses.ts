// The numbers of the embedded cluster's network.

/** Pod addresses: 10.244.0.0/16. */
export const POD_PREFIX = '10.244.0.0/16';
/** ClusterIPs: 10.96.0.0/16. The API server assigns them; the first is its own. */
export const SERVICE_PREFIX = '10.96.0.0/16';
export const API_SERVER = { host: '10.96.0.1', port: 443 };
export const DNS_SERVER = { host: '10.96.0.10', port: 53 };
/** The node as its pods see it: their gateway, on every link. */
export const NODE_IP = '169.254.1.1';
export const CLUSTER_DOMAIN = 'cluster.local';

export type PodAddresses = {
  /** The least recently released address. Throws when all are taken. */
  allocate(): string;
  release(ip: string): void;
};

/** Hands out 10.244.0.2 … 10.244.255.254 in order and reuses an address as late as possible. */
export function createPodAddresses(): PodAddresses {
  const first = 2;
  const last = 0xfffe;
  const taken = new Set<string>();
  let next = first;
  return {
    allocate() {
      for (let tries = first; tries <= last; tries++) {
        const ip = `10.244.${next >> 8}.${next & 0xff}`;
        const isHostPart = (next & 0xff) !== 0 && (next & 0xff) !== 0xff;
        next = next === last ? first : next + 1;
        if (!isHostPart || taken.has(ip)) continue;
        taken.add(ip);
        return ip;
      }
      throw new Error('no pod address is free');
    },
    release: (ip) => void taken.delete(ip),
  };
}
