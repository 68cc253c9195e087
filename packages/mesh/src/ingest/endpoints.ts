// EndpointSlices joined with their pods -> the endpoints of a service. Without any slice (plain files), the pods that the
// service selects.

import type { EndpointSlice, Pod } from '@lateen/kube/types';
import { type ByKey, labelsMatch, type MeshEndpoint, type MeshService, NO_LOCALITY, type Workload } from '../model/index.ts';
import { endpointsOf } from './service-entry.ts';
import { isPodReady } from './workload.ts';

export type EndpointSources = {
  slices: readonly EndpointSlice[];
  workloads: ByKey<Workload>;
  pods: ByKey<Pod>;
  publishNotReady: boolean;
};

/** The service's endpoints in a stable order. Addresses that are not ready are left out unless the Service publishes them. */
export function ingestEndpoints(service: MeshService, sources: EndpointSources): MeshEndpoint[] {
  const endpoints = sources.slices.length > 0 ? fromSlices(service, sources) : fromPods(service, sources);
  return endpoints.sort(compareEndpoints);
}

function fromSlices(service: MeshService, sources: EndpointSources): MeshEndpoint[] {
  const found = new Map<string, MeshEndpoint>();
  for (const slice of sources.slices) {
    if (slice.addressType === 'FQDN') continue;
    for (const endpoint of slice.endpoints ?? []) {
      const { ready, terminating } = endpoint.conditions ?? {};
      if ((ready === false || terminating === true) && !sources.publishNotReady) continue;
      for (const address of endpoint.addresses) {
        const target = endpoint.targetRef;
        const workload =
          (target?.kind === 'Pod' ? sources.workloads.get(`${target.namespace ?? service.namespace}/${target.name}`) : undefined) ??
          bareWorkload(service, address, endpoint.zone ?? '');
        for (const port of slice.ports ?? []) {
          if (port.port === undefined || port.protocol === 'UDP') continue;
          // The same address may stand in two slices while they are rebalanced.
          found.set(`${address}:${port.port}:${port.name ?? ''}`, {
            portName: port.name ?? '',
            address,
            port: port.port,
            hostname: endpoint.hostname ?? '',
            weight: 1,
            workload,
          });
        }
      }
    }
  }
  return [...found.values()];
}

function fromPods(service: MeshService, { pods, workloads, publishNotReady }: EndpointSources): MeshEndpoint[] {
  if (Object.keys(service.selector).length === 0) return [];
  const endpoints: MeshEndpoint[] = [];
  for (const [key, pod] of pods) {
    const workload = workloads.get(key);
    if (!workload || workload.namespace !== service.namespace || !labelsMatch(service.selector, workload.labels)) continue;
    if (!isPodReady(pod) && !publishNotReady) continue;
    const hostname = pod.spec.hostname ?? '';
    endpoints.push(...endpointsOf(workload, service).map((endpoint) => ({ ...endpoint, hostname })));
  }
  return endpoints;
}

function bareWorkload(service: MeshService, address: string, zone: string): Workload {
  return {
    namespace: service.namespace,
    name: address,
    address,
    labels: {},
    serviceAccount: '',
    workloadName: '',
    nodeName: '',
    locality: zone ? { ...NO_LOCALITY, zone } : NO_LOCALITY,
    namedPorts: {},
    tlsMode: 'disabled',
    network: '',
  };
}

function compareEndpoints(a: MeshEndpoint, b: MeshEndpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port || (a.portName < b.portName ? -1 : 1);
}
