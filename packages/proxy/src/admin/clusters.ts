// /clusters and /listeners, as text and as envoy.admin.v3 JSON.

import { create, type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { adminClusters, adminListeners, adminMetrics } from '@lateen/xds/messages/admin';
import { HealthStatus, RoutingPriority } from '@lateen/xds/messages/proxy';
import type { LiveConfig } from '../ads/live-config.ts';
import { messageRegistry } from '../ads/registry.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import type { CircuitBreaker, LocalityRuntime } from '../runtime/index.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

export function replyJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): EndpointReply {
  const json = toJson(schema, message, { registry: messageRegistry(), useProtoFieldName: true });
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(json, null, 1)}\n` };
}

export function replyClusters({ query }: Pick<EndpointRequest, 'query'>, proxy: DataPlane, config: LiveConfig): EndpointReply {
  const dynamic = new Set(
    config
      .entries('cluster')
      .filter(({ entry }) => !entry.isStatic)
      .map(({ entry }) => entry.name),
  );
  const clusters = [...proxy.clusters()].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (query.get('format') !== 'json') {
    return { status: 200, body: clusters.flatMap((cluster) => textLines(cluster, proxy, dynamic.has(cluster.name))).join('') };
  }
  const message = create(adminClusters.ClustersSchema, {
    clusterStatuses: clusters.map((cluster) => ({
      name: cluster.name,
      addedViaApi: dynamic.has(cluster.name),
      observabilityName: cluster.runtime.observabilityName,
      edsServiceName: cluster.runtime.discovery.kind === 'eds' ? cluster.runtime.discovery.serviceName : '',
      circuitBreakers: {
        thresholds: [
          { priority: RoutingPriority.DEFAULT, ...limitsOf(cluster.runtime.circuitBreakers.default) },
          { priority: RoutingPriority.HIGH, ...limitsOf(cluster.runtime.circuitBreakers.high) },
        ],
      },
      hostStatuses: cluster.listHosts().map((host) => hostStatus(host, localityOf(host, cluster, proxy))),
    })),
  });
  return replyJson(adminClusters.ClustersSchema, message);
}

const limitsOf = ({ maxConnections, maxPendingRequests, maxRequests, maxRetries }: CircuitBreaker) => ({
  maxConnections,
  maxPendingRequests,
  maxRequests,
  maxRetries,
});

const EDS_HEALTH = {
  healthy: HealthStatus.HEALTHY,
  unhealthy: HealthStatus.UNHEALTHY,
  draining: HealthStatus.DRAINING,
  degraded: HealthStatus.DEGRADED,
};

function hostStatus(host: Host, locality: LocalityRuntime | undefined) {
  return {
    address: {
      address: {
        case: 'socketAddress' as const,
        value: { address: host.ip, portSpecifier: { case: 'portValue' as const, value: host.port } },
      },
    },
    stats: Object.entries(host.stats).map(([name, value]: [string, number]) => ({
      name,
      value: BigInt(Math.trunc(value)),
      type: name.endsWith('_active') ? adminMetrics.SimpleMetric_Type.GAUGE : adminMetrics.SimpleMetric_Type.COUNTER,
    })),
    healthStatus: { edsHealthStatus: EDS_HEALTH[host.endpoint.health], failedOutlierCheck: host.ejectedUntilMs > 0 },
    weight: host.weight,
    hostname: host.endpoint.hostname,
    priority: locality?.priority ?? 0,
    locality: { region: locality?.region ?? '', zone: locality?.zone ?? '', subZone: locality?.subZone ?? '' },
  };
}

function localityOf(host: Host, cluster: ClusterState, proxy: DataPlane): LocalityRuntime | undefined {
  const { discovery } = cluster.runtime;
  const endpoints =
    discovery.kind === 'eds'
      ? proxy.runtime.endpoints.get(discovery.serviceName)
      : 'endpoints' in discovery
        ? discovery.endpoints
        : undefined;
  return endpoints?.localities.find((locality) => locality.endpoints.includes(host.endpoint));
}

function textLines(cluster: ClusterState, proxy: DataPlane, addedViaApi: boolean): string[] {
  const { name, runtime } = cluster;
  const lines = [`observability_name::${runtime.observabilityName}`];
  for (const priority of ['default', 'high'] as const) {
    const limits = runtime.circuitBreakers[priority];
    lines.push(
      `${priority}_priority::max_connections::${limits.maxConnections}`,
      `${priority}_priority::max_pending_requests::${limits.maxPendingRequests}`,
      `${priority}_priority::max_requests::${limits.maxRequests}`,
      `${priority}_priority::max_retries::${limits.maxRetries}`,
    );
  }
  lines.push(`added_via_api::${addedViaApi}`);
  if (runtime.discovery.kind === 'eds') lines.push(`eds_service_name::${runtime.discovery.serviceName}`);
  for (const host of cluster.listHosts()) {
    const locality = localityOf(host, cluster, proxy);
    const fields: Record<string, string | number | boolean> = {
      ...host.stats,
      hostname: host.endpoint.hostname,
      health_flags: healthFlags(host),
      weight: host.weight,
      region: locality?.region ?? '',
      zone: locality?.zone ?? '',
      sub_zone: locality?.subZone ?? '',
      canary: false,
      priority: locality?.priority ?? 0,
      success_rate: -1,
      local_origin_success_rate: -1,
    };
    for (const [field, value] of Object.entries(fields)) lines.push(`${host.address}::${field}::${value}`);
  }
  return lines.map((line) => `${name}::${line}\n`);
}

function healthFlags(host: Host): string {
  const flags = host.ejectedUntilMs > 0 ? ['/failed_outlier_check'] : [];
  if (host.endpoint.health === 'unhealthy') flags.push('/failed_eds_health');
  if (host.endpoint.health === 'degraded') flags.push('/degraded_eds_health');
  if (host.endpoint.health === 'draining') flags.push('/eds_status_draining');
  return flags.join('') || 'healthy';
}

export function replyListeners({ query }: Pick<EndpointRequest, 'query'>, proxy: DataPlane): EndpointReply {
  const listeners = proxy.listeners().map(({ runtime, sockets }) => ({
    name: runtime.name,
    addresses: sockets.length > 0 ? sockets.map((socket) => socket.address) : runtime.addresses,
  }));
  if (query.get('format') !== 'json') {
    return {
      status: 200,
      body: listeners.flatMap(({ name, addresses }) => addresses.map(({ host, port }) => `${name}::${host}:${port}\n`)).join(''),
    };
  }
  const addressOf = ({ host, port }: { host: string; port: number }) => ({
    address: { case: 'socketAddress' as const, value: { address: host, portSpecifier: { case: 'portValue' as const, value: port } } },
  });
  const message = create(adminListeners.ListenersSchema, {
    listenerStatuses: listeners.map(({ name, addresses }) => {
      const [first, ...more] = addresses.map(addressOf);
      return { name, ...(first && { localAddress: first }), additionalLocalAddresses: more };
    }),
  });
  return replyJson(adminListeners.ListenersSchema, message);
}
