// Puts a list of objects into a cluster by server-side apply, in an order that always works: namespaces and definitions first.

import { delay, isObject, systemClock } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import { groupVersionKindOf, type KubeObject } from '@lateen/kube/types';
import { discoverResources, type KnownResource, resourceOfKind } from '../objects/discovery.ts';

/** What `kubectl apply` compares with; without it kubectl warns about every object that it did not create itself. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const FIRST = ['Namespace', 'CustomResourceDefinition'];
const DISCOVERY_TIMEOUT_MS = 10_000;

/** Applies every object, taking fields from other owners. Namespaced objects without a namespace go to `namespace`. */
export async function applyObjects(client: KubeClient, objects: readonly KubeObject[], namespace = 'default'): Promise<void> {
  const early = FIRST.flatMap((kind) => objects.filter((object) => object.kind === kind));
  const late = objects.filter((object) => !FIRST.includes(object.kind));
  await applyAll(client, early, { resources: await discoverResources(client), namespace });
  await applyAll(client, late, { resources: await discoverUntilKnown(client, late), namespace });
}

async function applyAll(
  client: KubeClient,
  objects: readonly KubeObject[],
  known: { resources: KnownResource[]; namespace: string },
): Promise<void> {
  for (const object of objects) {
    const resource = resourceOfKind(known.resources, groupVersionKindOf(object));
    const namespace = object.metadata.namespace ?? known.namespace;
    const placed = resource.namespaced ? { ...object, metadata: { ...object.metadata, namespace } } : object;
    await client.apply(resource, withLastApplied(placed), { force: true });
  }
}

/** The object as `kubectl apply` would have written it, so that people go on with kubectl where we began. */
export function withLastApplied(object: KubeObject): KubeObject {
  const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations ?? {};
  const text = `${JSON.stringify(sortKeys({ ...object, metadata: { ...object.metadata, annotations } }))}\n`;
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, [LAST_APPLIED]: text } } };
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortKeys(value[key])]),
  );
}

// A definition is served a moment after it was stored.
async function discoverUntilKnown(client: KubeClient, objects: readonly KubeObject[]): Promise<KnownResource[]> {
  const deadlineMs = systemClock.monotonicMs() + DISCOVERY_TIMEOUT_MS;
  for (;;) {
    const resources = await discoverResources(client);
    const isKnown = objects.every((object) => {
      const { group, version, kind } = groupVersionKindOf(object);
      return resources.some((one) => one.group === group && one.version === version && one.kind === kind);
    });
    if (isKnown || systemClock.monotonicMs() > deadlineMs) return resources;
    await delay(systemClock, 20);
  }
}
