// CronJob: makes a Job at each time of its schedule. Times are UTC; another `timeZone` is refused with an event.

import { type Closable, jsonEqual } from '@lateen/base';
import { isAlreadyExists, isNotFound } from '@lateen/kube';
import type { CronJob, Job } from '@lateen/kube/types';
import { CRON_JOBS, JOBS } from '../node/kube-resources.ts';
import { rfc3339 } from '../node/time-text.ts';
import { type ControllerContext, createKeyedQueue, enqueueOn, keyOf, readObject } from './controller-context.ts';
import { parseCronSchedule } from './cron-schedule.ts';
import { controllerOf, ownerReferenceTo } from './ownership.ts';

const MINUTE_MS = 60_000;
/** Times missed longer ago than this are not looked for. */
const MAX_MISSED_MS = 7 * 24 * 60 * MINUTE_MS;
/** Longer waits are cut, so that a changed wall clock is noticed. */
const MAX_WAIT_MS = 10 * MINUTE_MS;

type CronJobStatus = {
  lastScheduleTime?: string;
  lastSuccessfulTime?: string;
  active?: { kind: string; namespace: string; name: string; uid: string }[];
};

export function startCronJobController(context: ControllerContext): Closable {
  const { client, clock, informers } = context;
  const events = context.events('cronjob-controller');

  async function reconcile(namespace: string, name: string): Promise<void> {
    const cron = await readObject<CronJob>(client, CRON_JOBS, { namespace, name });
    if (!cron || cron.metadata.deletionTimestamp) return;
    const { items } = await client.list<Job>(JOBS, { namespace });
    const jobs = items.filter((job) => controllerOf(job)?.uid === cron.metadata.uid);
    const active = jobs.filter((job) => !outcomeOf(job));
    const status: CronJobStatus = { ...(cron.status as CronJobStatus | undefined) };
    if (!cron.spec.suspend) await runDue(cron, active, status);
    await forgetFinished(cron, jobs);
    const references = active.map(({ metadata }) => ({ kind: 'Job', namespace, name: metadata.name, uid: metadata.uid ?? '' }));
    if (references.length > 0) status.active = references;
    else delete status.active;
    const done = jobs
      .filter((job) => outcomeOf(job) === 'Complete')
      .flatMap((job) => job.status?.completionTime ?? [])
      .toSorted();
    const last = done.at(-1);
    if (last !== undefined) status.lastSuccessfulTime = last;
    if (!jsonEqual(cron.status ?? {}, status)) await client.updateStatus(CRON_JOBS, { ...cron, status });
  }

  /** Makes the job of the last time that passed, and comes back at the next. */
  async function runDue(cron: CronJob, active: Job[], status: CronJobStatus): Promise<void> {
    const zone = cron.spec.timeZone;
    if (zone !== undefined && !['UTC', 'Etc/UTC'].includes(zone))
      return refuse(cron, `time zone ${JSON.stringify(zone)} is not supported here; schedules are in UTC`);
    const schedule = parseCronSchedule(cron.spec.schedule);
    if (!schedule.ok) return refuse(cron, `invalid schedule: ${schedule.error}`);
    const nowMs = clock.now();
    const sinceMs = Date.parse(status.lastScheduleTime ?? cron.metadata.creationTimestamp ?? '') || nowMs;
    // Of several missed times only the last one runs.
    let dueMs: number | undefined;
    let nextMs = schedule.value.next(Math.max(sinceMs, nowMs - MAX_MISSED_MS));
    for (; nextMs !== undefined && nextMs <= nowMs; nextMs = schedule.value.next(nextMs)) dueMs = nextMs;
    if (nextMs !== undefined) queue.addAfter(keyOf(cron), Math.min(MAX_WAIT_MS, nextMs - nowMs));
    const deadline = cron.spec['startingDeadlineSeconds'];
    if (dueMs === undefined || (typeof deadline === 'number' && nowMs - dueMs > deadline * 1000)) return;
    const policy = cron.spec.concurrencyPolicy ?? 'Allow';
    if (policy === 'Forbid' && active.length > 0) return;
    if (policy === 'Replace') for (const job of active.splice(0)) await removeJob(job);
    const job = await createJob(cron, dueMs);
    status.lastScheduleTime = rfc3339(dueMs);
    if (job) active.push(job);
  }

  async function createJob(cron: CronJob, dueMs: number): Promise<Job | undefined> {
    const { jobTemplate } = cron.spec;
    const { labels, annotations } = jobTemplate.metadata ?? {};
    // The name comes from the time: a time runs once, even if this process dies between job and status.
    const name = `${cron.metadata.name}-${dueMs / MINUTE_MS}`;
    const job: Job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name,
        namespace: cron.metadata.namespace ?? 'default',
        ...(labels && { labels }),
        annotations: { ...annotations, 'batch.kubernetes.io/cronjob-scheduled-timestamp': rfc3339(dueMs) },
        ownerReferences: [ownerReferenceTo(cron)],
      },
      spec: jobTemplate.spec,
    };
    try {
      const created = await client.create(JOBS, job);
      events.record(cron, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created job ${name}` });
      return created;
    } catch (error) {
      if (isAlreadyExists(error)) return undefined;
      throw error;
    }
  }

  async function forgetFinished(cron: CronJob, jobs: readonly Job[]): Promise<void> {
    const limits = { Complete: cron.spec['successfulJobsHistoryLimit'] ?? 3, Failed: cron.spec['failedJobsHistoryLimit'] ?? 1 };
    for (const outcome of ['Complete', 'Failed'] as const) {
      const finished = jobs.filter((job) => outcomeOf(job) === outcome).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
      for (const job of finished.slice(0, Math.max(0, finished.length - Number(limits[outcome])))) await removeJob(job);
    }
  }

  const removeJob = async ({ metadata }: Job): Promise<void> => {
    await client
      .delete(JOBS, { namespace: metadata.namespace ?? '', name: metadata.name }, { propagationPolicy: 'Background' })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  };

  const refuse = (cron: CronJob, message: string) => events.record(cron, { type: 'Warning', reason: 'UnparseableSchedule', message });

  const queue = createKeyedQueue('cronjob', context, reconcile);
  informers.cronJobs.subscribe(enqueueOn(queue));
  informers.jobs.subscribe(
    enqueueOn<Job>(queue, (job) => {
      const controller = controllerOf(job);
      return controller?.kind === 'CronJob' ? [`${job.metadata.namespace}/${controller.name}`] : [];
    }),
  );
  return queue;
}

const outcomeOf = (job: Job): string | undefined =>
  job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')?.type;
