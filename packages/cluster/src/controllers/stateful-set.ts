// StatefulSet: pods with lasting names, made and ended in order, updated from the last to the first.

import { type Closable, jsonEqual } from '@lateen/base';
import type { ControllerRevision, Pod, PodTemplateSpec, StatefulSet, StatefulSetStatus } from '@lateen/kube/types';
import { PODS, STATEFUL_SETS } from '../node/kube-resources.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf, readObject } from './controller-context.ts';
import { claimObjects, controllerOf } from './ownership.ts';
import { createPodControl } from './pod-control.ts';
import { availableInMs, isPodReady, isPodTerminating } from './pod-state.ts';
import { pruneRevisions, REVISION_LABEL, syncRevisions, templateOf } from './workload-revisions.ts';

type Round = {
  set: StatefulSet;
  /** By ordinal. */
  pods: Map<number, Pod>;
  revisions: ControllerRevision[];
  /** Names of the revision being rolled out and of the one before it. */
  update: string;
  current: string;
};

export function startStatefulSetController(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const podControl = createPodControl(client, context.events('statefulset-controller'));

  async function reconcile(namespace: string, name: string): Promise<void> {
    const set = await readObject<StatefulSet>(client, STATEFUL_SETS, { namespace, name });
    if (!set || set.metadata.deletionTimestamp) return;
    const owned = await claimObjects(await podControl.list(namespace), { client, resource: PODS, owner: set, selector: set.spec.selector });
    const pods = new Map(owned.flatMap((pod): [number, Pod][] => withOrdinal(set, pod)));
    const revisions = await syncRevisions(client, set);
    const update = revisions.at(-1)?.metadata.name ?? '';
    const stored = set.status?.currentRevision;
    const current = revisions.some(({ metadata }) => metadata.name === stored) ? (stored ?? update) : update;
    const round: Round = { set, pods, revisions, update, current };
    await step(round);
    await writeStatus(round);
    await pruneRevisions(client, set, {
      revisions,
      used: new Set([current, ...owned.map((pod) => pod.metadata.labels?.[REVISION_LABEL] ?? '')]),
    });
  }

  /** One step: what must wait for a pod waits for that pod's next change. */
  async function step(round: Round): Promise<void> {
    const { set, pods } = round;
    const ordered = set.spec.podManagementPolicy !== 'Parallel';
    const first = set.spec.ordinals?.start ?? 0;
    const end = first + (set.spec.replicas ?? 1);
    for (let ordinal = first; ordinal < end; ordinal++) {
      const pod = pods.get(ordinal);
      if (!pod) pods.set(ordinal, await create(round, ordinal));
      else if (isOver(pod) && !isPodTerminating(pod)) await podControl.delete(set, pod);
      if (ordered && !isSettled(pods.get(ordinal))) return;
    }
    const surplus = [...pods.keys()].filter((ordinal) => ordinal < first || ordinal >= end).toSorted((a, b) => b - a);
    for (const ordinal of surplus) {
      const pod = pods.get(ordinal) as Pod;
      if (!isPodTerminating(pod)) await podControl.delete(set, pod);
      if (ordered) return;
    }
    if (set.spec.updateStrategy?.type !== 'OnDelete') await updateOne(round, { first, end });
  }

  /** Replaces the last pod of an old revision, once everything after it is up to date and ready. */
  async function updateOne({ set, pods, update }: Round, { first, end }: { first: number; end: number }): Promise<void> {
    const partition = Math.max(first, set.spec.updateStrategy?.rollingUpdate?.partition ?? 0);
    for (let ordinal = end - 1; ordinal >= partition; ordinal--) {
      const pod = pods.get(ordinal);
      if (pod && pod.metadata.labels?.[REVISION_LABEL] !== update) {
        if (!isPodTerminating(pod)) await podControl.delete(set, pod);
        return;
      }
      if (!isSettled(pod)) return;
    }
  }

  async function create({ set, revisions, update, current }: Round, ordinal: number): Promise<Pod> {
    const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
    const name = ordinal < partition ? current : update;
    const revision = revisions.find(({ metadata }) => metadata.name === name) ?? (revisions.at(-1) as ControllerRevision);
    const podName = `${set.metadata.name}-${ordinal}`;
    const labels = {
      'statefulset.kubernetes.io/pod-name': podName,
      'apps.kubernetes.io/pod-index': String(ordinal),
      [REVISION_LABEL]: revision.metadata.name,
    };
    return podControl.create(set, withIdentity(set, templateOf(revision), podName), { name: podName, labels });
  }

  async function writeStatus({ set, pods, update, current }: Round): Promise<void> {
    const live = [...pods.values()].filter((pod) => !isPodTerminating(pod));
    const waits = live.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, clock.now())).filter((ms) => ms !== undefined);
    const soon = waits.filter((ms) => ms > 0);
    if (soon.length > 0) queue.addAfter(keyOf(set), Math.min(...soon));
    const made = (revision: string) => live.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision).length;
    const replicas = set.spec.replicas ?? 1;
    const ready = live.filter(isPodReady).length;
    const complete = made(update) === replicas && ready === replicas && pods.size === replicas;
    const status: StatefulSetStatus = {
      ...(set.metadata.generation !== undefined && { observedGeneration: set.metadata.generation }),
      replicas: pods.size,
      readyReplicas: ready,
      availableReplicas: waits.filter((ms) => ms === 0).length,
      currentReplicas: made(complete ? update : current),
      updatedReplicas: made(update),
      currentRevision: complete ? update : current,
      updateRevision: update,
      collisionCount: 0,
    };
    if (!jsonEqual(set.status, status)) await client.updateStatus(STATEFUL_SETS, { ...set, status });
  }

  const queue = createKeyedQueue('statefulset', context, reconcile);
  informers.statefulSets.subscribe(enqueueOn(queue));
  informers.pods.subscribe(
    enqueueOn<Pod>(queue, (pod) => {
      const controller = controllerOf(pod);
      return controller?.kind === 'StatefulSet' ? [`${pod.metadata.namespace}/${controller.name}`] : [];
    }),
  );
  return queue;
}

function withOrdinal(set: StatefulSet, pod: Pod): [number, Pod][] {
  const match = /^(.*)-(\d{1,9})$/.exec(pod.metadata.name);
  return match?.[1] === set.metadata.name ? [[Number(match[2]), pod]] : [];
}

const isOver = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
const isSettled = (pod: Pod | undefined): boolean => pod !== undefined && isPodReady(pod) && !isPodTerminating(pod);

/** Its lasting host name, and claims of its own for the set's claim templates. */
function withIdentity(
  { spec: { serviceName, volumeClaimTemplates = [] } }: StatefulSet,
  template: PodTemplateSpec,
  podName: string,
): PodTemplateSpec {
  const claims = volumeClaimTemplates.map((claim) => {
    const name = (claim['metadata'] as { name?: string } | undefined)?.name ?? '';
    return { name, persistentVolumeClaim: { claimName: `${name}-${podName}` } };
  });
  const claimed = new Set(claims.map(({ name }) => name));
  const volumes = [...(template.spec.volumes ?? []).filter(({ name }) => !claimed.has(name)), ...claims];
  return {
    ...template,
    spec: { ...template.spec, hostname: podName, ...(serviceName && { subdomain: serviceName }), ...(volumes.length > 0 && { volumes }) },
  };
}
