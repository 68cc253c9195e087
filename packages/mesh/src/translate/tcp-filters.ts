// TCP proxying: one cluster, or several by weight.

import { create } from '@bufbuild/protobuf';
import { type Filter, FilterSchema, istioStats, TcpProxySchema } from '@lateen/xds/messages/config';
import type { RouteDestination } from '../model/index.ts';
import { accessLogs } from './access-log.ts';
import { type FilterPlace, STATS_FILTER } from './http-filters.ts';
import { clusterOf } from './http-routes.ts';
import { statsConfig } from './metrics.ts';
import { parseClusterName } from './names.ts';
import { extension, goDuration } from './pack.ts';
import { sideOf } from './telemetry.ts';
import { policyForPort, policyForSubset } from './traffic-policy.ts';
import type { View } from './view.ts';
import type { HttpRule } from './virtual-service-rules.ts';

export const TCP_PROXY = 'envoy.filters.network.tcp_proxy';

export type TcpTarget = { place: FilterPlace; statPrefix: string; clusters: readonly { name: string; weight: number }[] };

/** The network filters of a TCP filter chain. */
export function tcpFilters(view: View, { place, statPrefix, clusters }: TcpTarget): Filter[] {
  const single = clusters.length === 1 ? clusters[0]?.name : undefined;
  const proxy = create(
    FilterSchema,
    extension(TCP_PROXY, TcpProxySchema, {
      statPrefix,
      clusterSpecifier:
        single !== undefined
          ? { case: 'cluster', value: single }
          : { case: 'weightedClusters', value: { clusters: clusters.map(({ name, weight }) => ({ name, weight })) } },
      ...connectionLimits(view, clusters[0]?.name ?? ''),
      accessLog: accessLogs(view, sideOf(place)),
    }),
  );
  const stats = view.scope.hasIstioFilters && statsConfig(view, place);
  return stats ? [create(FilterSchema, extension(STATS_FILTER, istioStats.PluginConfigSchema, stats)), proxy] : [proxy];
}

// The first destination's; without them the proxy's default of an hour idle, and any age.
function connectionLimits(view: View, clusterName: string) {
  const name = parseClusterName(clusterName);
  const service = name && view.serviceByHost(name.hostname);
  const rules = service && view.destinationRuleFor(service);
  if (!rules) return {};
  const subset = rules.subsets.find((one) => one.name === name?.subset);
  const policy = policyForPort(policyForSubset(rules.trafficPolicy, subset?.trafficPolicy), name?.port ?? 0);
  const idleTimeout = goDuration(policy.connectionPool?.tcp?.idleTimeout);
  const maxDownstreamConnectionDuration = goDuration(policy.connectionPool?.tcp?.maxConnectionDuration);
  return { ...(idleTimeout && { idleTimeout }), ...(maxDownstreamConnectionDuration && { maxDownstreamConnectionDuration }) };
}

/** Weighted clusters of a TCP or TLS rule; zero weights are left out. */
export function weightedClusters(
  view: View,
  routes: readonly RouteDestination[],
  at: { rule: Pick<HttpRule, 'source'>; place: { port: number } },
) {
  const all = routes.map((route) => ({ name: clusterOf(view, route.destination, at).cluster, weight: route.weight ?? 0 }));
  const positive = all.filter((target) => target.weight > 0);
  return all.length === 1 || positive.length === 0 ? all.slice(0, 1) : positive;
}
