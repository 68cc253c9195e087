import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRestartBackoff } from './restart-backoff.ts';

test('the first restart is at once, then 10 s doubling to 5 min, and a long run starts over', () => {
  const backoff = createRestartBackoff();
  const waits = Array.from({ length: 8 }, () => backoff.ended(1000));
  assert.deepEqual(waits, [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  assert.equal(backoff.ended(599_000), 300_000);
  assert.equal(backoff.ended(600_000), 0);
  assert.equal(backoff.ended(1000), 10_000);
});
