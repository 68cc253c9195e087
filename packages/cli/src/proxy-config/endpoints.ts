// `proxy-config endpoint`.

import { compareClusterNames } from './cluster-name.ts';
import { type ConfigDump, type DumpObject, field, list, path, text } from './dump.ts';

export type EndpointFilter = { address?: string; port?: number; cluster?: string; status?: string };

export const ENDPOINT_HEADER = ['NAME', 'STATUS', 'LOCALITY', 'CLUSTER'];

/** Load assignments with only the endpoints that pass the filter; empty ones are left out. */
export function selectEndpoints(dump: ConfigDump, filter: EndpointFilter): DumpObject[] {
  return dump.endpoints
    .map((assignment) => {
      const cluster = text(assignment, 'cluster_name');
      const endpoints = list(assignment, 'endpoints').map((locality) => ({
        ...locality,
        lb_endpoints: list(locality, 'lb_endpoints').filter((endpoint) => passes(endpoint, cluster, filter)),
      }));
      return { cluster_name: cluster, endpoints };
    })
    .filter(({ endpoints }) => endpoints.some(({ lb_endpoints }) => lb_endpoints.length > 0))
    .sort((a, b) => compareClusterNames(a.cluster_name, b.cluster_name));
}

function passes(endpoint: DumpObject, cluster: string, filter: EndpointFilter): boolean {
  const { address, port } = socketAddress(endpoint);
  if (filter.address !== undefined && filter.address !== address) return false;
  if (filter.port !== undefined && filter.port !== port) return false;
  if (filter.cluster !== undefined && filter.cluster !== cluster) return false;
  return filter.status === undefined || filter.status.toLowerCase() === statusOf(endpoint).toLowerCase();
}

export function endpointRows(assignments: DumpObject[]): string[][] {
  return assignments.flatMap((assignment) =>
    list(assignment, 'endpoints').flatMap((locality) =>
      list(locality, 'lb_endpoints').map((endpoint) => {
        const { address, port } = socketAddress(endpoint);
        const name = port === undefined ? address : `${address}:${port}`;
        return [name, statusOf(endpoint), localityOf(field(locality, 'locality')), text(assignment, 'cluster_name')];
      }),
    ),
  );
}

const statusOf = (endpoint: DumpObject): string => text(endpoint, 'health_status') || 'UNKNOWN';

function socketAddress(endpoint: DumpObject): { address: string; port: number | undefined } {
  const address = path(endpoint, 'endpoint', 'address');
  const pipe = text(address, 'pipe', 'path');
  if (pipe) return { address: pipe, port: undefined };
  const port = path(address, 'socket_address', 'port_value');
  return { address: text(address, 'socket_address', 'address') || 'unknown', port: typeof port === 'number' ? port : undefined };
}

function localityOf(locality: unknown): string {
  const parts = [text(locality, 'region'), text(locality, 'zone'), text(locality, 'sub_zone')];
  while (parts.at(-1) === '') parts.pop();
  return parts.join('/');
}
