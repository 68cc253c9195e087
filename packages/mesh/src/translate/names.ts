// Names that people see in statistics, logs and istioctl: public API.

export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';
export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';
export const VIRTUAL_OUTBOUND = 'virtualOutbound';
export const VIRTUAL_INBOUND = 'virtualInbound';
export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;
/** The default route of a service that no VirtualService rules. */
export const DEFAULT_ROUTE_NAME = 'default';
export const WILDCARD_ADDRESS = '0.0.0.0';

export const outboundCluster = (hostname: string, port: number, subset = ''): string => `outbound|${port}|${subset}|${hostname}`;
export const inboundCluster = (port: number): string => `inbound|${port}||`;

export type ClusterName = { direction: 'outbound' | 'inbound'; port: number; subset: string; hostname: string };

/** Takes apart a name made by `outboundCluster` or `inboundCluster`; undefined for the special clusters. */
export function parseClusterName(name: string): ClusterName | undefined {
  const [direction, port, subset, hostname] = name.split('|');
  if ((direction !== 'outbound' && direction !== 'inbound') || hostname === undefined) return undefined;
  return { direction, port: Number(port), subset: subset ?? '', hostname };
}
