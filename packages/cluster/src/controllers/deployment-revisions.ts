// How a deployment names and numbers its replica sets: which one has the present template, its revision, what is copied to it.

import type { Deployment, ReplicaSet } from '@lateen/kube/types';
import { ownerReferenceTo } from './ownership.ts';
import { hashOf, sameTemplate, TEMPLATE_HASH_LABEL } from './template-hash.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
/** The deployment's own annotations that its replica sets do not get. */
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
]);

export const revisionOf = ({ metadata }: ReplicaSet): number => Number(metadata.annotations?.[REVISION] ?? 0) || 0;

export const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? '') || revisionOf(a) - revisionOf(b);

export const templateHash = ({ spec, status }: Deployment): string =>
  hashOf({ template: spec.template, collisions: status?.collisionCount ?? 0 });

/** The set with the deployment's present template; the oldest if there are several. */
export function currentReplicaSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const hash = templateHash(deployment);
  return (
    sets.toSorted(byAge).find(({ spec }) => sameTemplate(spec.template, deployment.spec.template)) ??
    sets.find(({ metadata }) => metadata.labels?.[TEMPLATE_HASH_LABEL] === hash)
  );
}

/** One more than every other set has, or what the current set has already if that is the highest. */
export function nextRevision(current: ReplicaSet | undefined, sets: readonly ReplicaSet[]): number {
  const highestOther = Math.max(0, ...sets.filter((set) => set.metadata.uid !== current?.metadata.uid).map(revisionOf));
  return current && revisionOf(current) > highestOther ? revisionOf(current) : highestOther + 1;
}

export function newReplicaSet(
  deployment: Deployment,
  { replicas, maxSurge, revision }: { replicas: number; maxSurge: number; revision: number },
): ReplicaSet {
  const { metadata, spec } = deployment;
  const hash = templateHash(deployment);
  const labels = { ...spec.template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace ?? 'default',
      labels,
      annotations: setAnnotations(deployment, { revision, maxSurge }),
      ownerReferences: [ownerReferenceTo(deployment)],
    },
    spec: {
      replicas,
      ...(spec.minReadySeconds !== undefined && { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
}

/** The annotations of a deployment's current set; `kubectl rollout history` and `undo` read the revision. */
export function setAnnotations(
  deployment: Deployment,
  { revision, maxSurge }: { revision: number; maxSurge: number },
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key));
  return { ...Object.fromEntries(copied), [REVISION]: String(revision), ...sizeAnnotations(deployment, maxSurge) };
}

/** What tells a later round that the deployment was scaled. */
export function sizeAnnotations({ spec }: Deployment, maxSurge: number): Record<string, string> {
  const replicas = spec.replicas ?? 1;
  return { [DESIRED_REPLICAS]: String(replicas), [MAX_REPLICAS]: String(replicas + maxSurge) };
}
