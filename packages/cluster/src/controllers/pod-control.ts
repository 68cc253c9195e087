// Creating and deleting pods for an owner, with the events that `kubectl describe` shows.

import { isNotFound, type KubeClient } from '@lateen/kube';
import type { KubeObject, Pod, PodTemplateSpec } from '@lateen/kube/types';
import type { EventRecorder } from '../node/event-recorder.ts';
import { PODS } from '../node/kube-resources.ts';
import { refusalOf } from './controller-context.ts';
import { ownerReferenceTo } from './ownership.ts';

export type PodControl = {
  /** All pods of a namespace as they are now, not as an informer last saw them. */
  list(namespace: string): Promise<Pod[]>;
  /** @throws what the API server answered, after an event about it. */
  create(owner: KubeObject, template: PodTemplateSpec, options?: { name?: string; labels?: Record<string, string> }): Promise<Pod>;
  delete(owner: KubeObject, pod: Pod): Promise<void>;
};

export function createPodControl(client: KubeClient, events: EventRecorder): PodControl {
  return {
    list: async (namespace) => (await client.list<Pod>(PODS, { namespace })).items,
    async create(owner, template, { name, labels } = {}) {
      const { metadata, spec } = template;
      const pod: Pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: name ?? '',
          ...(name === undefined && { generateName: `${owner.metadata.name}-` }),
          namespace: owner.metadata.namespace ?? 'default',
          labels: { ...metadata?.labels, ...labels },
          ...(metadata?.annotations && { annotations: metadata.annotations }),
          ...(metadata?.finalizers && { finalizers: metadata.finalizers }),
          ownerReferences: [ownerReferenceTo(owner)],
        },
        spec,
      };
      try {
        const created = await client.create(PODS, pod);
        events.record(owner, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${created.metadata.name}` });
        return created;
      } catch (error) {
        events.record(owner, { type: 'Warning', reason: 'FailedCreate', message: `Error creating: ${refusalOf(error)}` });
        throw error;
      }
    },
    async delete(owner, pod) {
      const { name, namespace = '', uid } = pod.metadata;
      try {
        await client.delete(PODS, { namespace, name }, uid === undefined ? {} : { preconditions: { uid } });
        events.record(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };
}
