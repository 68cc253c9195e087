// Job: runs pods until enough have succeeded or too many have failed. Completion mode Indexed is not supported and says so.

import { type Closable, jsonEqual } from '@lateen/base';
import { isNotFound } from '@lateen/kube';
import type { Job, JobStatus, Pod, WorkloadCondition } from '@lateen/kube/types';
import { JOBS } from '../node/kube-resources.ts';
import { rfc3339 } from '../node/time-text.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf, readObject } from './controller-context.ts';
import { controllerOf } from './ownership.ts';
import { createPodControl } from './pod-control.ts';
import { isPodActive, isPodReady, isPodTerminating } from './pod-state.ts';

const BACKOFF_BASE_MS = 10_000;
const BACKOFF_MAX_MS = 360_000;

type Verdict = { type: 'Complete' | 'Failed'; reason: string; message: string };
type Counts = { active: Pod[]; succeeded: number; failed: Pod[]; terminating: number };

export function startJobController(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const events = context.events('job-controller');
  const podControl = createPodControl(client, events);

  async function reconcile(namespace: string, name: string): Promise<void> {
    const job = await readObject<Job>(client, JOBS, { namespace, name });
    if (!job || job.metadata.deletionTimestamp) return;
    if (finishedCondition(job)) return forgetFinished(job);
    const pods = (await podControl.list(namespace)).filter((pod) => controllerOf(pod)?.uid === job.metadata.uid);
    const counts: Counts = {
      active: pods.filter(isPodActive),
      succeeded: pods.filter(({ status }) => status?.phase === 'Succeeded').length,
      failed: pods.filter(({ status }) => status?.phase === 'Failed'),
      terminating: pods.filter(isPodTerminating).length,
    };
    const verdict = judge(job, counts, clock.now());
    if (verdict || job.spec.suspend) {
      for (const pod of counts.active) await podControl.delete(job, pod);
      counts.active = [];
    } else await startMissing(job, counts);
    await writeStatus(job, counts, verdict);
  }

  async function startMissing(job: Job, counts: Counts): Promise<void> {
    const { parallelism = 1, completions } = job.spec;
    const left = completions === undefined ? (counts.succeeded > 0 ? counts.active.length : parallelism) : completions - counts.succeeded;
    const missing = Math.min(parallelism, left) - counts.active.length;
    if (missing <= 0) return;
    const waitMs = failureWaitMs(counts.failed, clock.now());
    if (waitMs > 0) return queue.addAfter(keyOf(job), waitMs);
    for (let i = 0; i < missing; i++) counts.active.push(await podControl.create(job, job.spec.template));
  }

  async function writeStatus(job: Job, counts: Counts, verdict: Verdict | undefined): Promise<void> {
    const now = rfc3339(clock.now());
    const before = job.status ?? {};
    const status: JobStatus = {
      startTime: before.startTime ?? now,
      active: counts.active.length,
      ready: counts.active.filter(isPodReady).length,
      succeeded: counts.succeeded,
      failed: counts.failed.length,
      terminating: counts.terminating,
      ...(verdict?.type === 'Complete' && { completionTime: now }),
      conditions: conditions(job, verdict, now),
    };
    if (status.conditions?.length === 0) delete status.conditions;
    watchDeadline(job, status);
    if (jsonEqual(before, status)) return;
    await client.updateStatus(JOBS, { ...job, status });
    if (verdict?.type === 'Complete') events.record(job, { type: 'Normal', reason: 'Completed', message: 'Job completed' });
    if (verdict?.type === 'Failed') events.record(job, { type: 'Warning', reason: verdict.reason, message: verdict.message });
  }

  function watchDeadline(job: Job, { startTime = '' }: JobStatus): void {
    const { activeDeadlineSeconds } = job.spec;
    if (activeDeadlineSeconds === undefined || finishedCondition(job)) return;
    queue.addAfter(keyOf(job), Math.max(0, Date.parse(startTime) + activeDeadlineSeconds * 1000 - clock.now()) + 10);
  }

  /** ttlSecondsAfterFinished. */
  async function forgetFinished(job: Job): Promise<void> {
    const { ttlSecondsAfterFinished } = job.spec;
    const finishedAt = finishedCondition(job)?.lastTransitionTime;
    if (ttlSecondsAfterFinished === undefined || finishedAt === undefined) return;
    const leftMs = Date.parse(finishedAt) + ttlSecondsAfterFinished * 1000 - clock.now();
    if (leftMs > 0) return queue.addAfter(keyOf(job), leftMs);
    const { name, namespace = '' } = job.metadata;
    await client.delete(JOBS, { namespace, name }, { propagationPolicy: 'Background' }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  const queue = createKeyedQueue('job', context, reconcile);
  informers.jobs.subscribe(enqueueOn(queue));
  informers.pods.subscribe(
    enqueueOn<Pod>(queue, (pod) => {
      const controller = controllerOf(pod);
      return controller?.kind === 'Job' ? [`${pod.metadata.namespace}/${controller.name}`] : [];
    }),
  );
  return queue;
}

function judge(job: Job, { active, succeeded, failed }: Counts, nowMs: number): Verdict | undefined {
  const { completions, backoffLimit = 6, activeDeadlineSeconds, completionMode } = job.spec;
  if (completionMode === 'Indexed') {
    return { type: 'Failed', reason: 'NotSupported', message: 'completionMode Indexed is not supported by this cluster; use NonIndexed' };
  }
  const restarts = active.flatMap((pod) => pod.status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
  const enough = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  if (enough) return { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
  if (failed.length + restarts > backoffLimit) {
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  }
  const startMs = Date.parse(job.status?.startTime ?? '');
  if (activeDeadlineSeconds !== undefined && nowMs >= startMs + activeDeadlineSeconds * 1000) {
    return { type: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  return undefined;
}

/** 10 s after the first failure, doubling. */
function failureWaitMs(failed: readonly Pod[], nowMs: number): number {
  if (failed.length === 0) return 0;
  const ends = failed.flatMap((pod) =>
    (pod.status?.containerStatuses ?? []).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? '') || 0),
  );
  return Math.max(0, ...ends) + Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (failed.length - 1)) - nowMs;
}

const finishedCondition = (job: Job): WorkloadCondition | undefined =>
  job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');

function conditions(job: Job, verdict: Verdict | undefined, now: string): WorkloadCondition[] {
  const times = { lastProbeTime: now, lastTransitionTime: now };
  const others = (job.status?.conditions ?? []).filter(({ type }) => type !== 'Suspended');
  const before = job.status?.conditions?.find(({ type }) => type === 'Suspended');
  const status = job.spec.suspend ? 'True' : 'False';
  const suspended: WorkloadCondition[] =
    before?.status === status || (!before && status === 'False')
      ? before
        ? [before]
        : []
      : [
          {
            type: 'Suspended',
            status,
            reason: job.spec.suspend ? 'JobSuspended' : 'JobResumed',
            message: `Job ${job.spec.suspend ? 'suspended' : 'resumed'}`,
            ...times,
          },
        ];
  return [...others, ...suspended, ...(verdict ? [{ ...verdict, status: 'True' as const, ...times }] : [])];
}
