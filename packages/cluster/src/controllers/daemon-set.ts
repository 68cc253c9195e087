// DaemonSet: one pod on every node.

import { type Closable, jsonEqual } from '@lateen/base';
import type { ControllerRevision, DaemonSet, DaemonSetStatus, Pod } from '@lateen/kube/types';
import { DAEMON_SETS, PODS } from '../node/kube-resources.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf, readObject } from './controller-context.ts';
import { claimObjects, controllerOf } from './ownership.ts';
import { createPodControl } from './pod-control.ts';
import { availableInMs, isPodActive, isPodReady, isPodTerminating } from './pod-state.ts';
import { absolute } from './rollout.ts';
import { pruneRevisions, REVISION_LABEL, syncRevisions, templateOf } from './workload-revisions.ts';

export function startDaemonSetController(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const podControl = createPodControl(client, context.events('daemonset-controller'));

  async function reconcile(namespace: string, name: string): Promise<void> {
    const set = await readObject<DaemonSet>(client, DAEMON_SETS, { namespace, name });
    if (!set || set.metadata.deletionTimestamp) return;
    const owned = await claimObjects(await podControl.list(namespace), { client, resource: PODS, owner: set, selector: set.spec.selector });
    const revisions = await syncRevisions(client, set);
    const revision = revisions.at(-1) as ControllerRevision;
    const nodes = informers.nodes.store.list().map(({ metadata }) => metadata.name);
    const pods = await place(set, { owned, nodes, revision });
    const hash = hashLabel(revision);
    if (set.spec.updateStrategy?.type !== 'OnDelete') await replaceOld(set, { pods, hash, nodes: nodes.length });
    await writeStatus(set, { pods, nodes: nodes.length, hash });
    const used = new Set(
      revisions
        .filter((one) => pods.some((pod) => pod.metadata.labels?.[REVISION_LABEL] === hashLabel(one)))
        .map(({ metadata }) => metadata.name),
    );
    await pruneRevisions(client, set, { revisions, used });
  }

  /** Makes what is missing, removes what is finished or too many; gives one live pod for each node. */
  async function place(
    set: DaemonSet,
    { owned, nodes, revision }: { owned: Pod[]; nodes: string[]; revision: ControllerRevision },
  ): Promise<Pod[]> {
    const kept: Pod[] = [];
    for (const node of nodes) {
      const here = owned.filter((pod) => pod.spec.nodeName === node);
      const [live, ...surplus] = here.filter(isPodActive);
      const finished = here.filter((pod) => !isPodActive(pod) && !isPodTerminating(pod));
      for (const pod of [...surplus, ...finished]) await podControl.delete(set, pod);
      if (live) kept.push(live);
      // The next one comes when the last one is gone.
      else if (here.length === 0) {
        const template = templateOf(revision);
        const spec = { ...template.spec, nodeName: node };
        kept.push(await podControl.create(set, { ...template, spec }, { labels: { [REVISION_LABEL]: hashLabel(revision) } }));
      }
    }
    for (const pod of owned) {
      if (!nodes.includes(pod.spec.nodeName ?? '') && !isPodTerminating(pod)) await podControl.delete(set, pod);
    }
    return kept;
  }

  async function replaceOld(set: DaemonSet, { pods, hash, nodes }: { pods: Pod[]; hash: string; nodes: number }): Promise<void> {
    const limit = Math.max(1, absolute(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, nodes, Math.ceil));
    let unavailable = nodes - pods.filter(isPodReady).length;
    for (const pod of pods.filter(({ metadata }) => metadata.labels?.[REVISION_LABEL] !== hash)) {
      if (isPodReady(pod) && unavailable >= limit) continue;
      if (isPodReady(pod)) unavailable++;
      await podControl.delete(set, pod);
    }
  }

  async function writeStatus(set: DaemonSet, { pods, nodes, hash }: { pods: Pod[]; nodes: number; hash: string }): Promise<void> {
    const waits = pods.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, clock.now())).filter((ms) => ms !== undefined);
    const soon = waits.filter((ms) => ms > 0);
    if (soon.length > 0) queue.addAfter(keyOf(set), Math.min(...soon));
    const available = waits.filter((ms) => ms === 0).length;
    const status: DaemonSetStatus = {
      currentNumberScheduled: pods.length,
      desiredNumberScheduled: nodes,
      numberMisscheduled: 0,
      numberReady: pods.filter(isPodReady).length,
      updatedNumberScheduled: pods.filter(({ metadata }) => metadata.labels?.[REVISION_LABEL] === hash).length,
      numberAvailable: available,
      numberUnavailable: nodes - available,
      ...(set.metadata.generation !== undefined && { observedGeneration: set.metadata.generation }),
    };
    if (!jsonEqual(set.status, status)) await client.updateStatus(DAEMON_SETS, { ...set, status });
  }

  const queue = createKeyedQueue('daemonset', context, reconcile);
  informers.daemonSets.subscribe(enqueueOn(queue));
  informers.nodes.subscribe(enqueueOn(queue, () => informers.daemonSets.store.list().map(keyOf)));
  informers.pods.subscribe(
    enqueueOn<Pod>(queue, (pod) => {
      const controller = controllerOf(pod);
      return controller?.kind === 'DaemonSet' ? [`${pod.metadata.namespace}/${controller.name}`] : [];
    }),
  );
  return queue;
}

const hashLabel = ({ metadata }: ControllerRevision): string => metadata.labels?.[REVISION_LABEL] ?? '';
