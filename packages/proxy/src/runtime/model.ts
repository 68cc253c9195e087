// The immutable values that the data path serves from. A configuration compiles to one `Runtime`; the next one shares every
// part that did not change, so that "unchanged" is an identity comparison.

import type { ClusterRuntime, EndpointsRuntime } from './model/cluster.ts';
import type { ListenerRuntime } from './model/listener.ts';
import type { RouteTable } from './model/route.ts';
import type { SecretRuntime } from './model/tls.ts';

export type * from './model/access-log.ts';
export type * from './model/cluster.ts';
export type * from './model/config-source.ts';
export type * from './model/format.ts';
export type * from './model/http.ts';
export type * from './model/listener.ts';
export * from './model/route.ts';
export * from './model/share.ts';
export type * from './model/tls.ts';

export type Runtime = {
  readonly listeners: ReadonlyMap<string, ListenerRuntime>;
  /** By route configuration name; those from elsewhere than ADS by `resourceKey`. A listener that names a missing one answers 404 until it arrives. */
  readonly routes: ReadonlyMap<string, RouteTable>;
  readonly clusters: ReadonlyMap<string, ClusterRuntime>;
  /** By EDS service name; those from elsewhere than ADS by `resourceKey`. */
  readonly endpoints: ReadonlyMap<string, EndpointsRuntime>;
  readonly secrets: ReadonlyMap<string, SecretRuntime>;
};

export const EMPTY_RUNTIME: Runtime = {
  listeners: new Map(),
  routes: new Map(),
  clusters: new Map(),
  endpoints: new Map(),
  secrets: new Map(),
};
