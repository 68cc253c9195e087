// What clusters and listeners name: endpoints and route configurations, each with its source.

import type { ClusterRuntime, ConfigSourceRuntime, ListenerRuntime, RouteTable } from '../runtime/index.ts';

/** A resource that clusters or listeners name. */
export type ResourceReference = {
  readonly key: string;
  /** As its source calls it. */
  readonly resourceName: string;
  readonly source: ConfigSourceRuntime;
  /** Of the connection managers or clusters that name it. */
  readonly statPrefixes: readonly string[];
};

type Owners = {
  readonly cluster: ReadonlyMap<string, { readonly compiled: ClusterRuntime }>;
  readonly listener: ReadonlyMap<string, { readonly compiled: ListenerRuntime }>;
};

/** By key. */
export function referencesOf(tables: Owners, kind: 'endpoints' | 'route'): Map<string, ResourceReference> {
  const found = new Map<string, ResourceReference>();
  const add = (references: readonly ResourceReference[]) => {
    for (const one of references) {
      const known = found.get(one.key);
      found.set(one.key, known ? { ...known, statPrefixes: [...new Set([...known.statPrefixes, ...one.statPrefixes])] } : one);
    }
  };
  if (kind === 'endpoints') for (const { compiled } of tables.cluster.values()) add(endpointsOf(compiled));
  else for (const { compiled } of tables.listener.values()) add(routesOf(compiled));
  return found;
}

/** Names to ask of ADS. */
export const adsNames = (references: ReadonlyMap<string, ResourceReference>): Set<string> =>
  new Set([...references.values()].flatMap(({ resourceName, source }) => (source.kind === 'ads' ? [resourceName] : [])));

export function endpointsOf({ discovery, statName }: ClusterRuntime): ResourceReference[] {
  if (discovery.kind !== 'eds') return [];
  const { serviceName: key, resourceName, source } = discovery;
  return [{ key, resourceName, source, statPrefixes: [statName] }];
}

const chainsOf = ({ filterChains, defaultFilterChain }: ListenerRuntime) =>
  defaultFilterChain ? [...filterChains, defaultFilterChain] : filterChains;

/** Route tables in the listener itself. */
export const tablesOf = (listener: ListenerRuntime): RouteTable[] =>
  chainsOf(listener).flatMap(({ terminal }) =>
    terminal.kind === 'http' && terminal.hcm.routes.kind === 'inline' ? [terminal.hcm.routes.table] : [],
  );

export function routesOf(listener: ListenerRuntime): ResourceReference[] {
  return chainsOf(listener).flatMap(({ terminal }) => {
    if (terminal.kind !== 'http' || terminal.hcm.routes.kind !== 'rds') return [];
    const { name: key, resourceName, source } = terminal.hcm.routes;
    return [{ key, resourceName, source, statPrefixes: [terminal.hcm.statPrefix] }];
  });
}
