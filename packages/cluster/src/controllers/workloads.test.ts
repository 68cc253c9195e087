import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import type { ControllerRevision, CronJob, DaemonSet, Job, Pod, StatefulSet } from '@lateen/kube/types';
import { CONTROLLER_REVISIONS, CRON_JOBS, DAEMON_SETS, JOBS, PODS, STATEFUL_SETS } from '../node/kube-resources.ts';
import { FOREVER, shellTemplate, startCluster } from './testing/cluster-fixture.ts';

const labels = { app: 'db' };
const selector = { matchLabels: labels };
const metadata = { name: 'db', namespace: 'default' };
const target = { name: 'db', namespace: 'default' };
const newLabel = { spec: { template: { metadata: { labels: { version: 'v2' } } } } };

test('a stateful set makes named pods in order, keeps their claims, updates from the last, shrinks from the last', async (t) => {
  const { client, stateDir } = await startCluster(t);
  const read = () => client.find<StatefulSet>(STATEFUL_SETS, 'db', 'default') as StatefulSet;
  const pod = (name: string) => client.find<Pod>(PODS, name, 'default');
  const template = shellTemplate(labels, `echo "$HOSTNAME" >> /data/names; ${FOREVER}`);
  const [container] = template.spec.containers;
  if (container) container.volumeMounts = [{ name: 'data', mountPath: '/data' }];
  const spec = { replicas: 2, serviceName: 'db', selector, template, volumeClaimTemplates: [{ metadata: { name: 'data' } }] };
  await client.create<StatefulSet>(STATEFUL_SETS, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec });
  await eventually(() => assert.equal(read().status?.readyReplicas, 2));
  assert.ok(Date.parse(pod('db-0')?.metadata.creationTimestamp ?? '') <= Date.parse(pod('db-1')?.metadata.creationTimestamp ?? ''));
  assert.equal(pod('db-1')?.spec.subdomain, 'db');
  const { uid } = pod('db-0')?.metadata ?? {};

  await client.patch(STATEFUL_SETS, target, { type: 'merge', body: newLabel });
  await eventually(() => {
    const { status } = read();
    assert.deepEqual([status?.updatedReplicas, status?.readyReplicas, status?.currentRevision], [2, 2, status?.updateRevision]);
    assert.notEqual(pod('db-0')?.metadata.uid, uid);
  });
  assert.equal(client.all<ControllerRevision>(CONTROLLER_REVISIONS).length, 2);
  assert.equal(readFileSync(`${stateDir}/claims/default/data-db-0/names`, 'utf8'), 'db-0\ndb-0\n');

  await client.patch(STATEFUL_SETS, target, { type: 'merge', body: { spec: { replicas: 1 } } });
  await eventually(() => assert.equal(pod('db-1'), undefined));
  assert.ok(pod('db-0'));
});

test('a daemon set has one pod on the node and replaces it when its template changes', async (t) => {
  const { client } = await startCluster(t);
  const status = () => client.find<DaemonSet>(DAEMON_SETS, 'db', 'default')?.status;
  await client.create<DaemonSet>(DAEMON_SETS, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata,
    spec: { selector, template: shellTemplate(labels) },
  });
  await eventually(() =>
    assert.deepEqual([status()?.desiredNumberScheduled, status()?.numberAvailable, status()?.updatedNumberScheduled], [1, 1, 1]),
  );
  await client.patch(DAEMON_SETS, target, { type: 'merge', body: newLabel });
  await eventually(() => {
    const [only, ...more] = client.all<Pod>(PODS);
    assert.deepEqual([only?.metadata.labels?.version, more.length, status()?.numberAvailable], ['v2', 0, 1]);
  });
});

const job = (spec: Partial<Job['spec']>, script: string): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata,
  spec: {
    template: { ...shellTemplate(labels, script), spec: { ...shellTemplate(labels, script).spec, restartPolicy: 'Never' } },
    completions: 1,
    ...spec,
  },
});

const jobs: { name: string; given: Job; type: string; reason: string; succeeded: number }[] = [
  { name: 'succeeds when its pod does', given: job({}, 'true'), type: 'Complete', reason: 'CompletionsReached', succeeded: 1 },
  {
    name: 'runs several pods at a time',
    given: job({ completions: 3, parallelism: 2 }, 'true'),
    type: 'Complete',
    reason: 'CompletionsReached',
    succeeded: 3,
  },
  {
    name: 'fails past its backoff limit',
    given: job({ backoffLimit: 0 }, 'exit 1'),
    type: 'Failed',
    reason: 'BackoffLimitExceeded',
    succeeded: 0,
  },
  {
    name: 'fails past its deadline',
    given: job({ activeDeadlineSeconds: 1 }, FOREVER),
    type: 'Failed',
    reason: 'DeadlineExceeded',
    succeeded: 0,
  },
  {
    name: 'refuses completion mode Indexed',
    given: job({ completionMode: 'Indexed' }, 'true'),
    type: 'Failed',
    reason: 'NotSupported',
    succeeded: 0,
  },
];
for (const { name, given, type, reason, succeeded } of jobs) {
  test(`a job ${name}`, async (t) => {
    const { client } = await startCluster(t);
    await client.create(JOBS, given);
    await eventually(() => {
      const status = client.find<Job>(JOBS, 'db', 'default')?.status;
      const condition = status?.conditions?.find((one) => one.status === 'True');
      assert.deepEqual([condition?.type, condition?.reason, status?.succeeded], [type, reason, succeeded]);
    });
  });
}

test('a suspended job runs nothing until it is resumed', async (t) => {
  const { client } = await startCluster(t);
  const status = () => client.find<Job>(JOBS, 'db', 'default')?.status;
  await client.create(JOBS, job({ suspend: true, ttlSecondsAfterFinished: 0 }, 'true'));
  await eventually(() => assert.equal(status()?.conditions?.[0]?.type, 'Suspended'));
  assert.equal(client.all(PODS).length, 0);
  await client.patch(JOBS, target, { type: 'merge', body: { spec: { suspend: false } } });
  await eventually(() => assert.equal(client.find(JOBS, 'db', 'default'), undefined, 'and is forgotten when it finished'));
});

test('a cron job runs the last time it missed, once, and lists its active job', async (t) => {
  const { client } = await startCluster(t);
  const minutesAgo = (n: number) => new Date(Math.floor(Date.now() / 60_000 - n) * 60_000);
  const cron: CronJob = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata,
    spec: { schedule: '* * * * *', suspend: true, jobTemplate: { spec: job({}, FOREVER).spec } },
  };
  const created = await client.create(CRON_JOBS, cron);
  await client.updateStatus(CRON_JOBS, { ...created, status: { lastScheduleTime: minutesAgo(5).toISOString() } });
  await client.patch(CRON_JOBS, target, { type: 'merge', body: { spec: { suspend: false } } });
  await eventually(() => assert.equal(client.all<Job>(JOBS).length, 1));
  await eventually(() => {
    const status = client.find<CronJob>(CRON_JOBS, 'db', 'default')?.status as { active?: { name: string }[] } | undefined;
    assert.equal(status?.active?.[0]?.name, client.all<Job>(JOBS)[0]?.metadata.name);
  });
});
