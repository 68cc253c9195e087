// Binds every waiting pod to a node. With one machine there is nothing to weigh: selectors, taints and affinity are not
// looked at; only an unschedulable or missing node keeps a pod Pending.

import type { Closable } from '@lateen/base';
import { isConflict, isNotFound, resourcePath } from '@lateen/kube';
import type { Node, Pod } from '@lateen/kube/types';
import { PODS } from '../node/kube-resources.ts';
import { rfc3339 } from '../node/time-text.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf } from './controller-context.ts';

export function startScheduler(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const events = context.events('default-scheduler');

  async function schedule(namespace: string, name: string): Promise<void> {
    const pod = informers.pods.store.get(namespace, name);
    if (!pod || !isWaiting(pod)) return;
    const nodes = informers.nodes.store.list();
    const node = nodes.find(isUsable);
    if (!node) return markUnschedulable(pod, nodes);
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, ...(pod.metadata.uid !== undefined && { uid: pod.metadata.uid }) },
      target: { apiVersion: 'v1', kind: 'Node', name: node.metadata.name },
    };
    try {
      const path = resourcePath(PODS, { namespace, name, subresource: 'binding' });
      await client.requestJson({ method: 'POST', path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(binding) });
    } catch (error) {
      // Gone or bound meanwhile.
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
    const message = `Successfully assigned ${namespace}/${name} to ${node.metadata.name}`;
    events.record(pod, { type: 'Normal', reason: 'Scheduled', message });
  }

  async function markUnschedulable(pod: Pod, nodes: readonly Node[]): Promise<void> {
    const why = nodes.length === 0 ? 'no nodes available to schedule pods' : '1 node(s) were unschedulable or not ready';
    const message = `0/${nodes.length} nodes are available: ${why}.`;
    const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    if (before?.status === 'False' && before.message === message) return;
    events.record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: rfc3339(clock.now()) };
    const { name, namespace = '' } = pod.metadata;
    await client.patch(
      PODS,
      { namespace, name },
      { type: 'strategic', subresource: 'status', body: { status: { conditions: [condition] } } },
    );
  }

  const queue = createKeyedQueue('scheduler', context, schedule);
  informers.pods.subscribe(enqueueOn<Pod>(queue, (pod) => (isWaiting(pod) ? [keyOf(pod)] : [])));
  informers.nodes.subscribe(enqueueOn<Node>(queue, () => informers.pods.store.list().filter(isWaiting).map(keyOf)));
  return queue;
}

const isWaiting = ({ metadata, spec }: Pod): boolean =>
  !spec.nodeName &&
  !metadata.deletionTimestamp &&
  (spec.schedulerName ?? 'default-scheduler') === 'default-scheduler' &&
  !spec.schedulingGates?.length;

const isUsable = ({ spec, status }: Node): boolean =>
  !spec?.unschedulable && status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
