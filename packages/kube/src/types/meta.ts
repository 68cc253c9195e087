// apimachinery: what every object, list, status and watch event has. Field names and meanings are those of
// meta/v1 of the Kubernetes API reference.

export type TypeMeta = { apiVersion: string; kind: string };

export type OwnerReference = {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
};

export type ManagedFieldsEntry = {
  manager?: string;
  operation?: 'Apply' | 'Update';
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
  subresource?: string;
};

export type ObjectMeta = {
  /** Empty only in a create request with `generateName`. */
  name: string;
  generateName?: string;
  namespace?: string;
  selfLink?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  /** RFC 3339, seconds. */
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
};

/** The metadata of a template: nothing in it is required. */
export type TemplateMeta = Partial<ObjectMeta>;

/** Any object. Typed kinds (Pod, Service) are assignable to it. */
export type KubeObject = TypeMeta & { metadata: ObjectMeta; [field: string]: unknown };

export type ListMeta = { resourceVersion?: string; continue?: string; remainingItemCount?: number; selfLink?: string };

export type KubeList<T = KubeObject> = TypeMeta & { metadata: ListMeta; items: T[] };

export type LabelSelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
export type LabelSelectorRequirement = { key: string; operator: LabelSelectorOperator; values?: string[] };
export type LabelSelector = { matchLabels?: Record<string, string>; matchExpressions?: LabelSelectorRequirement[] };

export type StatusCause = { reason?: string; message?: string; field?: string };
export type StatusDetails = {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
};

/** The answer of a failed request, and of some deletions. */
export type Status = TypeMeta & {
  metadata: ListMeta;
  status?: 'Success' | 'Failure';
  message?: string;
  /** Machine-readable, e.g. NotFound, AlreadyExists, Conflict, Expired. */
  reason?: string;
  details?: StatusDetails;
  code?: number;
};

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
export type WatchEvent<T = KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: TypeMeta & { metadata: ListMeta & { annotations?: Record<string, string> } } }
  | { type: 'ERROR'; object: Status };

export type Condition = {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  observedGeneration?: number;
  lastTransitionTime: string;
  reason: string;
  message: string;
};

export type TableColumnDefinition = { name: string; type: string; format: string; description: string; priority: number };
export type TableRow = {
  cells: unknown[];
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
  object?: unknown;
};
/** meta.k8s.io/v1 Table, what kubectl prints. */
export type Table = TypeMeta & { metadata: ListMeta; columnDefinitions: TableColumnDefinition[]; rows: TableRow[] };

export type DeleteOptions = Partial<TypeMeta> & {
  gracePeriodSeconds?: number;
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  dryRun?: string[];
};

/** A number or a string (port name, percentage). */
export type IntOrString = number | string;
/** "500m", "1Gi", or a bare number. */
export type Quantity = string | number;

export type GroupVersion = { group: string; version: string };
export type GroupVersionKind = GroupVersion & { kind: string };
export type GroupVersionResource = GroupVersion & { resource: string };

/** How a kind is addressed over REST. */
export type ResourceRef = GroupVersionResource & { namespaced: boolean };

/** Splits "apps/v1" into group and version; "v1" has the empty (core) group. */
export function parseApiVersion(apiVersion: string): GroupVersion {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? { group: '', version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** The inverse of `parseApiVersion`. */
export function formatApiVersion({ group, version }: GroupVersion): string {
  return group === '' ? version : `${group}/${version}`;
}

export function groupVersionKindOf(object: TypeMeta): GroupVersionKind {
  return { ...parseApiVersion(object.apiVersion), kind: object.kind };
}
