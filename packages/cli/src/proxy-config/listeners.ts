// `proxy-config listener`.

import { isObject } from '@lateen/base';
import { compare } from './cluster-name.ts';
import { type ConfigDump, type DumpObject, field, list, path, text } from './dump.ts';

export type ListenerFilter = { address?: string; port?: number; type?: string };

export const LISTENER_HEADER = ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION'];

const HCM = 'HttpConnectionManager';
const TCP_PROXY = 'TcpProxy';

/** Names that operators know for the protocol lists Istio generates. */
const PROTOCOL_GROUPS: [name: string, protocols: string][] = [
  ['App: HTTP TLS', 'http/1.0,http/1.1,h2c,istio-http/1.0,istio-http/1.1,istio-h2'],
  ['App: Istio HTTP Plain', 'istio,istio-http/1.0,istio-http/1.1,istio-h2'],
  ['App: TCP TLS', 'istio-peer-exchange,istio'],
  ['App: HTTP', 'http/1.0,http/1.1,h2c'],
];

/** Listeners that pass the filter, by port, address, type. */
export function selectListeners(dump: ConfigDump, filter: ListenerFilter): DumpObject[] {
  return dump.listeners
    .filter((listener) => {
      if (filter.address !== undefined && filter.address.toLowerCase() !== addressOf(listener).toLowerCase()) return false;
      if (filter.port !== undefined && filter.port !== portOf(listener)) return false;
      return filter.type === undefined || filter.type.toLowerCase() === typeOf(listener).toLowerCase();
    })
    .sort((a, b) => portOf(a) - portOf(b) || compare(addressOf(a), addressOf(b)) || compare(typeOf(a), typeOf(b)));
}

/** One row a filter chain. */
export function listenerRows(listeners: DumpObject[]): string[][] {
  return listeners.flatMap((listener) =>
    filterChains(listener)
      .map((chain) => ({
        match: describeMatch(field(chain, 'filter_chain_match')),
        destination: describeDestination(list(chain, 'filters')),
      }))
      .sort((a, b) => compare(b.destination, a.destination))
      .map(({ match, destination }) => [addressOf(listener), String(portOf(listener)), match, destination]),
  );
}

const addressOf = (listener: DumpObject): string => text(listener, 'address', 'socket_address', 'address');
const portOf = (listener: DumpObject): number => Number(text(listener, 'address', 'socket_address', 'port_value'));

function filterChains(listener: DumpObject): DumpObject[] {
  const fallback = field(listener, 'default_filter_chain');
  return isObject(fallback) ? [...list(listener, 'filter_chains'), fallback] : list(listener, 'filter_chains');
}

const kindOf = (filter: DumpObject): string => text(filter, 'typed_config', '@type').split('.').at(-1) ?? '';

/** HTTP, TCP, HTTP+TCP or UNKNOWN; a chain to the black hole does not count. */
export function typeOf(listener: DumpObject): string {
  const filters = filterChains(listener).flatMap((chain) => list(chain, 'filters'));
  const isHttp = filters.some((filter) => kindOf(filter) === HCM);
  const isTcp = filters.some((filter) => kindOf(filter) === TCP_PROXY && text(filter, 'typed_config', 'cluster') !== 'BlackHoleCluster');
  if (isHttp) return isTcp ? 'HTTP+TCP' : 'HTTP';
  return isTcp ? 'TCP' : 'UNKNOWN';
}

function describeMatch(match: unknown): string {
  const parts: string[] = [];
  const serverNames = strings(match, 'server_names');
  if (serverNames.length > 0) parts.push(`SNI: ${serverNames.join(',')}`);
  const transport = text(match, 'transport_protocol');
  if (transport) parts.push(`Trans: ${transport}`);
  const protocols = strings(match, 'application_protocols').join(',');
  if (protocols) parts.push(PROTOCOL_GROUPS.find(([, known]) => known === protocols)?.[0] ?? `App: ${protocols}`);
  const port = text(match, 'destination_port');
  const ranges = list(match, 'prefix_ranges').map((range) => `${text(range, 'address_prefix')}/${text(range, 'prefix_len') || '0'}`);
  if (ranges.length > 0) parts.push(`Addr: ${ranges.join(',')}${port && `:${port}`}`);
  else if (port) parts.push(`Addr: *:${port}`);
  return parts.join('; ') || 'ALL';
}

function strings(object: unknown, name: string): string[] {
  const value = field(object, name);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function describeDestination(filters: DumpObject[]): string {
  for (const filter of filters) {
    const config = field(filter, 'typed_config');
    if (kindOf(filter) === HCM) {
      const inline = field(config, 'route_config');
      if (isObject(inline)) return describeInlineRoutes(inline);
      const name = text(config, 'rds', 'route_config_name');
      return name ? `Route: ${name}` : 'HTTP';
    }
    if (kindOf(filter) === TCP_PROXY) {
      const weighted = list(path(config, 'weighted_clusters'), 'clusters').map((cluster) => text(cluster, 'name'));
      const cluster = text(config, 'cluster');
      if (cluster === 'BlackHoleCluster') continue;
      if (weighted.length > 0) return `Clusters: ${weighted.join(', ')}`;
      return cluster.includes('Cluster') ? cluster : `Cluster: ${cluster}`;
    }
  }
  return 'Non-HTTP/Non-TCP';
}

function describeInlineRoutes(config: DumpObject): string {
  const hosts = list(config, 'virtual_hosts');
  const only = hosts.length === 1 ? hosts[0] : undefined;
  const routes = list(only, 'routes');
  if (only && strings(only, 'domains').join() === '*' && routes.length === 1 && text(routes[0], 'match', 'prefix') === '/') {
    const cluster = text(routes[0], 'route', 'cluster');
    if (cluster) return cluster.includes('Cluster') ? cluster : `Cluster: ${cluster}`;
  }
  const described = hosts.map((host) => {
    const domains = strings(host, 'domains');
    const matches = list(host, 'routes').map((route) => describeRouteMatch(field(route, 'match')));
    return `${domains.join() === '*' ? '' : `${domains.join('/')} `}${matches.join(', ')}`;
  });
  return `Inline Route: ${described.join('; ')}`;
}

/** A route's match in short: path, prefix with a star, or the regular expression; headers are left out. */
export function describeRouteMatch(match: unknown): string {
  const prefix = text(match, 'prefix');
  const separated = text(match, 'path_separated_prefix');
  const exact = text(match, 'path');
  const regex = text(match, 'safe_regex', 'regex');
  if (prefix) return `${prefix}*`;
  if (separated) return `PathPrefix:${separated}`;
  if (exact) return exact;
  return regex ? `regex ${regex}` : '';
}
