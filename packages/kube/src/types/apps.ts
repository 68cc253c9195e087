// apps/v1, batch/v1, autoscaling/v2 and policy/v1 (the last two only as far as a mesh's own charts use them).

import type { Condition, IntOrString, LabelSelector, ObjectMeta, TemplateMeta, TypeMeta } from './meta.ts';
import type { PodTemplateSpec } from './pod.ts';

export type WorkloadCondition = {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  lastUpdateTime?: string;
  lastTransitionTime?: string;
  lastProbeTime?: string;
  reason?: string;
  message?: string;
};

export type RollingUpdate = { maxUnavailable?: IntOrString; maxSurge?: IntOrString; partition?: number };

export type DeploymentSpec = {
  replicas?: number;
  selector: LabelSelector;
  template: PodTemplateSpec;
  strategy?: { type?: 'Recreate' | 'RollingUpdate'; rollingUpdate?: RollingUpdate };
  minReadySeconds?: number;
  revisionHistoryLimit?: number;
  paused?: boolean;
  progressDeadlineSeconds?: number;
};
export type DeploymentStatus = {
  observedGeneration?: number;
  replicas?: number;
  updatedReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  unavailableReplicas?: number;
  terminatingReplicas?: number;
  conditions?: WorkloadCondition[];
  collisionCount?: number;
};
export type Deployment = TypeMeta & { metadata: ObjectMeta; spec: DeploymentSpec; status?: DeploymentStatus };

export type ReplicaSetSpec = { replicas?: number; minReadySeconds?: number; selector: LabelSelector; template: PodTemplateSpec };
export type ReplicaSetStatus = {
  replicas: number;
  fullyLabeledReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  terminatingReplicas?: number;
  observedGeneration?: number;
  conditions?: WorkloadCondition[];
};
export type ReplicaSet = TypeMeta & { metadata: ObjectMeta; spec: ReplicaSetSpec; status?: ReplicaSetStatus };

export type StatefulSetSpec = {
  replicas?: number;
  selector: LabelSelector;
  template: PodTemplateSpec;
  volumeClaimTemplates?: Record<string, unknown>[];
  serviceName?: string;
  podManagementPolicy?: 'OrderedReady' | 'Parallel';
  updateStrategy?: { type?: 'RollingUpdate' | 'OnDelete'; rollingUpdate?: RollingUpdate };
  revisionHistoryLimit?: number;
  minReadySeconds?: number;
  persistentVolumeClaimRetentionPolicy?: { whenDeleted?: string; whenScaled?: string };
  ordinals?: { start?: number };
};
export type StatefulSetStatus = {
  observedGeneration?: number;
  replicas: number;
  readyReplicas?: number;
  currentReplicas?: number;
  updatedReplicas?: number;
  availableReplicas?: number;
  currentRevision?: string;
  updateRevision?: string;
  collisionCount?: number;
  conditions?: WorkloadCondition[];
};
export type StatefulSet = TypeMeta & { metadata: ObjectMeta; spec: StatefulSetSpec; status?: StatefulSetStatus };

export type DaemonSetSpec = {
  selector: LabelSelector;
  template: PodTemplateSpec;
  updateStrategy?: { type?: 'RollingUpdate' | 'OnDelete'; rollingUpdate?: RollingUpdate };
  minReadySeconds?: number;
  revisionHistoryLimit?: number;
};
export type DaemonSetStatus = {
  currentNumberScheduled: number;
  numberMisscheduled: number;
  desiredNumberScheduled: number;
  numberReady: number;
  observedGeneration?: number;
  updatedNumberScheduled?: number;
  numberAvailable?: number;
  numberUnavailable?: number;
  collisionCount?: number;
  conditions?: WorkloadCondition[];
};
export type DaemonSet = TypeMeta & { metadata: ObjectMeta; spec: DaemonSetSpec; status?: DaemonSetStatus };

export type JobSpec = {
  parallelism?: number;
  completions?: number;
  activeDeadlineSeconds?: number;
  backoffLimit?: number;
  selector?: LabelSelector;
  manualSelector?: boolean;
  template: PodTemplateSpec;
  ttlSecondsAfterFinished?: number;
  completionMode?: string;
  suspend?: boolean;
  podReplacementPolicy?: string;
};
export type JobStatus = {
  conditions?: WorkloadCondition[];
  startTime?: string;
  completionTime?: string;
  active?: number;
  ready?: number;
  succeeded?: number;
  failed?: number;
  terminating?: number;
  uncountedTerminatedPods?: { succeeded?: string[]; failed?: string[] };
};
export type Job = TypeMeta & { metadata: ObjectMeta; spec: JobSpec; status?: JobStatus };

export type CronJobSpec = {
  schedule: string;
  timeZone?: string;
  suspend?: boolean;
  concurrencyPolicy?: string;
  jobTemplate: { metadata?: TemplateMeta; spec: JobSpec };
  [field: string]: unknown;
};
export type CronJob = TypeMeta & { metadata: ObjectMeta; spec: CronJobSpec; status?: Record<string, unknown> };

export type ControllerRevision = TypeMeta & { metadata: ObjectMeta; data?: Record<string, unknown>; revision: number };

export type HorizontalPodAutoscaler = TypeMeta & {
  metadata: ObjectMeta;
  spec: {
    scaleTargetRef: { apiVersion?: string; kind: string; name: string };
    minReplicas?: number;
    maxReplicas: number;
    metrics?: Record<string, unknown>[];
    behavior?: Record<string, unknown>;
  };
  status?: Record<string, unknown>;
};

export type PodDisruptionBudget = TypeMeta & {
  metadata: ObjectMeta;
  spec?: { minAvailable?: IntOrString; maxUnavailable?: IntOrString; selector?: LabelSelector };
  status?: { conditions?: Condition[]; [field: string]: unknown };
};

/** autoscaling/v1 Scale, the `scale` subresource. */
export type Scale = TypeMeta & {
  metadata: Omit<ObjectMeta, 'creationTimestamp'> & { creationTimestamp?: string | null };
  spec?: { replicas?: number };
  status?: { replicas: number; selector?: string };
};
