// How a DestinationRule's layers combine: a subset's fields replace the rule's; a port's entry replaces the whole of both
// for that port, its omitted fields falling back to the defaults.

import type { PortTrafficPolicy, TrafficPolicy } from '../model/index.ts';

export function policyForSubset(top: TrafficPolicy | undefined, subset: TrafficPolicy | undefined): TrafficPolicy {
  return { ...top, ...subset };
}

/** What holds for one port. A port's entry cannot name these, so those of the destination hold. */
export type EffectivePolicy = PortTrafficPolicy & Pick<TrafficPolicy, 'retryBudget' | 'proxyProtocol'>;

export function policyForPort(policy: TrafficPolicy | undefined, port: number): EffectivePolicy {
  const entry = policy?.portLevelSettings?.find((one) => one.port?.number === port);
  if (!entry) return policy ?? {};
  const { retryBudget, proxyProtocol } = policy ?? {};
  return { ...entry, ...(retryBudget && { retryBudget }), ...(proxyProtocol && { proxyProtocol }) };
}
