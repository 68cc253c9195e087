// ReplicaSet: as many pods of the template as asked for.

import { type Closable, jsonEqual } from '@lateen/base';
import { labelSelectorMatches } from '@lateen/kube';
import type { Pod, ReplicaSet, ReplicaSetStatus } from '@lateen/kube/types';
import { PODS, REPLICA_SETS } from '../node/kube-resources.ts';
import { rfc3339 } from '../node/time-text.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf, readObject, refusalOf } from './controller-context.ts';
import { claimObjects, controllerOf } from './ownership.ts';
import { createPodControl } from './pod-control.ts';
import { availableInMs, compareForDeletion, isPodActive, isPodReady, isPodTerminating } from './pod-state.ts';

/** Pods made in one round; the next round sees what became of them. */
const BURST = 50;

export function startReplicaSetController(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const podControl = createPodControl(client, context.events('replicaset-controller'));

  async function reconcile(namespace: string, name: string): Promise<void> {
    const set = await readObject<ReplicaSet>(client, REPLICA_SETS, { namespace, name });
    if (!set || set.metadata.deletionTimestamp) return;
    const candidates = await podControl.list(namespace);
    const owned = await claimObjects(candidates, { client, resource: PODS, owner: set, selector: set.spec.selector });
    const active = owned.filter(isPodActive);
    const missing = (set.spec.replicas ?? 1) - active.length;
    let failure: unknown;
    try {
      for (let i = 0; i < Math.min(missing, BURST); i++) active.push(await podControl.create(set, set.spec.template));
      const surplus = missing < 0 ? active.toSorted(compareForDeletion).slice(0, -missing) : [];
      for (const pod of surplus) {
        await podControl.delete(set, pod);
        active.splice(active.indexOf(pod), 1);
      }
    } catch (error) {
      failure = error;
    }
    await writeStatus(set, { active, terminating: owned.filter(isPodTerminating).length, failure });
    if (failure !== undefined) throw failure;
    if (missing > BURST) queue.add(keyOf(set));
  }

  async function writeStatus(set: ReplicaSet, { active, terminating, failure }: { active: Pod[]; terminating: number; failure: unknown }) {
    const nowMs = clock.now();
    const { minReadySeconds = 0, template } = set.spec;
    const waits = active.map((pod) => availableInMs(pod, minReadySeconds, nowMs)).filter((ms) => ms !== undefined);
    const soon = waits.filter((ms) => ms > 0);
    if (soon.length > 0) queue.addAfter(keyOf(set), Math.min(...soon));
    const { conditions, ...before } = set.status ?? { replicas: 0 };
    const status: ReplicaSetStatus = {
      replicas: active.length,
      fullyLabeledReplicas: active.filter((pod) =>
        labelSelectorMatches({ matchLabels: template.metadata?.labels ?? {} }, pod.metadata.labels),
      ).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: waits.filter((ms) => ms === 0).length,
      terminatingReplicas: terminating,
      ...(set.metadata.generation !== undefined && { observedGeneration: set.metadata.generation }),
    };
    const failed = conditions?.some(({ type }) => type === 'ReplicaFailure') ?? false;
    if (jsonEqual(before, status) && failed === (failure !== undefined)) return;
    if (failure !== undefined) {
      status.conditions = [
        { type: 'ReplicaFailure', status: 'True', lastTransitionTime: rfc3339(nowMs), reason: 'FailedCreate', message: refusalOf(failure) },
      ];
    }
    await client.updateStatus(REPLICA_SETS, { ...set, status });
  }

  const queue = createKeyedQueue('replicaset', context, reconcile);
  const ownersOf = (pod: Pod): string[] => {
    const controller = controllerOf(pod);
    if (controller) return controller.kind === 'ReplicaSet' ? [`${pod.metadata.namespace}/${controller.name}`] : [];
    const matching = informers.replicaSets.store
      .list(pod.metadata.namespace)
      .filter(({ spec }) => labelSelectorMatches(spec.selector, pod.metadata.labels));
    return matching.map(keyOf);
  };
  informers.pods.subscribe(enqueueOn(queue, ownersOf));
  informers.replicaSets.subscribe(enqueueOn(queue));
  return queue;
}
