// translate(snapshot, scope): the whole configuration of the proxies of one scope. Pure; `scope` is the cache key.

import {
  type Cluster,
  Cluster_DiscoveryType,
  type ClusterLoadAssignment,
  type Listener,
  type RouteConfiguration,
} from '@lateen/xds/messages';
import type { Finding, MeshSnapshot } from '../model/index.ts';
import { translateClusters } from './clusters.ts';
import { translateEndpoints } from './endpoints.ts';
import { gatewayListeners, gatewayRoutes } from './gateway.ts';
import type { ProxyScope } from './scope.ts';
import { virtualInbound } from './sidecar-inbound.ts';
import { outboundListeners } from './sidecar-outbound.ts';
import { sidecarRoutes } from './sidecar-routes.ts';
import { createView } from './view.ts';

export type Translation = {
  clusters: readonly Cluster[];
  endpoints: readonly ClusterLoadAssignment[];
  listeners: readonly Listener[];
  routes: readonly RouteConfiguration[];
  /** What was left out or is in doubt, and why. */
  findings: readonly Finding[];
};

export function translate(snapshot: MeshSnapshot, scope: ProxyScope): Translation {
  const view = createView(snapshot, scope);
  const isRouter = scope.type === 'router';
  const clusters = translateClusters(view);
  return {
    clusters,
    endpoints: clusters
      .filter((cluster) => cluster.clusterDiscoveryType.case === 'type' && cluster.clusterDiscoveryType.value === Cluster_DiscoveryType.EDS)
      .map((cluster) => translateEndpoints(view, cluster.name))
      .filter((assignment) => assignment !== undefined),
    listeners: isRouter ? gatewayListeners(view) : [...outboundListeners(view), virtualInbound(view)],
    routes: isRouter ? gatewayRoutes(view) : sidecarRoutes(view),
    findings: view.findings,
  };
}

/** Only the endpoints of these clusters: all that an endpoint change needs. Unknown names are left out. */
export function translateOnlyEndpoints(
  snapshot: MeshSnapshot,
  scope: ProxyScope,
  clusterNames: readonly string[],
): ClusterLoadAssignment[] {
  const view = createView(snapshot, scope);
  return clusterNames.map((name) => translateEndpoints(view, name)).filter((assignment) => assignment !== undefined);
}
