// Kubernetes Service -> MeshService.

import type { Service } from '@lateen/kube/types';
import { type MeshService, refOf, type ServicePortModel, selectProtocol } from '../model/index.ts';

/** The mesh's view of a Service. Headless services resolve by original destination, ExternalName by DNS. */
export function ingestService(service: Service, clusterDomain: string): MeshService {
  const { metadata, spec } = service;
  const namespace = metadata.namespace ?? 'default';
  const isHeadless = spec.clusterIP === 'None';
  const isExternalName = spec.type === 'ExternalName';
  const clusterIPs = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  return {
    source: refOf(service),
    hostname: `${metadata.name}.${namespace}.svc.${clusterDomain}`,
    namespace,
    name: metadata.name,
    registry: 'Kubernetes',
    resolution: isExternalName ? 'dns' : isHeadless ? 'passthrough' : 'eds',
    addresses: isExternalName ? [] : clusterIPs.filter((ip) => ip !== 'None' && ip !== ''),
    ports: (spec.ports ?? []).map(ingestPort),
    exportTo: splitExportTo(metadata.annotations?.['networking.istio.io/exportTo']),
    selector: spec.selector ?? {},
    isHeadless,
    isMeshExternal: isExternalName,
    creationTimestamp: metadata.creationTimestamp ?? '',
    dnsEndpoints: isExternalName && spec.externalName ? [{ address: spec.externalName, ports: {}, labels: {}, weight: 1 }] : [],
  };
}

type KubePort = NonNullable<Service['spec']['ports']>[number];

const ingestPort = (port: KubePort): ServicePortModel => ({
  name: port.name ?? '',
  port: port.port,
  targetPort: port.targetPort ?? port.port,
  ...selectProtocol(port),
});

const splitExportTo = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
