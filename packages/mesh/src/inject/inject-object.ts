// `kube-inject`: injects the pod template inside a workload object, whatever its kind.

import { isObject } from '@lateen/base';
import { type KubeObject, type Pod, type PodSpec, parseApiVersion, type TemplateMeta } from '@lateen/kube/types';
import type { InjectConfig } from './config.ts';
import { decideByPod } from './decision.ts';
import { normalizePodSpec } from './go-json.ts';
import { completeWorkload, withoutCreation } from './go-workload.ts';
import { mutatePod } from './inject-pod.ts';
import type { Workload } from './templates/context.ts';
import { workloadOf } from './workload.ts';

export type InjectObjectResult = {
  /** The injected object; the very input when its kind has no pods. */
  object: KubeObject;
  /** How many pod templates were injected. */
  injected: number;
  /** One line per pod template that was left alone, and why. */
  warnings: string[];
};

type Fields = Record<string, unknown>;
type Located = { metadata: TemplateMeta; spec: PodSpec; workload: Workload; put(metadata: TemplateMeta, spec: PodSpec): KubeObject };

const TEMPLATE_KINDS = new Set([
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'ReplicationController',
  'DeploymentConfig',
]);
const WORKLOAD_GROUPS = new Set(['', 'apps', 'extensions', 'batch', 'apps.openshift.io']);

/** Labels of the namespace play no role here: whoever calls it wants the sidecar, unless the pod says no. */
export function injectObject(object: KubeObject, config: InjectConfig): InjectObjectResult {
  const result = inject(object, config);
  // Templates share values between pods; as YAML those would become anchors and aliases.
  return result.object === object ? result : { ...result, object: JSON.parse(JSON.stringify(result.object)) as KubeObject };
}

function inject(object: KubeObject, config: InjectConfig): InjectObjectResult {
  if (object.kind === 'List' && Array.isArray(object['items'])) return injectList(object, config);
  const located = locatePod(object);
  if (!located) return { object, injected: 0, warnings: [] };
  const { metadata, spec, workload, put } = located;
  const name = `${workload.namespace ? `${workload.namespace}/` : ''}${metadata.name || workload.name}`;
  const decision = decideByPod(metadata, spec, { policy: 'enabled', neverInjectSelector: [], alwaysInjectSelector: [] });
  if (!decision.inject) {
    const why = decision.code === 'HOST_NETWORK' ? 'host networking enabled' : 'sidecar injection disabled';
    const warning = `===> Skipping injection because ${workload.kind} ${JSON.stringify(name)} has ${why}`;
    return { object: put(withoutCreation(metadata), normalizePodSpec(spec)), injected: 0, warnings: [warning] };
  }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name: metadata.name ?? '' },
    spec: normalizePodSpec(spec),
  } satisfies Pod;
  const patched = mutatePod({ pod, workload, config: { ...config, revision: config.revision || 'default' } });
  const { name: patchedName, creationTimestamp: _, ...rest } = patched.metadata;
  return {
    object: put({ ...rest, ...(patchedName === '' ? {} : { name: patchedName }) }, normalizePodSpec(patched.spec)),
    injected: 1,
    warnings: [],
  };
}

function injectList(list: KubeObject, config: InjectConfig): InjectObjectResult {
  const results = (list['items'] as unknown[]).map((item) =>
    isObject(item) ? inject(item as KubeObject, config) : { object: item as KubeObject, injected: 0, warnings: [] },
  );
  return {
    object: { ...list, metadata: list.metadata ?? {}, items: results.map(({ object }) => object) },
    injected: results.reduce((sum, { injected }) => sum + injected, 0),
    warnings: results.flatMap(({ warnings }) => warnings),
  };
}

function locatePod(object: KubeObject): Located | undefined {
  const { kind, apiVersion } = object;
  if (typeof apiVersion !== 'string' || !WORKLOAD_GROUPS.has(parseApiVersion(apiVersion).group)) return undefined;
  const spec = object['spec'];
  if (!isObject(spec)) return undefined;
  const workload = { apiVersion, kind, name: object.metadata?.name ?? '', namespace: object.metadata?.namespace ?? '' };
  if (kind === 'Pod') {
    const put = (metadata: TemplateMeta, podSpec: PodSpec) =>
      completeWorkload({ ...object, metadata: metadata as KubeObject['metadata'], spec: podSpec });
    const pod = object as unknown as Pod;
    return hasContainers(spec) ? { metadata: pod.metadata, spec: pod.spec, workload: workloadOf(pod), put } : undefined;
  }
  if (kind === 'CronJob') return locateInCronJob(object, spec, workload);
  const template = spec['template'];
  if (!TEMPLATE_KINDS.has(kind) || !isObject(template) || !hasContainers(template['spec'])) return undefined;
  return {
    metadata: metadataOf(template),
    spec: template['spec'] as PodSpec,
    workload,
    put: (metadata, podSpec) => completeWorkload({ ...object, spec: { ...spec, template: { ...template, metadata, spec: podSpec } } }),
  };
}

// As Istio does it: the labels and annotations go to the job template.
function locateInCronJob(object: KubeObject, spec: Fields, workload: Workload): Located | undefined {
  const job = spec['jobTemplate'];
  const jobSpec = isObject(job) ? job['spec'] : undefined;
  const template = isObject(jobSpec) ? jobSpec['template'] : undefined;
  if (!isObject(job) || !isObject(jobSpec) || !isObject(template) || !hasContainers(template['spec'])) return undefined;
  return {
    metadata: metadataOf(job),
    spec: template['spec'] as PodSpec,
    workload,
    put(metadata, podSpec) {
      const podTemplate = { ...template, metadata: withoutCreation(metadataOf(template)), spec: podSpec };
      return completeWorkload({
        ...object,
        spec: { ...spec, jobTemplate: { ...job, metadata, spec: { ...jobSpec, template: podTemplate } } },
      });
    },
  };
}

const hasContainers = (spec: unknown): boolean => isObject(spec) && Array.isArray(spec['containers']);
const metadataOf = (template: Fields): TemplateMeta => (isObject(template['metadata']) ? (template['metadata'] as TemplateMeta) : {});
