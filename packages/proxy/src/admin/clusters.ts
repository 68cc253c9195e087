// /clusters and /listeners, as text and as envoy.admin.v3 JSON.

import { create, type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import { compileRegex } from '@lateen/base';
import { adminClusters, adminListeners, adminMetrics } from '@lateen/xds/messages/admin';
import { HealthStatus, RoutingPriority } from '@lateen/xds/messages/proxy';
import type { LiveConfig } from '../ads/live-config.ts';
import { messageRegistry } from '../ads/registry.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import type { CircuitBreaker } from '../runtime/index.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import { addressText, type Host } from '../upstream/host.ts';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

/** `isWhole`: fields that have their default value are shown, too. */
export function replyJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>, isWhole = false): EndpointReply {
  const json = toJson(schema, message, { registry: messageRegistry(), useProtoFieldName: true, alwaysEmitImplicit: isWhole });
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(json, null, 1)}\n` };
}

export function replyClusters({ query }: Pick<EndpointRequest, 'query'>, proxy: DataPlane, config: LiveConfig): EndpointReply {
  const dynamic = new Set(
    config
      .entries('cluster')
      .filter(({ entry }) => !entry.isStatic)
      .map(({ entry }) => entry.name),
  );
  // Those of the bootstrap are shown while they warm, too.
  const first = proxy.warmingClusters().filter(({ name }) => !dynamic.has(name));
  const filter = query.get('filter');
  const regex = filter ? compileRegex(filter) : undefined;
  if (regex && !regex.ok) return { status: 400, body: `Invalid re2 regex: ${regex.error}` };
  const clusters = [...proxy.clusters(), ...first]
    .filter(({ name }) => !regex || regex.value.matchesPartly(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (query.get('format') !== 'json') {
    return { status: 200, body: clusters.flatMap((cluster) => textLines(cluster, dynamic.has(cluster.name))).join('') };
  }
  const message = create(adminClusters.ClustersSchema, {
    clusterStatuses: clusters.map((cluster) => ({
      name: cluster.name,
      addedViaApi: dynamic.has(cluster.name),
      observabilityName: cluster.runtime.observabilityName,
      edsServiceName: cluster.runtime.discovery.kind === 'eds' ? cluster.runtime.discovery.resourceName : '',
      circuitBreakers: {
        thresholds: [
          { priority: RoutingPriority.DEFAULT, ...limitsOf(cluster.runtime.circuitBreakers.default) },
          { priority: RoutingPriority.HIGH, ...limitsOf(cluster.runtime.circuitBreakers.high) },
        ],
      },
      ...(cluster.outlier.threshold >= 0 && { successRateEjectionThreshold: { value: cluster.outlier.threshold } }),
      ...(cluster.outlier.localThreshold >= 0 && { localOriginSuccessRateEjectionThreshold: { value: cluster.outlier.localThreshold } }),
      hostStatuses: cluster.listHosts().map(hostStatus),
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

function hostStatus(host: Host) {
  const { locality, outlier } = host;
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
    healthStatus: {
      edsHealthStatus: EDS_HEALTH[host.endpoint.health],
      failedOutlierCheck: host.ejectedUntilMs > 0,
      failedActiveHealthCheck: host.failedActiveCheck,
      failedActiveDegradedCheck: host.degradedByCheck,
      pendingDynamicRemoval: host.pendingRemoval,
      pendingActiveHc: host.ignoredUntilChecked,
    },
    ...(outlier.external.last >= 0 && { successRate: { value: outlier.external.last } }),
    ...(outlier.local.last >= 0 && { localOriginSuccessRate: { value: outlier.local.last } }),
    weight: host.weight,
    hostname: host.endpoint.hostname,
    priority: locality?.priority ?? 0,
    locality: { region: locality?.region ?? '', zone: locality?.zone ?? '', subZone: locality?.subZone ?? '' },
  };
}

function textLines(cluster: ClusterState, addedViaApi: boolean): string[] {
  const { name, runtime } = cluster;
  const lines = [`observability_name::${runtime.observabilityName}`];
  if (runtime.outlier) {
    const { average, threshold, localAverage, localThreshold } = cluster.outlier;
    lines.push(
      `outlier::success_rate_average::${average}`,
      `outlier::success_rate_ejection_threshold::${threshold}`,
      `outlier::local_origin_success_rate_average::${localAverage}`,
      `outlier::local_origin_success_rate_ejection_threshold::${localThreshold}`,
    );
  }
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
  if (runtime.discovery.kind === 'eds') lines.push(`eds_service_name::${runtime.discovery.resourceName}`);
  for (const host of cluster.listHosts()) {
    const { locality } = host;
    const fields: Record<string, string | number | boolean> = {
      ...Object.fromEntries(Object.entries(host.stats).sort(([a], [b]) => (a < b ? -1 : 1))),
      hostname: host.endpoint.hostname,
      health_flags: healthFlags(host),
      weight: host.weight,
      region: locality?.region ?? '',
      zone: locality?.zone ?? '',
      sub_zone: locality?.subZone ?? '',
      canary: host.endpoint.metadata.get('envoy.lb')?.canary === true,
      priority: locality?.priority ?? 0,
      success_rate: host.outlier.external.last,
      local_origin_success_rate: host.outlier.local.last,
    };
    for (const [field, value] of Object.entries(fields)) lines.push(`${host.address}::${field}::${value}`);
  }
  return lines.map((line) => `${name}::${line}\n`);
}

// In Envoy's order.
function healthFlags(host: Host): string {
  const { health } = host.endpoint;
  const flags: [boolean, string][] = [
    [host.failedActiveCheck, '/failed_active_hc'],
    [host.ejectedUntilMs > 0, '/failed_outlier_check'],
    [health === 'unhealthy', '/failed_eds_health'],
    [host.degradedByCheck, '/degraded_active_hc'],
    [health === 'degraded', '/degraded_eds_health'],
    [host.pendingRemoval, '/pending_dynamic_removal'],
    [host.excludedByFailure, '/excluded_via_immediate_hc_fail'],
    [host.timedOutCheck, '/active_hc_timeout'],
    [host.ignoredUntilChecked, '/pending_active_hc'],
    [health === 'draining', '/eds_status_draining'],
  ];
  return (
    flags
      .filter(([isSet]) => isSet)
      .map(([, flag]) => flag)
      .join('') || 'healthy'
  );
}

export function replyListeners({ query }: Pick<EndpointRequest, 'query'>, proxy: DataPlane): EndpointReply {
  const listeners = proxy.listeners().map(({ runtime, sockets }) => ({
    name: runtime.name,
    addresses: sockets.length > 0 ? sockets.map((socket) => socket.address) : runtime.addresses,
  }));
  if (query.get('format') !== 'json') {
    return {
      status: 200,
      body: listeners.flatMap(({ name, addresses }) => addresses.map(({ host, port }) => `${name}::${addressText(host, port)}\n`)).join(''),
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
