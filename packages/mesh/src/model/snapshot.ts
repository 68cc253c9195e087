// The mesh at one moment: immutable, and structurally shared with the snapshot before it, so that an unchanged part is
// recognised by identity.

import type { KubeObject, Namespace } from '@lateen/kube/types';
import type { MeshEndpoint, Workload } from './endpoint.ts';
import type { DestinationRule, Gateway, ProxyConfig, Sidecar, Telemetry, VirtualService } from './istio.ts';
import { DEFAULT_MESH_CONFIG, type MeshConfig } from './mesh-config.ts';
import type { MeshService } from './service.ts';

export type ByKey<T> = ReadonlyMap<string, T>;

export type MeshSnapshot = {
  /** Every object as it came, by kind, then by "namespace/name". */
  objects: ReadonlyMap<string, ByKey<KubeObject>>;
  mesh: MeshConfig;
  namespaces: ByKey<Namespace>;
  /** By "namespace/hostname". */
  services: ByKey<MeshService>;
  /** Pods and WorkloadEntries by "namespace/name" (WorkloadEntries under "namespace/name (WorkloadEntry)"). */
  workloads: ByKey<Workload>;
  /** Endpoints by service key. */
  endpoints: ByKey<readonly MeshEndpoint[]>;
  virtualServices: ByKey<VirtualService>;
  destinationRules: ByKey<DestinationRule>;
  gateways: ByKey<Gateway>;
  sidecars: ByKey<Sidecar>;
  telemetries: ByKey<Telemetry>;
  /** Settings for pods yet to be injected; no translation reads them. */
  proxyConfigs: ByKey<ProxyConfig>;
};

export const EMPTY_SNAPSHOT: MeshSnapshot = {
  objects: new Map(),
  mesh: DEFAULT_MESH_CONFIG,
  namespaces: new Map(),
  services: new Map(),
  workloads: new Map(),
  endpoints: new Map(),
  virtualServices: new Map(),
  destinationRules: new Map(),
  gateways: new Map(),
  sidecars: new Map(),
  telemetries: new Map(),
  proxyConfigs: new Map(),
};
