// MeshConfig with Istio's defaults filled in: the settings the translation reads.

import { CodedError, isObject } from '@lateen/base';
import { parse as parseYaml } from 'yaml';
import type { HttpRetry, LocalityLbSetting, OutboundTrafficPolicy } from './istio.ts';

export type PathNormalization = 'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

export type MeshConfig = {
  trustDomain: string;
  rootNamespace: string;
  clusterDomain: string;
  clusterId: string;
  /** Path of the access log; empty means off. */
  accessLogFile: string;
  accessLogFormat: string;
  accessLogEncoding: 'TEXT' | 'JSON';
  outboundTrafficPolicy: OutboundTrafficPolicy;
  /** Go duration. */
  connectTimeout: string;
  protocolDetectionTimeout: string;
  defaultHttpRetryPolicy?: HttpRetry;
  defaultServiceExportTo: readonly string[];
  defaultVirtualServiceExportTo: readonly string[];
  defaultDestinationRuleExportTo: readonly string[];
  localityLbSetting?: LocalityLbSetting;
  pathNormalization: { normalization: PathNormalization };
  dnsRefreshRate: string;
  defaultConfig: Readonly<Record<string, unknown>>;
};

export const DEFAULT_MESH_CONFIG: MeshConfig = {
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  clusterDomain: 'cluster.local',
  clusterId: 'Kubernetes',
  accessLogFile: '',
  accessLogFormat: '',
  accessLogEncoding: 'TEXT',
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  connectTimeout: '10s',
  protocolDetectionTimeout: '0s',
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  pathNormalization: { normalization: 'BASE' },
  dnsRefreshRate: '60s',
  defaultConfig: {},
};

/**
 * Reads MeshConfig YAML (ConfigMap `istio`, key `mesh`); unset fields take Istio's defaults.
 * @throws CodedError LAT0410 when the text is not a YAML mapping.
 */
export function parseMeshConfig(text: string): MeshConfig {
  const value: unknown = text.trim() === '' ? {} : parseYaml(text);
  if (!isObject(value)) {
    throw new CodedError({
      code: 'LAT0410',
      what: 'the mesh configuration is not a YAML mapping',
      fix: 'check key "mesh" of ConfigMap "istio", or the file given by --mesh-config',
    });
  }
  return { ...DEFAULT_MESH_CONFIG, ...(value as Partial<MeshConfig>) };
}
