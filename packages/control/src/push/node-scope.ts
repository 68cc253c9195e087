// A proxy's node -> the scope of its configuration.

import { isObject } from '@lateen/base';
import { type MeshSnapshot, NO_LOCALITY, type Workload } from '@lateen/mesh';
import { type ProxyScope, settingsOfNode } from '@lateen/mesh/translate';
import type { Node } from '@lateen/xds/messages/config';

export type NodeId = { type: 'sidecar' | 'router'; ip: string; name: string; namespace: string };

/** Takes apart "type~ip~pod.namespace~namespace.svc.domain". What does not have that form is a sidecar without a pod. */
export function parseNodeId(id: string): NodeId {
  const [type, ip = '', qualified = '', dnsDomain = ''] = id.split('~');
  const dot = qualified.lastIndexOf('.');
  const namespace = dot < 0 ? dnsDomain.split('.', 1)[0] || 'default' : qualified.slice(dot + 1);
  return { type: type === 'router' ? 'router' : 'sidecar', ip, name: dot < 0 ? qualified : qualified.slice(0, dot), namespace };
}

/** The scope; labels and locality come from the node itself, else from its pod. */
export function scopeOfNode(node: Node, snapshot: MeshSnapshot): ProxyScope {
  const { type, name, namespace } = parseNodeId(node.id);
  const metadata = node.metadata ?? {};
  const own = typeof metadata['NAMESPACE'] === 'string' ? metadata['NAMESPACE'] : namespace;
  const workload: Workload | undefined = snapshot.workloads.get(`${own}/${name}`);
  const { region = '', zone = '', subZone = '' } = node.locality ?? {};
  return {
    type,
    namespace: own,
    labels: labelsOf(metadata['LABELS']) ?? workload?.labels ?? {},
    locality: region !== '' ? { region, zone, subzone: subZone } : (workload?.locality ?? NO_LOCALITY),
    // Envoy lists what it was built with; a proxy that lists nothing is ours.
    hasIstioFilters: node.extensions.length === 0 || node.extensions.some((extension) => extension.name === 'istio.stats'),
    ...settingsOfNode(metadata['PROXY_CONFIG']),
  };
}

function labelsOf(value: unknown): Record<string, string> | undefined {
  if (!isObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
