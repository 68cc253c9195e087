// What Kubernetes fills into the built-in kinds when a user leaves it out. Each function changes the object in place and may be
// run again on its own result.

import type { KubeObject } from '@lateen/kube/types';
import { fill, section } from './fill.ts';
import { defaultPodSpec } from './pod.ts';
import { defaultService } from './service.ts';

type Fields = Record<string, unknown>;

function defaultTemplate(spec: Fields): void {
  const template = section(spec, 'template');
  const metadata = section(template, 'metadata');
  if (metadata['creationTimestamp'] === undefined) metadata['creationTimestamp'] = null;
  defaultPodSpec(section(template, 'spec'));
}

function defaultDeployment(object: KubeObject): void {
  const spec = section(object, 'spec');
  fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  const strategy = section(spec, 'strategy');
  fill(strategy, { type: 'RollingUpdate' });
  if (strategy['type'] === 'RollingUpdate') fill(section(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' });
  defaultTemplate(spec);
}

function defaultStatefulSet(object: KubeObject): void {
  const spec = section(object, 'spec');
  fill(spec, { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: 'OrderedReady' });
  const strategy = section(spec, 'updateStrategy');
  fill(strategy, { type: 'RollingUpdate' });
  if (strategy['type'] === 'RollingUpdate') fill(section(strategy, 'rollingUpdate'), { partition: 0 });
  fill(section(spec, 'persistentVolumeClaimRetentionPolicy'), { whenDeleted: 'Retain', whenScaled: 'Retain' });
  defaultTemplate(spec);
}

function defaultDaemonSet(object: KubeObject): void {
  const spec = section(object, 'spec');
  fill(spec, { revisionHistoryLimit: 10 });
  const strategy = section(spec, 'updateStrategy');
  fill(strategy, { type: 'RollingUpdate' });
  if (strategy['type'] === 'RollingUpdate') fill(section(strategy, 'rollingUpdate'), { maxUnavailable: 1, maxSurge: 0 });
  defaultTemplate(spec);
}

function defaultJobSpec(spec: Fields): void {
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1;
  fill(spec, {
    parallelism: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
  });
  defaultTemplate(spec);
}

// The selector and the labels by which a Job finds its pods come from its uid.
function defaultJob(object: KubeObject): void {
  const spec = section(object, 'spec');
  defaultJobSpec(spec);
  const { uid, name } = object.metadata;
  if (spec['manualSelector'] === true || uid === undefined || spec['selector'] !== undefined) return;
  const labels = section(section(section(spec, 'template'), 'metadata'), 'labels');
  fill(labels, {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  });
  spec['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
}

function defaultCronJob(object: KubeObject): void {
  const spec = section(object, 'spec');
  fill(spec, { concurrencyPolicy: 'Allow', suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 });
  const job = section(section(spec, 'jobTemplate'), 'spec');
  defaultTemplate(job);
}

function defaultSecret(object: KubeObject): void {
  fill(object, { type: 'Opaque' });
  const plain = object['stringData'] as Record<string, string> | undefined;
  if (!plain) return;
  const data = section(object, 'data');
  for (const [key, value] of Object.entries(plain)) data[key] = Buffer.from(value).toString('base64');
  delete object['stringData'];
}

function defaultWebhooks(object: KubeObject): void {
  const isMutating = object.kind === 'MutatingWebhookConfiguration';
  for (const webhook of (object['webhooks'] as Fields[] | undefined) ?? []) {
    fill(webhook, { failurePolicy: 'Fail', matchPolicy: 'Equivalent', timeoutSeconds: 10, namespaceSelector: {}, objectSelector: {} });
    if (isMutating) fill(webhook, { reinvocationPolicy: 'Never' });
    const service = (webhook['clientConfig'] as Fields | undefined)?.['service'] as Fields | undefined;
    if (service) fill(service, { port: 443 });
    for (const rule of (webhook['rules'] as Fields[] | undefined) ?? []) fill(rule, { scope: '*' });
  }
}

function defaultDefinition(object: KubeObject): void {
  const spec = section(object, 'spec');
  const names = section(spec, 'names');
  const kind = String(names['kind'] ?? '');
  fill(names, { singular: kind.toLowerCase(), listKind: `${kind}List` });
  fill(section(spec, 'conversion'), { strategy: 'None' });
}

function defaultNamespace(object: KubeObject): void {
  const labels = section(object.metadata as Fields, 'labels');
  labels['kubernetes.io/metadata.name'] = object.metadata.name;
}

function defaultRoleRefs(object: KubeObject): void {
  const ref = section(object, 'roleRef');
  fill(ref, { apiGroup: 'rbac.authorization.k8s.io' });
  for (const subject of (object['subjects'] as Fields[] | undefined) ?? []) {
    if (subject['kind'] !== 'ServiceAccount') fill(subject, { apiGroup: 'rbac.authorization.k8s.io' });
  }
}

export const DEFAULTS: Readonly<Record<string, (object: KubeObject) => void>> = {
  Pod: (object) => defaultPodSpec(section(object, 'spec')),
  Service: defaultService,
  Namespace: defaultNamespace,
  Secret: defaultSecret,
  Deployment: defaultDeployment,
  ReplicaSet: (object) => {
    const spec = section(object, 'spec');
    fill(spec, { replicas: 1 });
    defaultTemplate(spec);
  },
  StatefulSet: defaultStatefulSet,
  DaemonSet: defaultDaemonSet,
  Job: defaultJob,
  CronJob: defaultCronJob,
  MutatingWebhookConfiguration: defaultWebhooks,
  ValidatingWebhookConfiguration: defaultWebhooks,
  CustomResourceDefinition: defaultDefinition,
  RoleBinding: defaultRoleRefs,
  ClusterRoleBinding: defaultRoleRefs,
  EndpointSlice: (object) => {
    for (const port of (object['ports'] as Fields[] | undefined) ?? []) fill(port, { protocol: 'TCP', name: '' });
  },
  Endpoints: (object) => {
    for (const subset of (object['subsets'] as Fields[] | undefined) ?? []) {
      for (const port of (subset['ports'] as Fields[] | undefined) ?? []) fill(port, { protocol: 'TCP' });
    }
  },
  NetworkPolicy: (object) => {
    const spec = section(object, 'spec');
    fill(spec, { policyTypes: spec['egress'] === undefined ? ['Ingress'] : ['Ingress', 'Egress'] });
  },
  HorizontalPodAutoscaler: (object) => fill(section(object, 'spec'), { minReplicas: 1 }),
};
