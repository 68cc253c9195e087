import { parseIp } from '@lateen/base';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignment_PolicySchema,
  ClusterLoadAssignmentSchema,
  type Endpoint,
  Endpoint_HealthCheckConfigSchema,
  EndpointSchema,
  HealthStatus,
  type LbEndpoint,
  type LocalityLbEndpoints,
  LocalityLbEndpointsSchema,
} from '@lateen/xds/messages/proxy';
import type { EndpointHealthCheck, EndpointRuntime, EndpointsRuntime, LocalityRuntime } from '../model.ts';
import { honours, type Report } from './report.ts';
import { metadataOf, metadataText, socketAddressOf } from './values.ts';

const check = honours(ClusterLoadAssignmentSchema, ['clusterName', 'endpoints', 'policy']);
const checkPolicy = honours(ClusterLoadAssignment_PolicySchema, ['overprovisioningFactor', 'weightedPriorityHealth']);
const checkEndpoint = honours(EndpointSchema, ['address', 'healthCheckConfig', 'hostname', 'additionalAddresses']);
const checkHealth = honours(Endpoint_HealthCheckConfigSchema, ['portValue', 'hostname', 'address', 'disableActiveHealthCheck']);
const checkLocality = honours(LocalityLbEndpointsSchema, [
  'locality',
  'metadata',
  'lbEndpoints',
  'loadBalancingWeight',
  'priority',
  'proximity',
]);

/** `names`: hosts may be names that somebody resolves. */
export function compileEndpoints(
  message: ClusterLoadAssignment,
  report: Report,
  { names = false }: { names?: boolean } = {},
): EndpointsRuntime {
  check(message, report);
  if (message.policy) checkPolicy(message.policy, report.at('policy'));
  const localities = message.endpoints.map((group, i) => compileLocality(group, report.at('endpoints', i)));
  if (!names) refuseNames(localities, report);
  return {
    clusterName: message.clusterName,
    localities: localities.sort((a, b) => a.priority - b.priority),
    overprovisioningFactorPercent: message.policy?.overprovisioningFactor ?? 140,
    ...(message.policy?.weightedPriorityHealth && { weightedPriorityHealth: true }),
  };
}

function refuseNames(localities: readonly LocalityRuntime[], report: Report): void {
  for (const { host } of localities.flatMap(({ endpoints }) => endpoints)) {
    if (!host.startsWith('/') && !parseIp(host)) {
      report.refuse(`${JSON.stringify(host)} is no IP address; names are for STRICT_DNS and LOGICAL_DNS`);
    }
  }
}

function compileLocality(group: LocalityLbEndpoints, report: Report): LocalityRuntime {
  checkLocality(group, report);
  return {
    region: group.locality?.region ?? '',
    zone: group.locality?.zone ?? '',
    subZone: group.locality?.subZone ?? '',
    priority: group.priority,
    weight: group.loadBalancingWeight ?? 0,
    endpoints: group.lbEndpoints.flatMap((endpoint, i) => compileEndpoint(endpoint, report.at('lb_endpoints', i)) ?? []),
  };
}

const HEALTH: Partial<Record<number, EndpointRuntime['health']>> = {
  [HealthStatus.UNKNOWN]: 'healthy',
  [HealthStatus.HEALTHY]: 'healthy',
  [HealthStatus.UNHEALTHY]: 'unhealthy',
  [HealthStatus.TIMEOUT]: 'unhealthy',
  [HealthStatus.DRAINING]: 'draining',
  [HealthStatus.DEGRADED]: 'degraded',
};

function compileEndpoint(message: LbEndpoint, report: Report): EndpointRuntime | undefined {
  if (message.hostIdentifier.case !== 'endpoint') {
    report.refuse(message.hostIdentifier.case ? 'endpoint_name is not supported' : 'endpoint is required');
    return undefined;
  }
  const endpoint = message.hostIdentifier.value;
  checkEndpoint(endpoint, report.at('endpoint'));
  const { address: kind } = endpoint.address ?? { address: undefined };
  // A Unix domain socket: its path stands in place of the host.
  const address =
    kind?.case === 'pipe' ? { host: kind.value.path, port: 0 } : socketAddressOf(endpoint.address, report.at('endpoint').at('address'));
  if (!address) return undefined;
  const metadata = metadataOf(message.metadata);
  return {
    host: address.host,
    port: address.port,
    hostname: endpoint.hostname,
    ...(endpoint.additionalAddresses.length > 0 && { additionalAddresses: compileAdditional(endpoint, address, report.at('endpoint')) }),
    weight: message.loadBalancingWeight ?? 1,
    health: HEALTH[message.healthStatus] ?? 'unhealthy',
    metadata,
    istioWorkload: metadataText(metadata, 'istio', 'workload'),
    ...(endpoint.healthCheckConfig && {
      healthCheck: compileHealthCheck(endpoint.healthCheckConfig, kind?.case === 'pipe', report.at('endpoint').at('health_check_config')),
    }),
  };
}

function compileAdditional({ additionalAddresses }: Endpoint, first: { port: number }, report: Report): string[] {
  return additionalAddresses.flatMap(({ address }, i) => {
    const at = report.at('additional_addresses', i).at('address');
    const more = socketAddressOf(address, at);
    if (!more) return [];
    if (!parseIp(more.host)) at.refuse(`${JSON.stringify(more.host)} is no IP address`);
    if (more.port !== first.port) at.refuse('must have the port of the endpoint');
    return [more.host];
  });
}

function compileHealthCheck(message: NonNullable<Endpoint['healthCheckConfig']>, isPipe: boolean, report: Report): EndpointHealthCheck {
  checkHealth(message, report);
  if (message.portValue > 0 && isPipe) report.at('port_value').refuse('a Unix domain socket has no port');
  const address = message.address && socketAddressOf(message.address, report.at('address'));
  return {
    disabled: message.disableActiveHealthCheck,
    port: address?.port || message.portValue,
    host: address?.host ?? '',
    hostname: message.hostname,
  };
}
