// Deployment: one replica set for each template, and the way from the old ones to the current one.

import { type Closable, jsonEqual } from '@lateen/base';
import { isAlreadyExists, isNotFound } from '@lateen/kube';
import type { Deployment, Pod, ReplicaSet } from '@lateen/kube/types';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../node/kube-resources.ts';
import { rfc3339 } from '../node/time-text.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, readObject } from './controller-context.ts';
import {
  byAge,
  currentReplicaSet,
  DESIRED_REPLICAS,
  newReplicaSet,
  nextRevision,
  REVISION,
  revisionOf,
  setAnnotations,
  sizeAnnotations,
} from './deployment-revisions.ts';
import { type DeploymentStatusInput, deploymentStatus } from './deployment-status.ts';
import { claimObjects, controllerOf } from './ownership.ts';
import { proportionalSizes, type RolloutLimits, rolloutLimits, rolloutStep, type SetSize } from './rollout.ts';
import { sameTemplate } from './template-hash.ts';

type Sets = { deployment: Deployment; limits: RolloutLimits; current: ReplicaSet | undefined; old: ReplicaSet[] };

const DEFAULT_HISTORY = 10;
const DEFAULT_DEADLINE_SECONDS = 600;

export function startDeploymentController(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const events = context.events('deployment-controller');

  async function reconcile(namespace: string, name: string): Promise<void> {
    const deployment = await readObject<Deployment>(client, DEPLOYMENTS, { namespace, name });
    if (!deployment || deployment.metadata.deletionTimestamp) return;
    const sets = await readSets(deployment);
    if (deployment.spec.paused) await scaleAll(sets);
    else if (wasScaled(sets)) await scaleAll(sets);
    else if (deployment.spec.strategy?.type === 'Recreate') await recreate(sets);
    else await roll(sets);
    await forgetHistory(sets);
    await writeStatus(sets);
  }

  async function readSets(deployment: Deployment): Promise<Sets> {
    const namespace = deployment.metadata.namespace ?? '';
    const { items } = await client.list<ReplicaSet>(REPLICA_SETS, { namespace });
    const owned = await claimObjects(items, { client, resource: REPLICA_SETS, owner: deployment, selector: deployment.spec.selector });
    const live = owned.filter(({ metadata }) => !metadata.deletionTimestamp);
    const current = currentReplicaSet(deployment, live);
    const old = live.filter((set) => set.metadata.uid !== current?.metadata.uid).toSorted(byAge);
    const recreate = deployment.spec.strategy?.type === 'Recreate';
    const limits = recreate
      ? { maxSurge: 0, maxUnavailable: 0 }
      : rolloutLimits(deployment.spec.replicas ?? 1, deployment.spec.strategy?.rollingUpdate ?? {});
    return { deployment, limits, current, old };
  }

  /** Makes the current set if there is none, and gives it the highest revision (it may be an old one, after an undo). */
  async function ensureCurrent(sets: Sets, replicas: number): Promise<ReplicaSet> {
    const { deployment, current, old, limits } = sets;
    const revision = nextRevision(current, [...old, ...(current ? [current] : [])]);
    if (!current) {
      const wanted = newReplicaSet(deployment, { replicas, maxSurge: limits.maxSurge, revision });
      try {
        const created = await client.create(REPLICA_SETS, wanted);
        event(deployment, `Scaled up replica set ${created.metadata.name} from 0 to ${replicas}`);
        sets.current = created;
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        await noteCollision(deployment, wanted);
        throw error;
      }
    } else {
      const annotations = setAnnotations(deployment, { revision, maxSurge: limits.maxSurge });
      const differs = Object.entries(annotations).some(([key, value]) => current.metadata.annotations?.[key] !== value);
      if (differs) sets.current = await patchSet(current, { metadata: { annotations } });
    }
    await writeRevision(deployment, revision);
    return sets.current as ReplicaSet;
  }

  async function writeRevision(deployment: Deployment, revision: number): Promise<void> {
    if (deployment.metadata.annotations?.[REVISION] === String(revision)) return;
    const { name, namespace = '' } = deployment.metadata;
    const body = { metadata: { annotations: { [REVISION]: String(revision) } } };
    const { metadata } = await client.patch<Deployment>(DEPLOYMENTS, { namespace, name }, { type: 'merge', body });
    deployment.metadata = metadata;
  }

  /** Another template has the same hash: the next round makes another hash. */
  async function noteCollision(deployment: Deployment, wanted: ReplicaSet): Promise<void> {
    const { name, namespace = '' } = wanted.metadata;
    const existing = await readObject<ReplicaSet>(client, REPLICA_SETS, { namespace, name });
    const own = existing && controllerOf(existing)?.uid === deployment.metadata.uid;
    if (!existing || (own && sameTemplate(existing.spec.template, deployment.spec.template))) return;
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    await client.updateStatus(DEPLOYMENTS, { ...deployment, status });
  }

  const patchSet = (set: ReplicaSet, body: unknown): Promise<ReplicaSet> =>
    client.patch<ReplicaSet>(REPLICA_SETS, { namespace: set.metadata.namespace ?? '', name: set.metadata.name }, { type: 'merge', body });

  async function scale(sets: Sets, set: ReplicaSet, replicas: number): Promise<void> {
    const before = set.spec.replicas ?? 0;
    const annotations = sizeAnnotations(sets.deployment, sets.limits.maxSurge);
    if (before === replicas && set.metadata.annotations?.[DESIRED_REPLICAS] === annotations[DESIRED_REPLICAS]) return;
    const scaled = await patchSet(set, { metadata: { annotations }, spec: { replicas } });
    if (sets.current?.metadata.uid === set.metadata.uid) sets.current = scaled;
    sets.old = sets.old.map((old) => (old.metadata.uid === set.metadata.uid ? scaled : old));
    if (before !== replicas) {
      event(sets.deployment, `Scaled ${replicas > before ? 'up' : 'down'} replica set ${set.metadata.name} from ${before} to ${replicas}`);
    }
  }

  /** Changed size: one live set gets it whole, several in the middle of a rollout share it. */
  async function scaleAll(sets: Sets): Promise<void> {
    const { deployment, limits } = sets;
    const replicas = deployment.spec.replicas ?? 1;
    const all = [...sets.old, ...(sets.current ? [sets.current] : [])];
    const active = all.filter(({ spec }) => (spec.replicas ?? 0) > 0);
    const only = active.length <= 1 ? (active[0] ?? sets.current ?? all.at(-1)) : undefined;
    if (only) return scale(sets, only, replicas);
    const total = replicas > 0 ? replicas + limits.maxSurge : 0;
    const sizes = proportionalSizes(active.map(sizeOf), total);
    for (const set of active) await scale(sets, set, sizes.get(set.metadata.name) ?? 0);
  }

  async function roll(sets: Sets): Promise<void> {
    const replicas = sets.deployment.spec.replicas ?? 1;
    const sizeNow = sets.current ? sizeOf(sets.current) : { name: '', replicas: 0, available: 0 };
    const step = rolloutStep(replicas, sets.limits, { current: sizeNow, old: sets.old.map(sizeOf) });
    const current = await ensureCurrent(sets, step.newReplicas);
    await scale(sets, current, step.newReplicas);
    for (const set of sets.old) {
      const size = step.old.get(set.metadata.name);
      if (size !== undefined && size !== set.spec.replicas) await scale(sets, set, size);
    }
  }

  async function recreate(sets: Sets): Promise<void> {
    for (const set of sets.old) if ((set.spec.replicas ?? 0) > 0) await scale(sets, set, 0);
    const oldNames = new Set(sets.old.map(({ metadata }) => metadata.uid));
    const { items } = await client.list<Pod>(PODS, { namespace: sets.deployment.metadata.namespace ?? '' });
    if (items.some((pod) => oldNames.has(controllerOf(pod)?.uid ?? ''))) return;
    const replicas = sets.deployment.spec.replicas ?? 1;
    await scale(sets, await ensureCurrent(sets, replicas), replicas);
  }

  async function forgetHistory(sets: Sets): Promise<void> {
    const limit = sets.deployment.spec.revisionHistoryLimit ?? DEFAULT_HISTORY;
    const idle = sets.old
      .filter(({ spec, status }) => spec.replicas === 0 && (status?.replicas ?? 0) === 0)
      .toSorted((a, b) => revisionOf(a) - revisionOf(b));
    for (const set of idle.slice(0, Math.max(0, idle.length - limit))) {
      const { name, namespace = '' } = set.metadata;
      await client.delete(REPLICA_SETS, { namespace, name }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  }

  async function writeStatus({ deployment, current, old, limits }: Sets): Promise<void> {
    const input: DeploymentStatusInput = { deployment, current, old, limits, now: rfc3339(clock.now()) };
    const status = deploymentStatus(input);
    const progress = status.conditions?.find(({ type }) => type === 'Progressing');
    if (progress?.reason === 'ReplicaSetUpdated') {
      const seconds = deployment.spec.progressDeadlineSeconds ?? DEFAULT_DEADLINE_SECONDS;
      queue.addAfter(`${deployment.metadata.namespace}/${deployment.metadata.name}`, (seconds + 1) * 1000);
    }
    if (!jsonEqual(deployment.status, status)) await client.updateStatus(DEPLOYMENTS, { ...deployment, status });
  }

  const event = (deployment: Deployment, message: string) =>
    events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });

  const queue = createKeyedQueue('deployment', context, reconcile);
  informers.deployments.subscribe(enqueueOn(queue));
  const ownerKey = ({ metadata, ...rest }: ReplicaSet): string[] => {
    const controller = controllerOf({ metadata, ...rest });
    return controller?.kind === 'Deployment' ? [`${metadata.namespace}/${controller.name}`] : [];
  };
  informers.replicaSets.subscribe(enqueueOn(queue, ownerKey));
  // Recreate waits for the last old pod to go.
  informers.pods.subscribe({
    onDelete(pod) {
      const set = informers.replicaSets.store.get(pod.metadata.namespace, controllerOf(pod)?.name ?? '');
      for (const key of set ? ownerKey(set) : []) queue.add(key);
    },
  });
  return queue;
}

const sizeOf = ({ metadata, spec, status }: ReplicaSet): SetSize => {
  const replicas = spec.replicas ?? 0;
  return { name: metadata.name, replicas, available: Math.min(replicas, status?.availableReplicas ?? 0) };
};

/** Whether some live set was sized for another number of replicas than the deployment wants now. */
function wasScaled({ deployment, current, old }: Sets): boolean {
  const wanted = String(deployment.spec.replicas ?? 1);
  return [...old, ...(current ? [current] : [])].some(({ metadata, spec }) => {
    const sizedFor = metadata.annotations?.[DESIRED_REPLICAS];
    return (spec.replicas ?? 0) > 0 && sizedFor !== undefined && sizedFor !== wanted;
  });
}
