// Semantic rules of EnvoyFilter. The patch itself is checked where it is applied: the data plane says which it honours.

import { compileRegex } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import { checkNetworkingSelector, checkTargeting } from '../validate/selectors.ts';
import type { EnvoyConfigObjectPatch, EnvoyFilter } from './envoy-filter.ts';

const MANAGER = 'envoy.filters.network.http_connection_manager';

/** Old filter names Envoy no longer uses. */
const OLD_NAMES: Record<string, string> = {
  'envoy.buffer': 'envoy.filters.http.buffer',
  'envoy.cors': 'envoy.filters.http.cors',
  'envoy.csrf': 'envoy.filters.http.csrf',
  'envoy.ext_authz': 'envoy.filters.http.ext_authz',
  'envoy.fault': 'envoy.filters.http.fault',
  'envoy.grpc_web': 'envoy.filters.http.grpc_web',
  'envoy.gzip': 'envoy.filters.http.gzip',
  'envoy.health_check': 'envoy.filters.http.health_check',
  'envoy.http_connection_manager': MANAGER,
  'envoy.lua': 'envoy.filters.http.lua',
  'envoy.rate_limit': 'envoy.filters.http.ratelimit',
  'envoy.router': 'envoy.filters.http.router',
  'envoy.squash': 'envoy.filters.http.squash',
  'envoy.tcp_proxy': 'envoy.filters.network.tcp_proxy',
  'envoy.mongo_proxy': 'envoy.filters.network.mongo_proxy',
  'envoy.redis_proxy': 'envoy.filters.network.redis_proxy',
};

const MATCH_OF: Record<string, 'listener' | 'routeConfiguration' | 'cluster'> = {
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
};

export function checkEnvoyFilter({ spec }: EnvoyFilter, report: Report): void {
  report.warning('', 'EnvoyFilter exposes internal implementation details that may change at any time. Prefer other APIs if possible.');
  checkNetworkingSelector(spec.workloadSelector, 'Envoy filter', report);
  checkTargeting({ ...(spec.targetRefs ? { targetRefs: spec.targetRefs } : {}) }, report);
  if (spec.workloadSelector && spec.targetRefs?.length) report.error('spec', 'only one of targetRefs or workloadSelector can be set');
  spec.configPatches?.forEach((patch, i) => {
    checkPatch(patch, `spec.configPatches[${i}]`, report);
  });
}

function checkPatch(entry: EnvoyConfigObjectPatch, path: string, report: Report): void {
  const { applyTo, match, patch } = entry;
  if (!applyTo || applyTo === 'INVALID') return report.error(`${path}.applyTo`, 'Envoy filter: missing applyTo');
  if (!patch) return report.error(`${path}.patch`, 'Envoy filter: missing patch');
  if (!patch.operation || patch.operation === 'INVALID')
    return report.error(`${path}.patch.operation`, 'Envoy filter: missing patch operation');
  if (patch.operation !== 'REMOVE' && patch.value === undefined) {
    return report.error(`${path}.patch.value`, 'Envoy filter: missing patch value for non-remove operation');
  }
  if (!match) return;
  if (match.proxy?.proxyVersion) {
    const compiled = compileRegex(match.proxy.proxyVersion);
    if (!compiled.ok)
      return report.error(`${path}.match.proxy.proxyVersion`, `Envoy filter: invalid regex for proxy version, [${compiled.error}]`);
  }
  if ((match.context === 'WAYPOINT') !== (match.waypoint !== undefined)) {
    report.error(`${path}.match`, 'only support waypointMatch when context is WAYPOINT');
  }
  const wanted = MATCH_OF[applyTo];
  const objects = (['listener', 'routeConfiguration', 'cluster'] as const).filter((name) => match[name] !== undefined);
  if (wanted && objects.length > 0 && !objects.includes(wanted)) {
    return report.error(`${path}.match`, `Envoy filter: applyTo ${applyTo} cannot have a ${objects[0]} match, it needs ${wanted}`);
  }
  if (wanted === 'listener') checkFilterMatch(entry, `${path}.match.listener.filterChain.filter`, report);
}

function checkFilterMatch({ applyTo, match }: EnvoyConfigObjectPatch, path: string, report: Report): void {
  const filter = match?.listener?.filterChain?.filter;
  if (!filter) return;
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN')
    report.warning(path, `Envoy filter: filter match has no effect when used with ${applyTo}`);
  if (!filter.name) return report.error(`${path}.name`, 'Envoy filter: filter match has no name to match on');
  if (filter.subFilter) {
    if (applyTo !== 'HTTP_FILTER')
      return report.error(`${path}.subFilter`, 'Envoy filter: subfilter match can be used with applyTo HTTP_FILTER only');
    if (filter.name !== MANAGER && filter.name !== 'envoy.http_connection_manager') {
      return report.error(`${path}.name`, `Envoy filter: subfilter match requires filter match with ${MANAGER}`);
    }
    if (!filter.subFilter.name) return report.error(`${path}.subFilter.name`, 'Envoy filter: subfilter match has no name to match on');
  }
  for (const name of [filter.name, filter.subFilter?.name ?? '']) {
    const newName = Object.hasOwn(OLD_NAMES, name) ? OLD_NAMES[name] : undefined;
    if (newName) report.warning(path, `using deprecated filter name ${JSON.stringify(name)}; use ${JSON.stringify(newName)} instead`);
  }
}
