// Owner references: who controls an object, and taking over objects that match a selector but belong to nobody.

import { isConflict, isNotFound, type KubeClient, labelSelectorMatches } from '@lateen/kube';
import type { KubeObject, LabelSelector, OwnerReference, ResourceRef } from '@lateen/kube/types';

export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

export function ownerReferenceTo(owner: KubeObject): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true, blockOwnerDeletion: true };
}

export type ClaimOptions = { client: KubeClient; resource: ResourceRef; owner: KubeObject; selector: LabelSelector };

/**
 * The candidates that the owner controls: those that are already its own and match, and orphans that match, which are
 * adopted. Own objects that no longer match are released.
 */
export async function claimObjects<T extends KubeObject>(candidates: readonly T[], options: ClaimOptions): Promise<T[]> {
  const { owner, selector } = options;
  const claimed: T[] = [];
  for (const object of candidates) {
    const controller = controllerOf(object);
    const matches = labelSelectorMatches(selector, object.metadata.labels);
    if (controller?.uid === owner.metadata.uid) {
      if (matches) claimed.push(object);
      else
        await setOwners(
          object,
          (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid),
          options,
        );
    } else if (!controller && matches && !object.metadata.deletionTimestamp && !owner.metadata.deletionTimestamp) {
      const adopted = await setOwners(object, [...(object.metadata.ownerReferences ?? []), ownerReferenceTo(owner)], options);
      if (adopted) claimed.push(adopted);
    }
  }
  return claimed;
}

async function setOwners<T extends KubeObject>(
  object: T,
  ownerReferences: OwnerReference[],
  { client, resource }: ClaimOptions,
): Promise<T | undefined> {
  const { name, namespace = '', uid } = object.metadata;
  try {
    return await client.patch<T>(resource, { namespace, name }, { type: 'merge', body: { metadata: { uid, ownerReferences } } });
  } catch (error) {
    // Gone or changed: its event brings the owner back here.
    if (isNotFound(error) || isConflict(error)) return undefined;
    throw error;
  }
}
