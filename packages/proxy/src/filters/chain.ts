// Every HTTP filter there is, by kind, in the order in which Istio puts them. The configuration decides which run and in what
// order; to add a filter: one line here, one file beside.

import type { NodeIdentity } from '../http/context.ts';
import type { HcmRuntime, HttpFilterConfig, HttpFilterRuntime } from '../runtime/model.ts';
import { createCorsFilter } from './cors.ts';
import { createFaultFilter } from './fault.ts';
import type { HttpFilter } from './filter.ts';
import { createHeaderMutationFilter } from './header-mutation.ts';
import { createHealthCheckFilter } from './health-check.ts';
import { createPeerMetadataFilter } from './peer-metadata.ts';
import { createRouterFilter } from './router.ts';

type Kind = HttpFilterConfig['kind'];
type Create<K extends Kind> = (config: Extract<HttpFilterRuntime, { kind: K }>, node: NodeIdentity) => HttpFilter | undefined;

/** undefined: the kind has no work on the request path (its effect is in the observer or in TLS). */
const nothing = (): undefined => undefined;

const TABLE: { readonly [K in Kind]: Create<K> } = {
  health_check: (config) => createHealthCheckFilter(config),
  peer_metadata: (config, node) => createPeerMetadataFilter(config, node),
  alpn: nothing,
  cors: (config) => createCorsFilter(config.name),
  // Here belong jwt_authn, ext_authz, rbac and rate limits: after CORS answered preflights, before faults.
  fault: (config) => createFaultFilter(config),
  header_mutation: (config) => createHeaderMutationFilter(config),
  grpc_stats: nothing,
  istio_stats: nothing,
  router: (config) => createRouterFilter(config.name, config.suppressEnvoyHeaders),
};

/** The filters of a connection manager, in configured order. */
export function createFilterChain(hcm: HcmRuntime, node: NodeIdentity): readonly HttpFilter[] {
  return hcm.filters.filter((config) => !config.disabled).flatMap((config) => createOne(config, node) ?? []);
}

function createOne<K extends Kind>(config: Extract<HttpFilterRuntime, { kind: K }>, node: NodeIdentity): HttpFilter | undefined {
  const create = TABLE[config.kind as K] as Create<K>;
  return create(config, node);
}
