// MeshConfig as the translation reads it: Istio's defaults filled in, and what the mesh knows about its own cluster.

import { defaultMeshConfig, type EffectiveMeshConfig, parseMeshConfig as parseYaml } from '@lateen/api/mesh-config';
import type { Finding } from './finding.ts';

export type MeshConfig = EffectiveMeshConfig & {
  /** DNS domain of Kubernetes services. */
  clusterDomain: string;
  clusterId: string;
};

export type PathNormalization = NonNullable<NonNullable<MeshConfig['pathNormalization']>['normalization']>;

export const DEFAULT_MESH_CONFIG: MeshConfig = { ...defaultMeshConfig(), clusterDomain: 'cluster.local', clusterId: 'Kubernetes' };

/** Reads MeshConfig YAML (ConfigMap `istio`, key `mesh`). What is wrong is in `findings` and leaves the defaults. Never throws. */
export function parseMeshConfig(text: string | undefined): { mesh: MeshConfig; findings: readonly Finding[] } {
  const { config, findings } = parseYaml(text ?? '');
  return { mesh: { ...DEFAULT_MESH_CONFIG, ...config }, findings };
}
