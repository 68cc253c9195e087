// The log of health check events: Envoy's HealthCheckEvent, one line of JSON each.

import type { HealthCheckRuntime } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';

export type HealthEvent =
  | 'eject_unhealthy_event'
  | 'add_healthy_event'
  | 'health_check_failure_event'
  | 'degraded_healthy_host'
  | 'no_longer_degraded_host'
  | 'successful_health_check_event';

export type HealthEventLog = (event: HealthEvent, details?: object) => void;

/** Writes to the files that the check names; nothing without. */
export function createHealthEventLog(cluster: ClusterState, host: Host, check: HealthCheckRuntime): HealthEventLog {
  const { context, name } = cluster;
  const files = check.eventLogPaths.flatMap((path) => context.openLog?.(path) ?? []);
  if (files.length === 0) return () => {};
  return (event, details = {}) => {
    const { region = '', zone = '', subZone = '' } = host.locality ?? {};
    const metadata = Object.fromEntries(host.endpoint.metadata);
    const line = JSON.stringify({
      health_checker_type: check.probe.kind.toUpperCase(),
      host: addressOf(host),
      cluster_name: name,
      [event]: details,
      timestamp: new Date(context.clock.now()).toISOString(),
      ...(host.endpoint.metadata.size > 0 && { metadata: { filter_metadata: metadata, typed_filter_metadata: {} } }),
      locality: { region, zone, sub_zone: subZone },
    });
    for (const file of files) file.write(`${line}\n`);
  };
}

function addressOf({ ip, port }: Host): object {
  if (ip.startsWith('/')) return { pipe: { path: ip, mode: 0 } };
  const socket = { protocol: 'TCP', address: ip, port_value: port, resolver_name: '', ipv4_compat: false, network_namespace_filepath: '' };
  return { socket_address: socket };
}
