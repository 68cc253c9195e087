// How a DestinationRule's layers combine: a subset's fields replace the rule's; a port's entry replaces the whole of both
// for that port, its omitted fields falling back to the defaults.

import type { PortTrafficPolicy, TrafficPolicy } from '../model/index.ts';

export function policyForSubset(top: TrafficPolicy | undefined, subset: TrafficPolicy | undefined): TrafficPolicy {
  return { ...top, ...subset };
}

export function policyForPort(policy: TrafficPolicy | undefined, port: number): PortTrafficPolicy {
  return policy?.portLevelSettings?.find((entry) => entry.port?.number === port) ?? policy ?? {};
}
