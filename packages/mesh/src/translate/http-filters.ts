// The HTTP filters of a proxy, in order. The table is the only place that decides the order.

import { create } from '@bufbuild/protobuf';
import {
  corsHttpFilter,
  faultHttpFilter,
  grpcStatsHttpFilter,
  grpcWebHttpFilter,
  type HttpFilter,
  HttpFilterSchema,
  istioPeerMetadata,
  istioStats,
  routerHttpFilter,
} from '@lateen/xds/messages/config';
import type { Protocol } from '../model/index.ts';
import { statsConfig } from './metrics.ts';
import { extension } from './pack.ts';
import { CORS_FILTER, FAULT_FILTER } from './route-filters.ts';
import type { View } from './view.ts';

export type FilterPlace = 'inbound' | 'outbound' | 'gateway';

export const STATS_FILTER = 'istio.stats';
const PEER_METADATA_FILTER = 'envoy.filters.http.peer_metadata';

/** The chain in order. The router comes last: it sends the request on. `protocol` is that of the port, where one decides. */
export function httpFilters(view: View, place: FilterPlace, protocol: Protocol | undefined): HttpFilter[] {
  const { hasIstioFilters } = view.scope;
  const stats = hasIstioFilters && statsConfig(view, place);
  return [
    // First, so that every later filter and the log know the peer.
    hasIstioFilters && extension(PEER_METADATA_FILTER, istioPeerMetadata.ConfigSchema, peerMetadata(view, place)),
    protocol === 'GRPC-Web' && extension('envoy.filters.http.grpc_web', grpcWebHttpFilter.GrpcWebSchema),
    extension('envoy.filters.http.grpc_stats', grpcStatsHttpFilter.FilterConfigSchema, {
      emitFilterState: true,
      perMethodStatSpecifier: { case: 'statsForAllMethods', value: { value: false } },
    }),
    extension(FAULT_FILTER, faultHttpFilter.HTTPFaultSchema),
    extension(CORS_FILTER, corsHttpFilter.CorsSchema),
    stats && extension(STATS_FILTER, istioStats.PluginConfigSchema, stats),
    extension('envoy.filters.http.router', routerHttpFilter.RouterSchema, {
      suppressEnvoyHeaders: view.proxyHeaders.envoyDebugHeaders?.disabled ?? false,
    }),
  ]
    .filter((filter) => filter !== false && filter !== undefined)
    .map((filter) => create(HttpFilterSchema, filter));
}

// Who my caller is comes by headers, who serves me by headers, too; a gateway does not believe outsiders.
function peerMetadata({ proxyHeaders }: View, place: FilterPlace) {
  const headers = { methodSpecifier: { case: 'istioHeaders' as const, value: {} } };
  const discovery = { methodSpecifier: { case: 'workloadDiscovery' as const, value: {} } };
  const skipExternalClusters = proxyHeaders.metadataExchangeHeaders?.mode === 'IN_MESH';
  const outward = { methodSpecifier: { case: 'istioHeaders' as const, value: { skipExternalClusters } } };
  if (place === 'inbound') return { downstreamDiscovery: [headers, discovery], downstreamPropagation: [headers] };
  return { upstreamDiscovery: [headers, discovery], upstreamPropagation: [outward] };
}
