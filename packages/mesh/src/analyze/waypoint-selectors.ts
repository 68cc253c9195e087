// DestinationRules for selected clients only, on hosts behind a waypoint: the waypoint is no such client (IST0178).

import { hostsIntersect } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import { fullHost } from './registry.ts';
import { stringsOf, type World } from './world.ts';

const USE_WAYPOINT = 'istio.io/use-waypoint';

export function analyzeWaypointSelectors(world: World, out: Collector): void {
  const hosts = [
    ...world.services
      .filter((service) => usesWaypoint(service, world))
      .map(({ metadata }) => fullHost(metadata.name, metadata.namespace ?? '')),
    ...world.istio('ServiceEntry').flatMap((entry) => (usesWaypoint(entry, world) ? (entry.spec.hosts ?? []) : [])),
  ];
  if (hosts.length === 0) return;
  for (const rule of world.istio('DestinationRule')) {
    if (!rule.spec.workloadSelector || !rule.spec.host) continue;
    const wanted = fullHost(rule.spec.host, rule.metadata.namespace ?? '');
    const host = hosts.find((name) => hostsIntersect(wanted, name));
    if (host === undefined) continue;
    out.add('IST0178', rule, {
      path: 'spec.workloadSelector',
      message: `The DestinationRule has a workloadSelector, which has no effect on ${host}: its clients go through a waypoint.`,
      fix: 'Leave the workloadSelector out.',
    });
  }
}

/** The label of the object itself wins over that of its namespace; "none" opts out. */
function usesWaypoint({ metadata }: { metadata: KubeObject['metadata'] }, world: World): boolean {
  const waypoint = stringsOf(metadata.labels)[USE_WAYPOINT] ?? world.namespaceLabels(metadata.namespace ?? '')[USE_WAYPOINT];
  return Boolean(waypoint) && waypoint !== 'none';
}
