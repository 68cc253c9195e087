// The numbered templates of a StatefulSet or DaemonSet, kept as ControllerRevisions so that `kubectl rollout history` and
// `undo` work.

import { jsonEqual } from '@lateen/base';
import { isAlreadyExists, isNotFound, type KubeClient } from '@lateen/kube';
import type { ControllerRevision, DaemonSet, PodTemplateSpec, StatefulSet } from '@lateen/kube/types';
import { CONTROLLER_REVISIONS } from '../node/kube-resources.ts';
import { controllerOf, ownerReferenceTo } from './ownership.ts';
import { hashOf } from './template-hash.ts';

/** The label that says by which revision a pod was made. */
export const REVISION_LABEL = 'controller-revision-hash';

const DEFAULT_HISTORY = 10;

/** All revisions of the owner, oldest first; the last is the present template's. */
export async function syncRevisions(client: KubeClient, owner: StatefulSet | DaemonSet): Promise<ControllerRevision[]> {
  const namespace = owner.metadata.namespace ?? '';
  const { items } = await client.list<ControllerRevision>(CONTROLLER_REVISIONS, { namespace });
  const own = items.filter((item) => controllerOf(item)?.uid === owner.metadata.uid).toSorted((a, b) => a.revision - b.revision);
  const data = { spec: { template: { ...owner.spec.template, $patch: 'replace' } } };
  const present = own.find((item) => jsonEqual(item.data, data));
  if (present && present === own.at(-1)) return own;
  const revision = (own.at(-1)?.revision ?? 0) + 1;
  if (present) {
    const raised = await client.patch<ControllerRevision>(
      CONTROLLER_REVISIONS,
      { namespace, name: present.metadata.name },
      { type: 'merge', body: { revision } },
    );
    return [...own.filter((item) => item !== present), raised];
  }
  const hash = hashOf({ data, revision });
  const created: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${owner.metadata.name}-${hash}`,
      namespace,
      labels: { ...owner.spec.template.metadata?.labels, [REVISION_LABEL]: hash },
      ownerReferences: [ownerReferenceTo(owner)],
    },
    data,
    revision,
  };
  try {
    return [...own, await client.create(CONTROLLER_REVISIONS, created)];
  } catch (error) {
    if (isAlreadyExists(error)) throw new Error(`controller revision ${created.metadata.name} belongs to something else`, { cause: error });
    throw error;
  }
}

/** Forgets the oldest revisions that no pod uses, down to the history limit. */
export async function pruneRevisions(
  client: KubeClient,
  owner: StatefulSet | DaemonSet,
  given: { revisions: ControllerRevision[]; used: ReadonlySet<string> },
): Promise<void> {
  const unused = given.revisions.slice(0, -1).filter(({ metadata }) => !given.used.has(metadata.name));
  const surplus = unused.length - (owner.spec.revisionHistoryLimit ?? DEFAULT_HISTORY);
  for (const { metadata } of unused.slice(0, Math.max(0, surplus))) {
    await client.delete(CONTROLLER_REVISIONS, { namespace: metadata.namespace ?? '', name: metadata.name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = (revision.data as { spec: { template: PodTemplateSpec & { $patch?: string } } }).spec.template;
  return template;
}
