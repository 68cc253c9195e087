// Which DestinationRule speaks for a service, by Istio's lookup: the client's namespace, the service's, the root
// namespace; in each the most specific host. Rules of one namespace and host merge by subset.

import { compareHostSpecificity, hostMatches } from '@lateen/base';
import {
  type ByKey,
  compareAge,
  type DestinationRule,
  isExportedTo,
  labelsMatch,
  type MeshService,
  type MeshSnapshot,
  type ObjectRef,
  refOf,
  resolveHost,
  type Subset,
  type TrafficPolicy,
} from '../model/index.ts';
import type { ProxyScope } from './scope.ts';

export type MergedDestinationRule = { source: ObjectRef; trafficPolicy: TrafficPolicy | undefined; subsets: readonly Subset[] };

type HostRules = { host: string; rules: DestinationRule[] };
const cache = new WeakMap<ByKey<DestinationRule>, Map<string, HostRules[]>>();

// By namespace, most specific host first.
function rulesByNamespace(snapshot: MeshSnapshot): Map<string, HostRules[]> {
  const known = cache.get(snapshot.destinationRules);
  if (known) return known;
  const index = new Map<string, HostRules[]>();
  for (const rule of [...snapshot.destinationRules.values()].sort(compareAge)) {
    const namespace = rule.metadata.namespace ?? 'default';
    const host = resolveHost(rule.spec.host ?? '', namespace, snapshot.mesh.clusterDomain);
    const list = index.get(namespace) ?? [];
    index.set(namespace, list);
    const same = list.find((entry) => entry.host === host);
    if (same) same.rules.push(rule);
    else list.push({ host, rules: [rule] });
  }
  for (const list of index.values()) list.sort((a, b) => compareHostSpecificity(a.host, b.host));
  cache.set(snapshot.destinationRules, index);
  return index;
}

export function destinationRuleFor(snapshot: MeshSnapshot, scope: ProxyScope, service: MeshService): MergedDestinationRule | undefined {
  const index = rulesByNamespace(snapshot);
  const { rootNamespace } = snapshot.mesh;
  const namespaces =
    scope.namespace === rootNamespace ? [service.namespace, rootNamespace] : [scope.namespace, service.namespace, rootNamespace];
  for (const namespace of namespaces) {
    for (const { host, rules } of index.get(namespace) ?? []) {
      if (!hostMatches(host, service.hostname)) continue;
      const usable = rules.filter((rule) => isUsable(snapshot, scope, rule));
      if (usable.length > 0) return merge(usable);
    }
  }
  return undefined;
}

function isUsable(snapshot: MeshSnapshot, scope: ProxyScope, rule: DestinationRule): boolean {
  const owner = rule.metadata.namespace ?? 'default';
  const selector = rule.spec.workloadSelector?.matchLabels;
  if (selector && (owner !== scope.namespace || !labelsMatch(selector, scope.labels))) return false;
  const fallback = snapshot.mesh.defaultDestinationRuleExportTo;
  return isExportedTo({ exportTo: rule.spec.exportTo ?? [], owner, fallback }, scope.namespace);
}

function merge(rules: DestinationRule[]): MergedDestinationRule {
  // A rule for this very workload beats the rules for everybody.
  const selected = rules.filter((rule) => rule.spec.workloadSelector);
  const list = selected.length > 0 ? selected : rules;
  const first = list[0] as DestinationRule;
  const subsets = new Map<string, Subset>();
  for (const rule of list) for (const subset of rule.spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  return {
    source: refOf(first),
    trafficPolicy: list.find((rule) => rule.spec.trafficPolicy)?.spec.trafficPolicy,
    subsets: [...subsets.values()],
  };
}
