import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from './host.ts';
import { PreviousPriorities } from './previous-priorities.ts';

const host = (level: number) => ({ level }) as unknown as Host;
const level = (index: number, healthy: number, degraded = 0) => ({
  healthy,
  degraded,
  has: (one: Host) => (one as unknown as { level: number }).level === index,
});

test('each retry goes to priorities that were not tried, and from the start again when all were', () => {
  const levels = [level(0, 100), level(1, 100), level(2, 100)];
  const previous = new PreviousPriorities(1);
  assert.equal(previous.shares(levels), undefined);
  const tried: (readonly number[] | undefined)[] = [];
  for (const index of [0, 1, 2, 0]) {
    previous.add(host(index));
    tried.push(previous.shares(levels));
  }
  assert.deepEqual(tried, [
    [0, 100, 0],
    [0, 0, 100],
    [100, 0, 0],
    [0, 100, 0],
  ]);
});

test('what is left of the priorities shares the traffic, unhealthy ones get none', () => {
  const previous = new PreviousPriorities(1);
  previous.add(host(0));
  assert.deepEqual(previous.shares([level(0, 100), level(1, 0), level(2, 40, 20), level(3, 100)]), [0, 0, 60, 40]);
  assert.deepEqual(previous.shares([level(0, 100), level(1, 10), level(2, 20)]), [0, 34, 66]);
  assert.equal(previous.shares([level(0, 0), level(1, 0)]), undefined);
});

test('the priorities are looked at only after so many attempts', () => {
  const levels = [level(0, 100), level(1, 100), level(2, 100)];
  const previous = new PreviousPriorities(2);
  const after = (index: number) => {
    previous.add(host(index));
    return previous.shares(levels);
  };
  assert.deepEqual([after(0), after(0), after(1), after(1)], [undefined, [0, 100, 0], [0, 100, 0], [0, 0, 100]]);
});
