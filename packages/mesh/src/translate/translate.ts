// translate(snapshot, scope): the whole configuration of the proxies of one scope. Pure; `scope` is the cache key.

import {
  type Cluster,
  Cluster_DiscoveryType,
  type ClusterLoadAssignment,
  type Listener,
  type RouteConfiguration,
} from '@lateen/xds/messages/config';
import type { Finding, MeshSnapshot } from '../model/index.ts';
import { inboundClusters, outboundClusters } from './clusters.ts';
import { translateEndpoints } from './endpoints.ts';
import { gatewayListeners, gatewayRoutes } from './gateway.ts';
import { clientScope, type ProxyScope } from './scope.ts';
import { virtualInbound } from './sidecar-inbound.ts';
import { sidecarOutbound } from './sidecar-outbound.ts';
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
  const client = translateClient(snapshot, clientScope(snapshot, scope));
  const server = translateServer(snapshot, scope);
  return {
    clusters: [...client.clusters, ...server.clusters],
    endpoints: client.endpoints,
    listeners: [...client.listeners, ...server.listeners],
    routes: client.routes,
    findings: [...client.findings, ...server.findings],
  };
}

/** What the proxy needs to call others; give it a `clientScope`. For a gateway this is everything. */
export function translateClient(snapshot: MeshSnapshot, scope: ProxyScope): Translation {
  const view = createView(snapshot, scope);
  const clusters = outboundClusters(view);
  const endpoints = clusters
    .filter(({ clusterDiscoveryType }) => clusterDiscoveryType.case === 'type' && clusterDiscoveryType.value === Cluster_DiscoveryType.EDS)
    .map((cluster) => translateEndpoints(view, cluster.name))
    .filter((assignment) => assignment !== undefined);
  if (scope.type === 'router') {
    return { clusters, endpoints, listeners: gatewayListeners(view), routes: gatewayRoutes(view), findings: view.findings };
  }
  const { listeners, routeNames } = sidecarOutbound(view);
  return { clusters, endpoints, listeners, routes: sidecarRoutes(view, routeNames), findings: view.findings };
}

/** What a sidecar needs to serve its own workload. */
export function translateServer(snapshot: MeshSnapshot, scope: ProxyScope): Pick<Translation, 'clusters' | 'listeners' | 'findings'> {
  if (scope.type === 'router') return { clusters: [], listeners: [], findings: [] };
  const view = createView(snapshot, scope);
  // What the view itself reports, the client's half has reported already.
  const reported = view.findings.length;
  return { clusters: inboundClusters(view), listeners: [virtualInbound(view)], findings: view.findings.slice(reported) };
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
