import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '@lateen/kube/types';
import { humanDuration } from './columns.ts';
import { jsonPathText, jsonPathValues } from './json-path.ts';
import { POD_COLUMNS, podStatus } from './pod-columns.ts';

describe('ages', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [125, '2m5s'],
    [600, '10m'],
    [10_800, '3h'],
    [11_000, '3h3m'],
    [86_400, '24h'],
    [172_800, '2d'],
    [180_000, '2d2h'],
    [864_000, '10d'],
    [70_000_000, '2y80d'],
  ];
  for (const [seconds, text] of cases) it(`${seconds} s is ${text}`, () => assert.equal(humanDuration(seconds * 1000), text));
});

describe('printer column paths', () => {
  const object = {
    metadata: { labels: { 'a.b/c': 'x' } },
    spec: { hosts: ['h1', 'h2'], size: 3 },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Other', status: 'False' },
      ],
    },
  };
  const cases: [string, unknown[]][] = [
    ['.spec.size', [3]],
    ['.spec.hosts[1]', ['h2']],
    ['.spec.hosts[*]', ['h1', 'h2']],
    [`.metadata.labels['a\\.b/c']`, ['x']],
    ['.metadata.labels.a\\.b/c', ['x']],
    ['.status.conditions[?(@.type=="Ready")].status', ['True']],
    ['.spec.none.deeper', []],
    ['not a path', []],
  ];
  for (const [path, values] of cases) it(path, () => assert.deepEqual(jsonPathValues(object, path), values));

  it('print lists as JSON and dates as ages', () => {
    assert.equal(jsonPathText(object, { jsonPath: '.spec.hosts', type: 'string' }, 0), '["h1","h2"]');
    assert.equal(jsonPathText({ at: '1970-01-01T00:00:00Z' }, { jsonPath: '.at', type: 'date' }, 60_000), '60s');
  });
});

describe('the state of a pod in one word', () => {
  type Status = { name: string; ready?: boolean; started?: boolean; restartCount?: number; state?: object };
  const pod = (parts: {
    phase?: string;
    containers?: Status[];
    init?: Status[];
    deleted?: boolean;
    reason?: string;
    sidecar?: boolean;
  }): Pod =>
    ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', ...(parts.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
      spec: {
        containers: (parts.containers ?? [{ name: 'a' }]).map(({ name }) => ({ name })),
        initContainers: (parts.init ?? []).map(({ name }) => ({ name, ...(parts.sidecar ? { restartPolicy: 'Always' } : {}) })),
      },
      status: {
        phase: parts.phase ?? 'Running',
        reason: parts.reason,
        containerStatuses: parts.containers ?? [],
        initContainerStatuses: parts.init ?? [],
      },
    }) as unknown as Pod;
  const running = { running: {} };
  const cases: { name: string; pod: Pod; status: string; ready?: string }[] = [
    { name: 'waiting for a node', pod: pod({ phase: 'Pending' }), status: 'Pending', ready: '0/1' },
    {
      name: 'up',
      pod: pod({
        containers: [
          { name: 'a', ready: true, state: running },
          { name: 'b', ready: true, state: running },
        ],
      }),
      status: 'Running',
      ready: '2/2',
    },
    { name: 'in its first init container', pod: pod({ phase: 'Pending', init: [{ name: 'i', state: running }] }), status: 'Init:0/1' },
    {
      name: 'with a failing init container',
      pod: pod({ phase: 'Pending', init: [{ name: 'i', state: { waiting: { reason: 'CrashLoopBackOff' } } }] }),
      status: 'Init:CrashLoopBackOff',
    },
    {
      name: 'starting',
      pod: pod({
        phase: 'Pending',
        init: [{ name: 'i', state: { terminated: { exitCode: 0 } } }],
        containers: [{ name: 'a', state: { waiting: { reason: 'PodInitializing' } } }],
      }),
      status: 'PodInitializing',
    },
    {
      name: 'crashing',
      pod: pod({ containers: [{ name: 'a', state: { waiting: { reason: 'CrashLoopBackOff' } } }] }),
      status: 'CrashLoopBackOff',
    },
    {
      name: 'with an unknown image',
      pod: pod({ containers: [{ name: 'a', state: { waiting: { reason: 'ErrImageNeverPull' } } }] }),
      status: 'ErrImageNeverPull',
    },
    {
      name: 'done',
      pod: pod({ phase: 'Succeeded', containers: [{ name: 'a', state: { terminated: { exitCode: 0, reason: 'Completed' } } }] }),
      status: 'Completed',
    },
    { name: 'going', pod: pod({ deleted: true, containers: [{ name: 'a', ready: true, state: running }] }), status: 'Terminating' },
    {
      name: 'with a native sidecar',
      pod: pod({
        sidecar: true,
        init: [{ name: 'proxy', ready: true, started: true, state: running }],
        containers: [{ name: 'a', ready: true, state: running }],
      }),
      status: 'Running',
      ready: '2/2',
    },
  ];
  for (const { name, pod: subject, status, ready } of cases) {
    it(name, () => {
      assert.equal(podStatus(subject), status);
      if (ready !== undefined) assert.equal(POD_COLUMNS[1]?.value(subject as never, 0), ready);
    });
  }
});
