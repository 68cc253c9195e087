import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import type { KubeObject } from '@lateen/kube/types';
import { createSnapshotLoop } from './snapshot-loop.ts';

const change = (name: string) => [
  { type: 'apply' as const, object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } satisfies KubeObject },
];

function start() {
  const clock = createVirtualClock();
  const snapshots: number[] = [];
  const loop = createSnapshotLoop({
    clock,
    quietMs: 100,
    maxMs: 1_000,
    onSnapshot: ({ namespaces }) => void snapshots.push(namespaces.size),
  });
  return { clock, loop, snapshots };
}

test('a burst makes one snapshot, after the quiet period', () => {
  const { clock, loop, snapshots } = start();
  loop.change(change('a'));
  clock.advance(50);
  loop.change(change('b'));
  clock.advance(99);
  assert.deepEqual(snapshots, []);
  clock.advance(1);
  assert.deepEqual(snapshots, [2]);
});

test('a burst that does not end is served at the latest after the maximum', () => {
  const { clock, loop, snapshots } = start();
  for (let i = 0; i < 15; i++) {
    loop.change(change(`n${i}`));
    clock.advance(90);
  }
  assert.equal(snapshots.length, 1);
  assert.equal(snapshots[0], 12);
});

test('a flush serves at once what waits, and only once', () => {
  const { clock, loop, snapshots } = start();
  loop.change(change('a'));
  loop.flush();
  clock.advance(1_000);
  assert.deepEqual(snapshots, [1]);
});
