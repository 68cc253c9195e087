// Where a model value came from, so that every route, cluster and finding can name the object behind it.

import type { KubeObject, ObjectMeta } from '@lateen/kube/types';

export type ObjectRef = {
  apiVersion: string;
  kind: string;
  namespace: string;
  name: string;
  resourceVersion: string;
};

export function refOf(object: { apiVersion: string; kind: string; metadata: ObjectMeta }): ObjectRef {
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    resourceVersion: metadata.resourceVersion ?? '',
  };
}

/** "namespace/name"; the key of every per-kind map. Cluster-scoped objects have an empty namespace. */
export function keyOf(object: Pick<KubeObject, 'metadata'>): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** The path Istio writes into `istio.config` metadata, e.g. "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews". */
export function configPathOf(ref: ObjectRef): string {
  const kind = ref.kind.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase();
  return `/apis/${ref.apiVersion}/namespaces/${ref.namespace}/${kind}/${ref.name}`;
}

/** Oldest first, then by name and namespace: Istio's order wherever two objects compete. */
export function compareAge(a: { metadata: ObjectMeta }, b: { metadata: ObjectMeta }): number {
  const timeA = a.metadata.creationTimestamp ?? '';
  const timeB = b.metadata.creationTimestamp ?? '';
  if (timeA !== timeB) return timeA < timeB ? -1 : 1;
  const nameA = `${a.metadata.name}.${a.metadata.namespace ?? ''}`;
  const nameB = `${b.metadata.name}.${b.metadata.namespace ?? ''}`;
  return nameA < nameB ? -1 : nameA > nameB ? 1 : 0;
}
