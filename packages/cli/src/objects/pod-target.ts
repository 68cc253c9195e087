// What proxy commands point at: POD, POD.NAMESPACE, deployment/NAME[.NAMESPACE] and its like.

import { CodedError } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { Deployment, Pod } from '@lateen/kube/types';

export type PodTarget = { namespace: string; name: string };

const PODS = { group: '', version: 'v1', resource: 'pods', namespaced: true };
const WORKLOADS: Record<string, string> = {
  deploy: 'deployments',
  deployment: 'deployments',
  deployments: 'deployments',
  sts: 'statefulsets',
  statefulset: 'statefulsets',
  ds: 'daemonsets',
  daemonset: 'daemonsets',
  rs: 'replicasets',
  replicaset: 'replicasets',
};

/** The pod a target names; of a workload, its first running pod. @throws CodedError LAT7305 */
export async function resolvePodTarget(client: KubeClient, target: string, defaultNamespace: string): Promise<PodTarget> {
  const slash = target.indexOf('/');
  const kind = slash < 0 ? 'pod' : target.slice(0, slash).toLowerCase();
  const [name, namespace] = splitName(slash < 0 ? target : target.slice(slash + 1), defaultNamespace);
  if (kind === 'pod' || kind === 'pods' || kind === 'po') {
    await client.get(PODS, { namespace, name });
    return { namespace, name };
  }
  const resource = Object.hasOwn(WORKLOADS, kind) ? WORKLOADS[kind] : undefined;
  if (resource === undefined) {
    throw new CodedError({
      code: 'LAT7305',
      what: `${JSON.stringify(target)} names no pod`,
      fix: 'use POD, POD.NAMESPACE, or deployment/NAME',
    });
  }
  const workload = await client.get<Deployment>({ group: 'apps', version: 'v1', resource, namespaced: true }, { namespace, name });
  const labels = Object.entries(workload.spec.selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const { items } = await client.listAll<Pod>(PODS, { namespace, labelSelector: labels.join(',') });
  const pod = items.find(({ status, metadata }) => status?.phase === 'Running' && metadata.deletionTimestamp === undefined);
  if (!pod)
    throw new CodedError({
      code: 'LAT7305',
      what: `${target} in ${namespace} has no running pod`,
      fix: `kubectl -n ${namespace} get pods`,
    });
  return { namespace, name: pod.metadata.name };
}

// Pod names may hold dots, but never name a namespace that way; istioctl splits at the first one too.
function splitName(text: string, defaultNamespace: string): [name: string, namespace: string] {
  const dot = text.indexOf('.');
  return dot < 0 ? [text, defaultNamespace] : [text.slice(0, dot), text.slice(dot + 1)];
}
