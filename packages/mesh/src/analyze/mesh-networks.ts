// meshNetworks of the ConfigMap istio: networks whose endpoints come from a registry nobody knows (IST0126).

import { isObject } from '@lateen/base';
import { parse } from 'yaml';
import type { Collector } from './collector.ts';
import type { World } from './world.ts';

const MAX_CHARS = 256 * 1024;
/** The local registry, by Istio's name of it. */
const LOCAL = 'Kubernetes';

export function analyzeMeshNetworks(world: World, out: Collector): void {
  const map = world.all('', 'ConfigMap').find(({ metadata }) => metadata.name === 'istio');
  const text = isObject(map?.data) ? map.data.meshNetworks : undefined;
  if (!map || typeof text !== 'string' || text.length > MAX_CHARS) return;
  const known = new Set([LOCAL, ...remoteClusters(world)]);
  for (const [network, registry] of registriesOf(text)) {
    if (known.has(registry)) continue;
    out.add('IST0126', map, { path: 'data.meshNetworks', message: `Unknown service registry ${registry} in network ${network}` });
  }
}

/** Clusters with a remote secret: its keys are their names. */
function remoteClusters(world: World): string[] {
  return world
    .all('', 'Secret')
    .filter(({ metadata }) => metadata.labels?.['istio/multiCluster'] === 'true')
    .flatMap(({ data, stringData }) => [
      ...Object.keys(isObject(data) ? data : {}),
      ...Object.keys(isObject(stringData) ? stringData : {}),
    ]);
}

function registriesOf(text: string): [network: string, registry: string][] {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 });
  } catch {
    return [];
  }
  const networks = isObject(value) && isObject(value.networks) ? value.networks : {};
  return Object.entries(networks).flatMap(([network, settings]) => {
    const endpoints = isObject(settings) && Array.isArray(settings.endpoints) ? settings.endpoints : [];
    return endpoints.flatMap((endpoint): [string, string][] =>
      isObject(endpoint) && typeof endpoint.fromRegistry === 'string' ? [[network, endpoint.fromRegistry]] : [],
    );
  });
}
