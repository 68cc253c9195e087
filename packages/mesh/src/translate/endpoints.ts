// Endpoints: the workloads behind each EDS cluster, grouped by locality.

import { create } from '@bufbuild/protobuf';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
  HealthStatus,
  type LbEndpoint,
  LbEndpointSchema,
} from '@lateen/xds/messages/config';
import {
  canonicalName,
  canonicalRevision,
  type Locality,
  type LocalityLbSetting,
  labelsMatch,
  type MeshEndpoint,
  type MeshService,
  type ServicePortModel,
  serviceKey,
} from '../model/index.ts';
import { parseClusterName } from './names.ts';
import { socketAddress } from './pack.ts';
import { policyForPort, policyForSubset } from './traffic-policy.ts';
import type { View } from './view.ts';

/** The load assignment of an outbound EDS cluster, or undefined when the name is none. */
export function translateEndpoints(view: View, clusterName: string): ClusterLoadAssignment | undefined {
  const name = parseClusterName(clusterName);
  const service = name && view.serviceByHost(name.hostname);
  const port = service?.ports.find((one) => one.port === name?.port);
  if (!name || !service || !port) return undefined;
  const rules = view.destinationRuleFor(service);
  const subset = rules?.subsets.find((one) => one.name === name.subset);
  if (name.subset !== '' && !subset) return undefined;
  const policy = policyForPort(policyForSubset(rules?.trafficPolicy, subset?.trafficPolicy), port.port);
  const endpoints = (view.snapshot.endpoints.get(serviceKey(service)) ?? []).filter(
    (endpoint) => endpoint.portName === port.name && labelsMatch(subset?.labels, endpoint.workload.labels),
  );
  const setting = policy.loadBalancer?.localityLbSetting ?? view.snapshot.mesh.localityLbSetting;
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: localities(view, endpoints, { setting, canFailOver: policy.outlierDetection !== undefined }),
  });
}

type LocalityOptions = { setting: LocalityLbSetting | undefined; canFailOver: boolean };

function localities(view: View, endpoints: readonly MeshEndpoint[], { setting, canFailOver }: LocalityOptions) {
  const groups = new Map<string, MeshEndpoint[]>();
  for (const endpoint of endpoints) {
    const key = localityKey(endpoint.workload.locality);
    const group = groups.get(key);
    if (group) group.push(endpoint);
    else groups.set(key, [endpoint]);
  }
  const isEnabled = setting?.enabled !== false && view.scope.locality.region !== '';
  const distribute = isEnabled ? distribution(setting, view.scope.locality) : undefined;
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  const ranks = sorted.map(([, [first]]) =>
    isEnabled && canFailOver && !distribute ? distanceOf(view.scope.locality, (first as MeshEndpoint).workload.locality, setting) : 0,
  );
  // Envoy wants priorities without gaps.
  const priorities = [...new Set(ranks)].sort((a, b) => a - b);
  return sorted.flatMap(([key, group], index) => {
    const weight = distribute ? weightFor(distribute, key) : group.reduce((sum, endpoint) => sum + endpoint.weight, 0);
    if (weight <= 0) return [];
    const { region, zone, subzone } = (group[0] as MeshEndpoint).workload.locality;
    return [
      {
        locality: { region, zone, subZone: subzone },
        lbEndpoints: group.map((endpoint) => lbEndpoint(view, endpoint)),
        loadBalancingWeight: weight,
        priority: priorities.indexOf(ranks[index] as number),
      },
    ];
  });
}

function lbEndpoint(view: View, endpoint: MeshEndpoint): LbEndpoint {
  const { workload } = endpoint;
  const cluster = view.snapshot.mesh.clusterId;
  // Read by the proxy for the destination labels of its metrics.
  const istio = {
    workload: [workload.workloadName, workload.namespace, canonicalName(workload), canonicalRevision(workload), cluster].join(';'),
  };
  return create(LbEndpointSchema, {
    hostIdentifier: { case: 'endpoint', value: { address: socketAddress(endpoint.address, endpoint.port) } },
    // Addresses that are not ready do not come this far.
    healthStatus: HealthStatus.HEALTHY,
    loadBalancingWeight: endpoint.weight,
    metadata: { filterMetadata: { istio } },
  });
}

/** The names or addresses a DNS cluster resolves. */
export function dnsLoadAssignment(
  clusterName: string,
  service: MeshService,
  { port, labels }: { port: ServicePortModel; labels: Record<string, string> | undefined },
): ClusterLoadAssignment {
  const targetPort = typeof port.targetPort === 'number' ? port.targetPort : port.port;
  const lbEndpoints = service.dnsEndpoints
    .filter((endpoint) => labelsMatch(labels, endpoint.labels))
    .map((endpoint) =>
      create(LbEndpointSchema, {
        hostIdentifier: { case: 'endpoint', value: { address: socketAddress(endpoint.address, endpoint.ports[port.name] ?? targetPort) } },
        loadBalancingWeight: endpoint.weight,
      }),
    );
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: lbEndpoints.length > 0 ? [{ locality: {}, lbEndpoints, loadBalancingWeight: lbEndpoints.length }] : [],
  });
}

const localityKey = ({ region, zone, subzone }: Locality): string => [region, zone, subzone].filter((part) => part !== '').join('/');

// 0 same subzone, 1 same zone, 2 same region, 3 the region that `failover` names, 4 any other.
function distanceOf(own: Locality, other: Locality, setting: LocalityLbSetting | undefined): number {
  if (own.region === other.region) return own.zone !== other.zone ? 2 : own.subzone !== other.subzone ? 1 : 0;
  return setting?.failover?.some((rule) => rule.from === own.region && rule.to === other.region) ? 3 : 4;
}

function distribution(setting: LocalityLbSetting | undefined, own: Locality): Record<string, number> | undefined {
  return setting?.distribute?.find((rule) => localityMatches(rule.from ?? '', localityKey(own)))?.to;
}

const weightFor = (to: Record<string, number>, key: string): number =>
  Object.entries(to).find(([pattern]) => localityMatches(pattern, key))?.[1] ?? 0;

// "region/zone/*" covers everything below; a shorter name covers its parts.
function localityMatches(pattern: string, key: string): boolean {
  const prefix = pattern.endsWith('*') ? pattern.slice(0, -1).replace(/\/$/, '') : pattern;
  return prefix === '' || key === prefix || key.startsWith(`${prefix}/`);
}
