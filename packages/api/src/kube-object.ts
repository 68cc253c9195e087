// The parts every Kubernetes object has, as far as this package reads them.

/** Object metadata; fields this package does not read are not listed. */
export type ObjectMeta = {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  creationTimestamp?: string;
  resourceVersion?: string;
  uid?: string;
  generation?: number;
  deletionTimestamp?: string;
};

/** The `status` every Istio kind shares. */
export type IstioStatus = {
  conditions?: IstioCondition[];
  validationMessages?: Record<string, unknown>[];
  observedGeneration?: number | string;
};

export type IstioCondition = {
  type?: string;
  status?: string;
  reason?: string;
  message?: string;
  lastProbeTime?: string;
  lastTransitionTime?: string;
  observedGeneration?: number | string;
};

/** A resource of one kind with its typed spec. */
export type Resource<Kind extends string, Spec, Status = IstioStatus> = {
  apiVersion: string;
  kind: Kind;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
};

/** Any object with the fields `kubectl` insists on; what validation starts from. */
export type KubeObjectLike = {
  apiVersion?: string;
  kind?: string;
  metadata?: Partial<ObjectMeta> & Record<string, unknown>;
  spec?: unknown;
  [field: string]: unknown;
};
