// What a translation may depend on besides the snapshot. Proxies with equal scopes get the same resources: the scope is
// the cache key.

import { stableStringify } from '@lateen/base';
import type { Locality, MeshSnapshot } from '../model/index.ts';
import type { NodeSettings } from './node-settings.ts';

/** With what the proxy was injected with. */
export type ProxyScope = NodeSettings & {
  type: 'sidecar' | 'router';
  namespace: string;
  labels: Readonly<Record<string, string>>;
  locality: Locality;
  /** Whether the proxy knows Istio's own filters (istio.stats, peer metadata). A stock Envoy does not. */
  hasIstioFilters: boolean;
};

export function scopeKey(scope: ProxyScope): string {
  return stableStringify(scope);
}

/**
 * The scope of what a sidecar needs as a client: only the labels that some rule asks clients for. Nearly always none, so that
 * all workloads of a namespace share it. A gateway is selected by its labels and keeps them.
 */
export function clientScope(snapshot: MeshSnapshot, scope: ProxyScope): ProxyScope {
  if (scope.type === 'router') return scope;
  const keys = clientLabelKeys(snapshot);
  return { ...scope, labels: Object.fromEntries(Object.entries(scope.labels).filter(([key]) => keys.has(key))) };
}

type Selecting = Pick<MeshSnapshot, 'virtualServices' | 'destinationRules' | 'sidecars' | 'telemetries'>;
let last: { of: Selecting; keys: ReadonlySet<string> } | undefined;

function clientLabelKeys(snapshot: MeshSnapshot): ReadonlySet<string> {
  const { virtualServices, destinationRules, sidecars, telemetries } = snapshot;
  const isSame =
    last?.of.virtualServices === virtualServices &&
    last.of.destinationRules === destinationRules &&
    last.of.sidecars === sidecars &&
    last.of.telemetries === telemetries;
  if (last && isSame) return last.keys;
  const keys = new Set<string>();
  const addAll = (labels: Readonly<Record<string, string>> | undefined): void => {
    for (const key of Object.keys(labels ?? {})) keys.add(key);
  };
  for (const { spec } of virtualServices.values()) {
    for (const rule of [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])])
      for (const match of rule.match ?? []) addAll(match.sourceLabels);
  }
  for (const { spec } of destinationRules.values()) addAll(spec.workloadSelector?.matchLabels);
  for (const { spec } of sidecars.values()) addAll(spec.workloadSelector?.labels);
  for (const { spec } of telemetries.values()) addAll(spec.selector?.matchLabels);
  last = { of: { virtualServices, destinationRules, sidecars, telemetries }, keys };
  return keys;
}
