// Keeps the EndpointSlices and Endpoints of services with a selector as their pods are.

import { type Closable, jsonEqual } from '@lateen/base';
import { isNotFound, labelSelectorMatches } from '@lateen/kube';
import type { EndpointSlice, Pod, Service } from '@lateen/kube/types';
import { ENDPOINT_SLICES, ENDPOINTS } from '../node/kube-resources.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf } from './controller-context.ts';
import { MANAGED_BY, MANAGED_BY_LABEL, SERVICE_NAME_LABEL, serviceEndpoints, serviceSlices } from './service-endpoints.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

export function startEndpointSliceController(context: ControllerContext): Closable {
  const { client, informers } = context;
  const zoneOf = (nodeName: string) => informers.nodes.store.get(undefined, nodeName)?.metadata.labels?.[ZONE_LABEL];

  async function reconcile(namespace: string, name: string): Promise<void> {
    const service = informers.services.store.get(namespace, name);
    const own = informers.slices.store
      .list(namespace)
      .filter(({ metadata }) => metadata.labels?.[SERVICE_NAME_LABEL] === name && metadata.labels[MANAGED_BY_LABEL] === MANAGED_BY);
    const selects =
      service &&
      !service.metadata.deletionTimestamp &&
      service.spec.type !== 'ExternalName' &&
      Object.keys(service.spec.selector ?? {}).length > 0;
    if (!selects) {
      for (const slice of own) await remove(slice);
      if (!service) await client.delete(ENDPOINTS, { namespace, name }).catch(ignoreNotFound);
      return;
    }
    const pods = informers.pods.store.list(namespace);
    const wanted = serviceSlices(service, pods, zoneOf);
    for (const slice of wanted)
      await writeSlice(
        slice,
        own.find(({ metadata }) => metadata.name === slice.metadata.name),
      );
    for (const slice of own) if (!wanted.some(({ metadata }) => metadata.name === slice.metadata.name)) await remove(slice);
    await writeEndpoints(service, pods);
  }

  async function writeSlice(wanted: EndpointSlice, stored: EndpointSlice | undefined): Promise<void> {
    if (!stored) return void (await client.create(ENDPOINT_SLICES, wanted));
    const same =
      jsonEqual(stored.endpoints ?? [], wanted.endpoints) &&
      jsonEqual(stored.ports ?? [], wanted.ports) &&
      jsonEqual(stored.metadata.labels, wanted.metadata.labels);
    if (same) return;
    const { labels } = wanted.metadata;
    await client.update(ENDPOINT_SLICES, {
      ...stored,
      metadata: { ...stored.metadata, ...(labels && { labels }) },
      endpoints: wanted.endpoints,
      ports: wanted.ports ?? [],
    });
  }

  async function writeEndpoints(service: Service, pods: readonly Pod[]): Promise<void> {
    const wanted = serviceEndpoints(service, pods);
    const stored = informers.endpoints.store.get(wanted.metadata.namespace, wanted.metadata.name);
    if (!stored) return void (await client.create(ENDPOINTS, wanted));
    if (jsonEqual(stored.subsets ?? [], wanted.subsets)) return;
    await client.update(ENDPOINTS, { ...stored, subsets: wanted.subsets ?? [] });
  }

  const remove = async ({ metadata }: EndpointSlice): Promise<void> => {
    await client.delete(ENDPOINT_SLICES, { namespace: metadata.namespace ?? '', name: metadata.name }).catch(ignoreNotFound);
  };

  const queue = createKeyedQueue('endpointslice', context, reconcile);
  const servicesOf = (pod: Pod): string[] =>
    informers.services.store
      .list(pod.metadata.namespace)
      .filter(({ spec }) => spec.selector && labelSelectorMatches({ matchLabels: spec.selector }, pod.metadata.labels))
      .map(keyOf);
  informers.services.subscribe(enqueueOn(queue));
  informers.pods.subscribe(enqueueOn(queue, servicesOf));
  // Somebody else's change to what is ours is mended, and a round that met an old store sees the new one.
  informers.slices.subscribe(
    enqueueOn(queue, ({ metadata }) =>
      metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY ? [`${metadata.namespace}/${metadata.labels[SERVICE_NAME_LABEL]}`] : [],
    ),
  );
  informers.endpoints.subscribe(enqueueOn(queue));
  return queue;
}

const ignoreNotFound = (error: unknown): void => {
  if (!isNotFound(error)) throw error;
};
