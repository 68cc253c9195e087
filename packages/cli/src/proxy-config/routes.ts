// `proxy-config route`.

import { compare } from './cluster-name.ts';
import { type ConfigDump, type DumpObject, field, list, text } from './dump.ts';
import { describeRouteMatch } from './listeners.ts';
import { managedBy } from './management.ts';

export const ROUTE_HEADER = ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'];

const MAX_DOMAINS_SHOWN = 2;

/** Route configurations, numbered ones first by number, then the others by name. */
export function selectRoutes(dump: ConfigDump, filter: { name?: string }): DumpObject[] {
  return dump.routes
    .filter((config) => filter.name === undefined || text(config, 'name') === filter.name)
    .sort((a, b) => compareRouteNames(text(a, 'name'), text(b, 'name')));
}

function compareRouteNames(a: string, b: string): number {
  const [left, right] = [Number(a), Number(b)];
  if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1;
  return Number.isNaN(left) ? compare(a, b) : left - right;
}

/** One row a route. */
export function routeRows(configs: DumpObject[]): string[][] {
  return configs.flatMap((config) => {
    const name = text(config, 'name');
    const hosts = list(config, 'virtual_hosts');
    if (hosts.length === 0) return [[name, '', '', '', '404']];
    return hosts.flatMap((host) =>
      list(host, 'routes').map((route) => [
        name,
        text(host, 'name'),
        describeDomains(host),
        describeRouteMatch(field(route, 'match')),
        managedBy(route),
      ]),
    );
  });
}

// A service's virtual host lists every spelling of its name, with and without port; the two shortest tell which it is.
function describeDomains(host: DumpObject): string {
  const value = field(host, 'domains');
  const all = Array.isArray(value) ? value.filter((domain) => typeof domain === 'string') : [];
  const portless = new Set(all.map((domain) => domain.replace(/:\d+$/, '')));
  const domains = [...portless].sort((a, b) => a.length - b.length);
  const more = domains.length - MAX_DOMAINS_SHOWN;
  return `${domains.slice(0, MAX_DOMAINS_SHOWN).join(', ')}${more > 0 ? ` + ${more} more...` : ''}`;
}
