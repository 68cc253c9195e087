// The built-in resources, one line each: plural, kind, scope, short names, subresources, verbs where they are not all.

export type BuiltinLine = {
  apiVersion: string;
  plural: string;
  kind: string;
  /** Cluster-scoped. */
  cluster?: true;
  short?: string[];
  categories?: string[];
  /** `status` and `scale`; pods and others list more in `builtin.ts`. */
  status?: true;
  scale?: true;
  /** Reviews can only be created; nothing of them is stored. */
  review?: true;
  /** Storage shared with another group's resource. */
  storage?: string;
};

const all = ['all'];

export const BUILTIN_TABLE: readonly BuiltinLine[] = [
  { apiVersion: 'v1', plural: 'bindings', kind: 'Binding', review: true },
  { apiVersion: 'v1', plural: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
  { apiVersion: 'v1', plural: 'endpoints', kind: 'Endpoints', short: ['ep'] },
  { apiVersion: 'v1', plural: 'events', kind: 'Event', short: ['ev'] },
  { apiVersion: 'v1', plural: 'limitranges', kind: 'LimitRange', short: ['limits'] },
  { apiVersion: 'v1', plural: 'namespaces', kind: 'Namespace', cluster: true, short: ['ns'], status: true },
  { apiVersion: 'v1', plural: 'nodes', kind: 'Node', cluster: true, short: ['no'], status: true },
  { apiVersion: 'v1', plural: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', short: ['pvc'], status: true },
  { apiVersion: 'v1', plural: 'persistentvolumes', kind: 'PersistentVolume', cluster: true, short: ['pv'], status: true },
  { apiVersion: 'v1', plural: 'pods', kind: 'Pod', short: ['po'], categories: all, status: true },
  { apiVersion: 'v1', plural: 'resourcequotas', kind: 'ResourceQuota', short: ['quota'], status: true },
  { apiVersion: 'v1', plural: 'secrets', kind: 'Secret' },
  { apiVersion: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'] },
  { apiVersion: 'v1', plural: 'services', kind: 'Service', short: ['svc'], categories: all, status: true },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    plural: 'mutatingwebhookconfigurations',
    kind: 'MutatingWebhookConfiguration',
    cluster: true,
    categories: ['api-extensions'],
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    plural: 'validatingwebhookconfigurations',
    kind: 'ValidatingWebhookConfiguration',
    cluster: true,
    categories: ['api-extensions'],
  },
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    cluster: true,
    short: ['crd', 'crds'],
    categories: ['api-extensions'],
    status: true,
  },
  { apiVersion: 'apps/v1', plural: 'controllerrevisions', kind: 'ControllerRevision' },
  { apiVersion: 'apps/v1', plural: 'daemonsets', kind: 'DaemonSet', short: ['ds'], categories: all, status: true },
  { apiVersion: 'apps/v1', plural: 'deployments', kind: 'Deployment', short: ['deploy'], categories: all, status: true, scale: true },
  { apiVersion: 'apps/v1', plural: 'replicasets', kind: 'ReplicaSet', short: ['rs'], categories: all, status: true, scale: true },
  { apiVersion: 'apps/v1', plural: 'statefulsets', kind: 'StatefulSet', short: ['sts'], categories: all, status: true, scale: true },
  { apiVersion: 'authentication.k8s.io/v1', plural: 'selfsubjectreviews', kind: 'SelfSubjectReview', cluster: true, review: true },
  { apiVersion: 'authentication.k8s.io/v1', plural: 'tokenreviews', kind: 'TokenReview', cluster: true, review: true },
  { apiVersion: 'authorization.k8s.io/v1', plural: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview', review: true },
  {
    apiVersion: 'authorization.k8s.io/v1',
    plural: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    cluster: true,
    review: true,
  },
  { apiVersion: 'authorization.k8s.io/v1', plural: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview', cluster: true, review: true },
  { apiVersion: 'authorization.k8s.io/v1', plural: 'subjectaccessreviews', kind: 'SubjectAccessReview', cluster: true, review: true },
  {
    apiVersion: 'autoscaling/v1',
    plural: 'horizontalpodautoscalers',
    kind: 'HorizontalPodAutoscaler',
    short: ['hpa'],
    categories: all,
    status: true,
    storage: 'horizontalpodautoscalers.autoscaling',
  },
  {
    apiVersion: 'autoscaling/v2',
    plural: 'horizontalpodautoscalers',
    kind: 'HorizontalPodAutoscaler',
    short: ['hpa'],
    categories: all,
    status: true,
  },
  { apiVersion: 'batch/v1', plural: 'cronjobs', kind: 'CronJob', short: ['cj'], categories: all, status: true },
  { apiVersion: 'batch/v1', plural: 'jobs', kind: 'Job', categories: all, status: true },
  { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', kind: 'Lease' },
  { apiVersion: 'discovery.k8s.io/v1', plural: 'endpointslices', kind: 'EndpointSlice' },
  { apiVersion: 'events.k8s.io/v1', plural: 'events', kind: 'Event', short: ['ev'], storage: 'events' },
  { apiVersion: 'networking.k8s.io/v1', plural: 'ingressclasses', kind: 'IngressClass', cluster: true },
  { apiVersion: 'networking.k8s.io/v1', plural: 'ingresses', kind: 'Ingress', short: ['ing'], status: true },
  { apiVersion: 'networking.k8s.io/v1', plural: 'networkpolicies', kind: 'NetworkPolicy', short: ['netpol'] },
  { apiVersion: 'policy/v1', plural: 'poddisruptionbudgets', kind: 'PodDisruptionBudget', short: ['pdb'], status: true },
  { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'clusterrolebindings', kind: 'ClusterRoleBinding', cluster: true },
  { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'clusterroles', kind: 'ClusterRole', cluster: true },
  { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'rolebindings', kind: 'RoleBinding' },
  { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'roles', kind: 'Role' },
  { apiVersion: 'scheduling.k8s.io/v1', plural: 'priorityclasses', kind: 'PriorityClass', cluster: true, short: ['pc'] },
  { apiVersion: 'storage.k8s.io/v1', plural: 'storageclasses', kind: 'StorageClass', cluster: true, short: ['sc'] },
];
