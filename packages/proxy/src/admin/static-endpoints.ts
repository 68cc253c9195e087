// The hosts that static clusters have now, as /config_dump?include_eds tells them.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ClusterLoadAssignmentSchema, HealthStatus } from '@lateen/xds/messages/proxy';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host, HostHealth } from '../upstream/host.ts';

const HEALTH: Readonly<Record<HostHealth, HealthStatus>> = {
  healthy: HealthStatus.HEALTHY,
  unhealthy: HealthStatus.UNHEALTHY,
  degraded: HealthStatus.DEGRADED,
};

/** A ClusterLoadAssignment for each of the clusters, packed. */
export const staticEndpointsOf = (clusters: readonly ClusterState[]) =>
  clusters.map((cluster) => ({
    endpointConfig: anyPack(ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, assignmentOf(cluster))),
  }));

function assignmentOf(cluster: ClusterState): MessageInitShape<typeof ClusterLoadAssignmentSchema> {
  const byLocality = Map.groupBy(cluster.listHosts(), ({ locality }) => locality);
  return {
    clusterName: cluster.runtime.discovery.kind === 'eds' ? cluster.runtime.discovery.resourceName : cluster.name,
    endpoints: [...byLocality].map(([locality, hosts]) => ({
      locality: { region: locality?.region ?? '', zone: locality?.zone ?? '', subZone: locality?.subZone ?? '' },
      priority: locality?.priority ?? 0,
      lbEndpoints: hosts.map(endpointOf),
    })),
    policy: { overprovisioningFactor: 140 },
  };
}

const endpointOf = (host: Host) => ({
  hostIdentifier: {
    case: 'endpoint' as const,
    value: {
      address: {
        address: {
          case: 'socketAddress' as const,
          value: { address: host.ip, portSpecifier: { case: 'portValue' as const, value: host.port } },
        },
      },
      hostname: host.endpoint.hostname,
      healthCheckConfig: {},
    },
  },
  healthStatus: HEALTH[host.health],
  loadBalancingWeight: host.weight,
});
