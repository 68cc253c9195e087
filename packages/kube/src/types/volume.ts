// core/v1 volumes. Sources that a laptop never mounts are kept loose.

import type { LabelSelector, Quantity } from './meta.ts';
import type { LocalObjectReference, ObjectFieldSelector, ResourceFieldSelector } from './pod.ts';

export type KeyToPath = { key: string; path: string; mode?: number };
export type DownwardApiFile = {
  path: string;
  fieldRef?: ObjectFieldSelector;
  resourceFieldRef?: ResourceFieldSelector;
  mode?: number;
};

export type ConfigMapVolumeSource = { name?: string; items?: KeyToPath[]; defaultMode?: number; optional?: boolean };
export type SecretVolumeSource = { secretName?: string; items?: KeyToPath[]; defaultMode?: number; optional?: boolean };
export type DownwardApiVolumeSource = { items?: DownwardApiFile[]; defaultMode?: number };
export type EmptyDirVolumeSource = { medium?: string; sizeLimit?: Quantity };
export type HostPathVolumeSource = { path: string; type?: string };
export type CsiVolumeSource = {
  driver: string;
  readOnly?: boolean;
  fsType?: string;
  volumeAttributes?: Record<string, string>;
  nodePublishSecretRef?: LocalObjectReference;
};

export type VolumeProjection = {
  secret?: { name?: string; items?: KeyToPath[]; optional?: boolean };
  configMap?: { name?: string; items?: KeyToPath[]; optional?: boolean };
  downwardAPI?: { items?: DownwardApiFile[] };
  serviceAccountToken?: { audience?: string; expirationSeconds?: number; path: string };
  clusterTrustBundle?: { name?: string; signerName?: string; labelSelector?: LabelSelector; optional?: boolean; path: string };
};
export type ProjectedVolumeSource = { sources?: VolumeProjection[]; defaultMode?: number };

export type Volume = {
  name: string;
  emptyDir?: EmptyDirVolumeSource;
  hostPath?: HostPathVolumeSource;
  configMap?: ConfigMapVolumeSource;
  secret?: SecretVolumeSource;
  downwardAPI?: DownwardApiVolumeSource;
  projected?: ProjectedVolumeSource;
  csi?: CsiVolumeSource;
  persistentVolumeClaim?: { claimName: string; readOnly?: boolean };
  ephemeral?: { volumeClaimTemplate?: Record<string, unknown> };
  image?: { reference?: string; pullPolicy?: string };
  nfs?: { server: string; path: string; readOnly?: boolean };
  /** gcePersistentDisk, awsElasticBlockStore, iscsi, cephfs and the other drivers of old. */
  [source: string]: unknown;
};
