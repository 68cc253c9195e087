// Every HTTP filter there is, by kind, in the order in which Istio puts them. The configuration decides which run and in what
// order; to add a filter: one line here, one file beside.

import type { NodeIdentity } from '../http/context.ts';
import type { Exchange } from '../http/exchange.ts';
import type { HcmRuntime, HttpFilterConfig, HttpFilterRuntime } from '../runtime/model.ts';
import { createBufferFilter } from './buffer.ts';
import { createCorsFilter } from './cors.ts';
import { createFaultFilter } from './fault.ts';
import type { HttpFilter } from './filter.ts';
import { createGrpcStatsFilter } from './grpc-stats.ts';
import { createGrpcWebFilter } from './grpc-web.ts';
import { createHeaderMutationFilter } from './header-mutation.ts';
import { createHeaderToMetadataFilter } from './header-to-metadata.ts';
import { createHealthCheckFilter } from './health-check.ts';
import { createLocalRateLimitFilter } from './local-rate-limit.ts';
import { overrideOf } from './override.ts';
import { createPeerMetadataFilter } from './peer-metadata.ts';
import { createRouterFilter } from './router.ts';
import { createSetFilterStateFilter } from './set-filter-state.ts';
import { createSetMetadataFilter } from './set-metadata.ts';

type Kind = HttpFilterConfig['kind'];
type Create<K extends Kind> = (config: Extract<HttpFilterRuntime, { kind: K }>, node: NodeIdentity) => HttpFilter | undefined;

/** undefined: the kind has no work on the request path (its effect is in the observer or in TLS). */
const nothing = (): undefined => undefined;

const TABLE: { readonly [K in Kind]: Create<K> } = {
  health_check: (config) => createHealthCheckFilter(config),
  peer_metadata: (config, node) => createPeerMetadataFilter(config, node),
  alpn: nothing,
  header_to_metadata: (config) => createHeaderToMetadataFilter(config),
  set_metadata: (config) => createSetMetadataFilter(config),
  set_filter_state: (config) => createSetFilterStateFilter(config),
  cors: (config) => createCorsFilter(config.name),
  // Here belong jwt_authn, ext_authz and rbac: after CORS answered preflights, before limits and faults.
  local_ratelimit: (config) => createLocalRateLimitFilter(config),
  fault: (config) => createFaultFilter(config),
  buffer: (config) => createBufferFilter(config),
  header_mutation: (config) => createHeaderMutationFilter(config),
  grpc_web: (config) => createGrpcWebFilter(config.name),
  grpc_stats: (config) => createGrpcStatsFilter(config),
  istio_stats: nothing,
  router: (config) => createRouterFilter(config.name, config),
};

/** The filters of a connection manager, in configured order. */
export function createFilterChain(hcm: HcmRuntime, node: NodeIdentity): readonly HttpFilter[] {
  return hcm.filters.flatMap((config) => {
    const filter = createOne(config, node);
    if (!filter) return [];
    return config.kind === 'router' ? filter : switchable(filter, !config.disabled);
  });
}

function createOne<K extends Kind>(config: Extract<HttpFilterRuntime, { kind: K }>, node: NodeIdentity): HttpFilter | undefined {
  const create = TABLE[config.kind as K] as Create<K>;
  return create(config, node);
}

/** Leaves out the requests for whose route the filter is switched off, or not switched on. */
function switchable(filter: HttpFilter, enabled: boolean): HttpFilter {
  const runs = (exchange: Exchange): boolean => {
    const override = overrideOf(exchange, filter.name);
    return override === undefined ? enabled : override.kind !== 'disabled';
  };
  const { onRequest, onResponse, onDestroy } = filter;
  return {
    name: filter.name,
    ...(onRequest && { onRequest: (exchange) => (runs(exchange) ? onRequest(exchange) : 'continue') }),
    ...(onResponse && {
      onResponse(exchange, head) {
        if (runs(exchange)) onResponse(exchange, head);
      },
    }),
    ...(onDestroy && { onDestroy }),
  };
}
