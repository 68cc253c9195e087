// Conditions of a status that say "no" (IST0171).

import { isObject } from '@lateen/base';
import type { KubeObject } from '@lateen/kube/types';
import type { Collector } from './collector.ts';
import type { World } from './world.ts';

const KINDS: [group: string, kind: string][] = [
  ['', 'Service'],
  ['networking.istio.io', 'ServiceEntry'],
  ['security.istio.io', 'AuthorizationPolicy'],
  ['gateway.networking.k8s.io', 'Gateway'],
  ['gateway.networking.k8s.io', 'HTTPRoute'],
  ['gateway.networking.k8s.io', 'GRPCRoute'],
  ['gateway.networking.k8s.io', 'TCPRoute'],
  ['gateway.networking.k8s.io', 'TLSRoute'],
];

export function analyzeConditions(world: World, out: Collector): void {
  for (const [group, kind] of KINDS) {
    for (const object of world.all(group, kind)) {
      for (const condition of conditionsOf(object)) {
        const { type, status, reason, message } = condition;
        // Services carry conditions of others too.
        if (kind === 'Service' && !String(type).startsWith('istio.io/')) continue;
        if (status !== 'False' && reason !== 'PartiallyInvalid') continue;
        out.add('IST0171', object, {
          path: 'status.conditions',
          message: `A condition with a negative status is present: type=${String(type)}, reason=${String(reason)}, message=${String(message)}.`,
        });
      }
    }
  }
}

function conditionsOf({ status }: KubeObject): Record<string, unknown>[] {
  if (!isObject(status)) return [];
  const parents = Array.isArray(status.parents) ? status.parents.filter(isObject) : [];
  return [status, ...parents].flatMap(({ conditions }) => (Array.isArray(conditions) ? conditions.filter(isObject) : []));
}
