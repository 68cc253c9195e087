// binding, eviction and ephemeralcontainers: small writes with a kind of their own.

import type { KubeObject } from '@lateen/kube/types';
import { type ApiReply, json } from '../http/exchange.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { badRequest, conflict } from '../status.ts';
import { readObject } from './body.ts';
import { type Call, clone, timestamp } from './call.ts';
import { deleteObject } from './delete.ts';
import { updateObject } from './update.ts';

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

/** Puts the pod on a node. */
export async function bind(call: Call): Promise<ApiReply> {
  const binding = readObject(call, { apiVersion: 'v1', kind: 'Binding', schema: builtinSchema('v1', 'Binding') });
  const node = (binding['target'] as { name?: string } | undefined)?.name;
  if (!node) throw badRequest('Binding target.name is required');
  const pod: Call = { ...call, name: call.name ?? binding.metadata.name, subresource: undefined };
  await updateObject(pod, {
    track: true,
    transform: (current) => {
      const next = clone(current);
      const spec = next['spec'] as { nodeName?: string };
      if (spec.nodeName)
        throw conflict(call.resource, current.metadata.name, `pod ${current.metadata.name} is already assigned to node "${spec.nodeName}"`);
      spec.nodeName = node;
      return next;
    },
  });
  await setScheduled(pod);
  return json(201, SUCCESS);
}

function setScheduled(call: Call): Promise<KubeObject> {
  const condition = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: timestamp(call.core.clock.now()) };
  return updateObject(
    { ...call, subresource: 'status' },
    {
      track: true,
      transform: (current) => {
        const next = clone(current);
        const status = (next['status'] ?? {}) as { conditions?: { type: string }[] };
        next['status'] = { ...status, conditions: [...(status.conditions ?? []).filter((one) => one.type !== 'PodScheduled'), condition] };
        return next;
      },
    },
  );
}

/** Deletes the pod gracefully; disruption budgets are stored but not enforced. */
export async function evict(call: Call): Promise<ApiReply> {
  const eviction = readObject(call, { apiVersion: 'policy/v1', kind: 'Eviction', schema: builtinSchema('policy/v1', 'Eviction') });
  await deleteObject({ ...call, subresource: undefined }, (eviction['deleteOptions'] as Record<string, unknown> | undefined) ?? {});
  return json(201, SUCCESS);
}
