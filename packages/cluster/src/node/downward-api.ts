// The downward API: a pod's own fields and resources as env values and files.

import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '@lateen/kube/types';
import { parseQuantity } from './quantity.ts';

/** Facts of the running pod that its stored object may not show yet. */
export type PodFacts = { pod: Pod; podIP: string; hostIP: string; nodeName: string; allocatable: { cpu: number; memory: number } };

/** The value of a fieldRef, or undefined when the path is not one of the downward API's. */
export function fieldValue({ fieldPath }: ObjectFieldSelector, facts: PodFacts): string | undefined {
  const { metadata, spec } = facts.pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] as string] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return mapText(metadata.labels);
    case 'metadata.annotations':
      return mapText(metadata.annotations);
    case 'spec.nodeName':
      return facts.nodeName;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default';
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIP;
    case 'status.podIP':
    case 'status.podIPs':
      return facts.podIP;
    default:
      return undefined;
  }
}

// One `key="value"` a line, sorted, with Go's quoting.
const mapText = (map: Record<string, string> | undefined): string =>
  Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');

/** The value of a resourceFieldRef (`limits.cpu`, …): rounded up to whole divisors; an unset limit is what the node has. */
export function resourceValue(ref: ResourceFieldSelector, container: Container, facts: PodFacts): string | undefined {
  const [kind, resource = ''] = ref.resource.split('.', 2);
  if ((kind !== 'limits' && kind !== 'requests') || resource === '') return undefined;
  const own = container.resources?.[kind]?.[resource];
  const fallback = resource === 'cpu' || resource === 'memory' ? facts.allocatable[resource] : 0;
  const value = own !== undefined ? parseQuantity(own) : kind === 'limits' ? fallback : 0;
  const divisor = ref.divisor === undefined || String(ref.divisor) === '0' ? 1 : parseQuantity(ref.divisor);
  if (value === undefined || divisor === undefined || divisor <= 0) return undefined;
  // Rounded first: 0.5 / 0.001 must be 500, not 501.
  return String(Math.ceil(Number((value / divisor).toPrecision(12))));
}
