import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerState, Pod, PodCondition, PodStatus } from '@lateen/kube/types';
import type { ContainerKind } from './container-history.ts';
import { type ContainerView, podPhase, podStatus, saysStatus, statusPatch } from './pod-status.ts';

const running: ContainerState = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } };
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } });

function view(name: string, state: ContainerState, extra: Partial<ContainerView> & { lastState?: ContainerState } = {}): ContainerView {
  const { lastState, ...rest } = extra;
  const ready = extra.ready ?? false;
  const status = { name, state, ready, restartCount: 0, image: 'i', imageID: '', ...(lastState && { lastState }) };
  return { name, kind: 'app' as ContainerKind, status, finished: false, started: ready, ready, ...rest };
}

const phases: { name: string; containers: ContainerView[]; phase: string }[] = [
  { name: 'nothing started', containers: [view('a', waiting)], phase: 'Pending' },
  { name: 'one of two started', containers: [view('a', running), view('b', waiting)], phase: 'Pending' },
  { name: 'all run', containers: [view('a', running), view('b', running)], phase: 'Running' },
  { name: 'a crash loop', containers: [view('a', waiting, { lastState: ended(1) })], phase: 'Running' },
  { name: 'one done, one running', containers: [view('a', ended(0), { finished: true }), view('b', running)], phase: 'Running' },
  { name: 'all done well', containers: [view('a', ended(0), { finished: true })], phase: 'Succeeded' },
  {
    name: 'one done badly',
    containers: [view('a', ended(0), { finished: true }), view('b', ended(2), { finished: true })],
    phase: 'Failed',
  },
  {
    name: 'a failed init container',
    containers: [view('i', ended(1), { kind: 'init', finished: true }), view('a', waiting)],
    phase: 'Failed',
  },
  {
    name: 'done, with a native sidecar still running',
    containers: [view('s', running, { kind: 'sidecar' }), view('a', ended(0), { finished: true })],
    phase: 'Succeeded',
  },
];
for (const { name, containers, phase } of phases) {
  test(`the phase is ${phase}: ${name}`, () => assert.equal(podPhase(containers), phase));
}

const pod = (status?: PodStatus): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'a' }], readinessGates: [{ conditionType: 'mesh/ready' }] },
  ...(status && { status }),
});
const input = { conditions: [], podIP: '10.0.0.1', hostIP: '1.1.1.1', startTime: 's', now: 'now', failed: undefined };
const conditionsOf = (status: PodStatus) =>
  Object.fromEntries((status.conditions ?? []).map(({ type, status: value, reason }) => [type, [value, reason]]));

test('containers can be ready while a readiness gate holds the pod back', () => {
  const containers = [view('a', running, { ready: true })];
  const closed = conditionsOf(podStatus({ ...input, pod: pod(), containers }));
  assert.deepEqual(closed['ContainersReady'], ['True', undefined]);
  assert.deepEqual(closed['Ready'], ['False', 'ReadinessGatesNotReady']);
  const open = podStatus({ ...input, pod: pod({ conditions: [{ type: 'mesh/ready', status: 'True' }] }), containers });
  assert.deepEqual(conditionsOf(open)['Ready'], ['True', undefined]);
});

test('an unchanged condition keeps its transition time', () => {
  const before: PodCondition[] = [{ type: 'PodScheduled', status: 'True', lastTransitionTime: 'then' }];
  const { conditions } = podStatus({ ...input, conditions: before, pod: pod(), containers: [view('a', waiting)] });
  assert.equal(conditions?.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime, 'then');
  assert.equal(conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime, 'now');
});

test('a status is written only when it says something new, and what is gone becomes null', () => {
  const full = podStatus({ ...input, pod: pod(), containers: [view('a', running)] });
  const foreign = { type: 'mesh/ready', status: 'True' as const };
  assert.equal(saysStatus({ ...full, conditions: [...(full.conditions ?? []), foreign] }, full), true);
  const lost = podStatus({ ...input, podIP: undefined, pod: pod(), containers: [view('a', running)] });
  assert.equal(saysStatus(full, lost), false);
  const patch = statusPatch(lost);
  assert.deepEqual([patch['podIP'], patch['podIPs']], [null, null]);
});
