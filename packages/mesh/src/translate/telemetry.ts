// Which Telemetry objects count for a proxy, and which of their entries for a side of its traffic.

import { compareAge, labelsMatch, type Telemetry } from '../model/index.ts';
import type { FilterPlace } from './http-filters.ts';
import type { View } from './view.ts';

export type TrafficSide = 'CLIENT' | 'SERVER';

export const sideOf = (place: FilterPlace): TrafficSide => (place === 'inbound' ? 'SERVER' : 'CLIENT');

/** Whether an entry with this match is about the side. */
export const isAbout = (side: TrafficSide, match: { mode?: string | undefined } | undefined): boolean =>
  !match?.mode || match.mode === 'CLIENT_AND_SERVER' || match.mode === side;

/** Of the root namespace, the proxy's namespace, its workload: widest first; a narrower one overrides. */
export function telemetriesFor({ snapshot, scope }: View): Telemetry[] {
  const all = [...snapshot.telemetries.values()].sort(compareAge);
  const of = (namespace: string) => all.filter((telemetry) => telemetry.metadata.namespace === namespace);
  const wide = (list: Telemetry[]) => list.filter((telemetry) => !telemetry.spec.selector?.matchLabels).slice(0, 1);
  const root = snapshot.mesh.rootNamespace;
  const own = of(scope.namespace);
  const selected = own.filter(
    (telemetry) => telemetry.spec.selector?.matchLabels && labelsMatch(telemetry.spec.selector.matchLabels, scope.labels),
  );
  return [...wide(of(root)), ...(scope.namespace === root ? [] : wide(own)), ...selected.slice(0, 1)];
}
