// ServiceEntry -> one MeshService per host, and the endpoints it lists itself.

import {
  type Locality,
  type MeshEndpoint,
  type MeshService,
  NO_LOCALITY,
  type Protocol,
  parseProtocol,
  type Resolution,
  refOf,
  type ServiceEntry,
  type ServiceEntrySpec,
  type Workload,
  type WorkloadEntry,
  type WorkloadEntrySpec,
} from '../model/index.ts';

const RESOLUTIONS: Readonly<Record<string, Resolution>> = {
  NONE: 'passthrough',
  STATIC: 'eds',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
  DYNAMIC_DNS: 'passthrough',
};

export function ingestServiceEntry(entry: ServiceEntry): MeshService[] {
  const { metadata, spec } = entry;
  const ports = (spec.ports ?? []).map((port) => ({
    name: port.name ?? String(port.number),
    port: port.number,
    targetPort: port.targetPort ?? port.number,
    protocol: parseProtocol(port.protocol) satisfies Protocol,
    reason: port.protocol ? `ServiceEntry protocol ${port.protocol}` : 'no protocol given: detected from the first bytes',
  }));
  const addresses = spec.addresses?.length ? spec.addresses : allocatedAddresses(entry);
  return (spec.hosts ?? []).map((host) => ({
    source: refOf(entry),
    hostname: host.toLowerCase(),
    namespace: metadata.namespace ?? 'default',
    name: host,
    registry: 'External',
    resolution: RESOLUTIONS[spec.resolution ?? 'NONE'] ?? 'passthrough',
    addresses,
    ports,
    exportTo: spec.exportTo ?? [],
    selector: spec.workloadSelector?.labels ?? {},
    isHeadless: false,
    isMeshExternal: (spec.location ?? 'MESH_EXTERNAL') === 'MESH_EXTERNAL',
    creationTimestamp: metadata.creationTimestamp ?? '',
    dnsEndpoints: dnsEndpoints(spec, host),
  }));
}

function dnsEndpoints(spec: ServiceEntrySpec, host: string): MeshService['dnsEndpoints'] {
  if (spec.resolution !== 'DNS' && spec.resolution !== 'DNS_ROUND_ROBIN') return [];
  if (!spec.endpoints?.length) return [{ address: host, ports: {}, labels: {}, weight: 1 }];
  return spec.endpoints.map((endpoint) => ({
    address: endpoint.address ?? host,
    ports: endpoint.ports ?? {},
    labels: endpoint.labels ?? {},
    weight: endpoint.weight ?? 1,
  }));
}

// Istio writes automatically allocated addresses to status.addresses.
function allocatedAddresses(entry: ServiceEntry): string[] {
  const status = (entry as { status?: { addresses?: { value?: string }[] } }).status;
  return (status?.addresses ?? []).map((address) => address.value ?? '').filter((address) => address !== '');
}

/** The endpoints listed in the ServiceEntry itself (STATIC only). */
export function staticEndpoints(entry: ServiceEntry, service: MeshService): MeshEndpoint[] {
  if (service.resolution !== 'eds') return [];
  return (entry.spec.endpoints ?? []).flatMap((spec) => {
    const workload = workloadOf(spec, service.namespace, entry.metadata.name);
    return endpointsOf(workload, service, spec);
  });
}

/** The endpoints a workload gives to a service that selects it. */
export function endpointsOf(workload: Workload, service: MeshService, entry?: WorkloadEntrySpec): MeshEndpoint[] {
  return service.ports.map((port) => ({
    portName: port.name,
    address: workload.address,
    port:
      entry?.ports?.[port.name] ??
      (typeof port.targetPort === 'number' ? port.targetPort : (workload.namedPorts[port.targetPort] ?? port.port)),
    hostname: '',
    weight: entry?.weight ?? 1,
    workload,
  }));
}

export function ingestWorkloadEntry(entry: WorkloadEntry): Workload {
  return workloadOf(entry.spec, entry.metadata.namespace ?? 'default', entry.metadata.name);
}

function workloadOf(spec: WorkloadEntrySpec, namespace: string, name: string): Workload {
  const labels = spec.labels ?? {};
  return {
    namespace,
    name,
    address: spec.address ?? '',
    labels,
    serviceAccount: spec.serviceAccount ?? '',
    workloadName: name,
    nodeName: '',
    locality: parseLocality(spec.locality ?? ''),
    namedPorts: spec.ports ?? {},
    tlsMode: labels['security.istio.io/tlsMode'] === 'istio' ? 'istio' : 'disabled',
    network: spec.network ?? '',
  };
}

/** "region/zone/subzone"; missing parts are empty. */
export function parseLocality(text: string): Locality {
  if (text === '') return NO_LOCALITY;
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return { region, zone, subzone };
}
