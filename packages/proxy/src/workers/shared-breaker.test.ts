import assert from 'node:assert/strict';
import test from 'node:test';
import type { CircuitBreaker } from '../runtime/model.ts';
import { createSharedBreakers } from './shared-breaker.ts';
import { allocateSharedCounts, SharedCounts } from './shared-counts.ts';

const LIMITS: CircuitBreaker = {
  maxConnections: 2,
  maxPendingRequests: 2,
  maxRequests: 2,
  maxRetries: 2,
  retryBudget: undefined,
  trackRemaining: true,
};

function twoThreads() {
  const memory = allocateSharedCounts(2);
  const views = [new SharedCounts(memory, 0), new SharedCounts(memory, 1)] as const;
  return { views, one: createSharedBreakers(views[0]), two: createSharedBreakers(views[1]) };
}

const COUNTS = [
  ['connections', 'canConnect'],
  ['pending', 'canQueue'],
  ['requests', 'canRequest'],
  ['retries', 'canRetry'],
] as const;
for (const [count, can] of COUNTS) {
  test(`the limit of ${count} holds for all threads together`, () => {
    const { one, two } = twoThreads();
    const [here, there] = [one('default/c', LIMITS), two('default/c', LIMITS)];
    const other = two('default/other', LIMITS);
    here[count]++;
    assert.ok(there[can], 'one of two');
    there[count]++;
    assert.deepEqual([here[can], there[can], other[can]], [false, false, true]);
    assert.deepEqual([here[count], there[count]], [1, 1]);
    here[count]--;
    assert.ok(there[can], 'given back by another thread');
  });
}

test("what a closed breaker still counts is nobody else's", () => {
  const { one, two } = twoThreads();
  const [old, there] = [one('default/c', LIMITS), two('default/c', LIMITS)];
  old.connections += 2;
  const next = one('default/c', LIMITS);
  assert.ok(!next.canConnect, 'versions of a cluster count together');
  old.close();
  old.close();
  assert.ok(next.canConnect && there.canConnect);
  old.connections--;
  there.connections++;
  assert.deepEqual(next.gauges()['remaining_cx'], 1);
});

test('a row whose last user left is free for another cluster, and starts at nothing', () => {
  const { one, two, views } = twoThreads();
  const first = views[0].take('default/c') as number;
  const there = two('default/c', LIMITS);
  there.requests += 2;
  views[0].leave(first);
  there.close();
  for (let i = 0; i < 100_000; i++) one(`default/cluster-${i}`, LIMITS).close();
  assert.ok(one('default/c', LIMITS).canRequest);
});

test('what a thread had counted when it failed is taken back', () => {
  const { one, two, views } = twoThreads();
  const [here, failed] = [one('default/c', LIMITS), two('default/c', LIMITS)];
  two('default/c', LIMITS).requests++;
  failed.requests++;
  assert.ok(!here.canRequest);
  views[0].forget(1);
  assert.ok(here.canRequest);
});

test('with more clusters than rows each thread counts for itself', () => {
  const { one, two } = twoThreads();
  for (let i = 0; i < 32_768; i++) one(`default/${i}`, LIMITS);
  const [here, there] = [one('default/late', LIMITS), two('default/late', LIMITS)];
  here.requests += 2;
  assert.deepEqual([here.canRequest, there.canRequest], [false, true]);
});
