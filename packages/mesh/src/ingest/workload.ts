// Pod (and its Node) -> Workload.

import type { Node, Pod } from '@lateen/kube/types';
import { type Locality, NO_LOCALITY, type Workload } from '../model/index.ts';
import { parseLocality } from './service-entry.ts';

/** The workload a pod runs, or undefined while it has no address or has finished. */
export function ingestPod(pod: Pod, node: Node | undefined): Workload | undefined {
  const address = pod.status?.podIP;
  const phase = pod.status?.phase;
  if (!address || phase === 'Succeeded' || phase === 'Failed') return undefined;
  const labels = pod.metadata.labels ?? {};
  return {
    namespace: pod.metadata.namespace ?? 'default',
    name: pod.metadata.name,
    address,
    labels,
    serviceAccount: pod.spec.serviceAccountName ?? 'default',
    workloadName: workloadNameOf(pod),
    nodeName: pod.spec.nodeName ?? '',
    locality: localityOf(labels, node),
    namedPorts: namedPortsOf(pod),
    tlsMode: labels['security.istio.io/tlsMode'] === 'istio' ? 'istio' : 'disabled',
    network: labels['topology.istio.io/network'] ?? '',
  };
}

/** Whether the pod may take traffic: Ready, or without any Ready condition (objects given as files). */
export function isPodReady(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp) return false;
  const ready = pod.status?.conditions?.find((condition) => condition.type === 'Ready');
  return ready === undefined || ready.status === 'True';
}

/** The name of the Deployment (by the ReplicaSet's template hash), or of whatever owns the pod, or the pod's own. */
function workloadNameOf(pod: Pod): string {
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller) ?? pod.metadata.ownerReferences?.[0];
  if (!owner) return pod.metadata.labels?.['service.istio.io/workload-name'] ?? pod.metadata.name;
  const hash = pod.metadata.labels?.['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`)) return owner.name.slice(0, -hash.length - 1);
  return owner.name;
}

function localityOf(labels: Readonly<Record<string, string>>, node: Node | undefined): Locality {
  const override = labels['topology.istio.io/locality'] ?? labels['istio-locality'];
  // A label value cannot hold "/", so Istio accepts dots.
  if (override) return parseLocality(override.includes('/') ? override : override.replaceAll('.', '/'));
  const of = node?.metadata.labels;
  if (!of) return NO_LOCALITY;
  return {
    region: of['topology.kubernetes.io/region'] ?? of['failure-domain.beta.kubernetes.io/region'] ?? '',
    zone: of['topology.kubernetes.io/zone'] ?? of['failure-domain.beta.kubernetes.io/zone'] ?? '',
    subzone: of['topology.istio.io/subzone'] ?? '',
  };
}

function namedPortsOf(pod: Pod): Record<string, number> {
  const ports: Record<string, number> = {};
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    for (const port of container.ports ?? []) if (port.name) ports[port.name] ??= port.containerPort;
  }
  return ports;
}
