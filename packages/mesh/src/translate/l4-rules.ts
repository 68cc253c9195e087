// tcp[] and tls[] rules of VirtualServices -> filter chains.

import { create } from '@bufbuild/protobuf';
import { parseCidr } from '@lateen/base';
import { type FilterChain, FilterChainSchema } from '@lateen/xds/messages/config';
import { configPathOf, type L4Match, type RouteDestination } from '../model/index.ts';
import type { FilterPlace } from './http-filters.ts';
import { istioMetadata } from './pack.ts';
import { isInstalledAt, type RoutePlace } from './route-match.ts';
import { tcpFilters, weightedClusters } from './tcp-filters.ts';
import type { View } from './view.ts';
import type { ResolvedVirtualService } from './virtual-service-rules.ts';

type L4Rule = { path: string; route: readonly RouteDestination[]; matches: readonly (L4Match & { sniHosts?: string[] })[] };

export type L4Options = { place: FilterPlace; at: RoutePlace; statPrefix: string };

/** Filter chains of the rules installed here, in order. */
export function l4FilterChains(view: View, rules: ResolvedVirtualService, options: L4Options & { kind: 'tcp' | 'tls' }): FilterChain[] {
  const chains: FilterChain[] = [];
  for (const rule of l4Rules(rules, options.kind)) {
    for (const match of rule.matches.length > 0 ? rule.matches : [{}]) {
      if (!isInstalledAt(match, options.at, { scope: view.scope, ruleNamespace: rules.source.namespace })) continue;
      chains.push(filterChain(view, rules, { rule, match, options }));
    }
  }
  return chains;
}

function l4Rules(rules: ResolvedVirtualService, kind: 'tcp' | 'tls'): L4Rule[] {
  const list = kind === 'tcp' ? rules.object.spec.tcp : rules.object.spec.tls;
  return (list ?? []).map((rule, index) => ({ path: `${kind}[${index}]`, route: rule.route ?? [], matches: rule.match ?? [] }));
}

type ChainParts = { rule: L4Rule; match: L4Rule['matches'][number]; options: L4Options };

function filterChain(view: View, rules: ResolvedVirtualService, { rule, match, options }: ChainParts): FilterChain {
  const clusters = weightedClusters(view, rule.route, { rule: rules, place: options.at });
  const serverNames = (match.sniHosts ?? []).filter((host) => host !== '*');
  const prefixRanges = (match.destinationSubnets ?? []).flatMap(cidrRange);
  const isConditional = serverNames.length > 0 || prefixRanges.length > 0;
  return create(FilterChainSchema, {
    ...(isConditional && { filterChainMatch: { serverNames, prefixRanges } }),
    filters: tcpFilters(view, { place: options.place, statPrefix: options.statPrefix, clusters }),
    metadata: istioMetadata({ config: configPathOf(rules.source), rule: rule.path }),
  });
}

/** "10.0.0.0/8" as Envoy's CidrRange; nothing when it is not an address. */
export function cidrRange(text: string): { addressPrefix: string; prefixLen: number }[] {
  const parsed = parseCidr(text);
  return parsed.ok ? [{ addressPrefix: text.split('/', 1)[0] as string, prefixLen: parsed.value.prefixLength }] : [];
}
