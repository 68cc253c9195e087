import assert from 'node:assert/strict';
import test from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import { compactWhenIdle } from './compact-when-idle.ts';

const MIB = 1024 * 1024;

test('memory is collected once after the start, then when it has grown and nothing is going on', () => {
  const clock = createVirtualClock();
  const used = { residentBytes: 150 * MIB, cpuUs: 0 };
  let isStarted = false;
  let compactions = 0;
  const compaction = compactWhenIdle({
    clock,
    isStarted: () => isStarted,
    read: () => ({ ...used }),
    compact: () => {
      compactions++;
      used.residentBytes = 90 * MIB;
    },
  });
  clock.advance(10_000);
  assert.equal(compactions, 0, 'not started');
  isStarted = true;
  clock.advance(2_000);
  assert.equal(compactions, 1);
  used.residentBytes = 93 * MIB;
  clock.advance(120_000);
  assert.equal(compactions, 6, 'what is left is not worth more');
  used.residentBytes = 120 * MIB;
  for (let i = 0; i < 10; i++) {
    used.cpuUs += 500_000;
    clock.advance(2_000);
  }
  assert.equal(compactions, 6, 'busy');
  clock.advance(28_000);
  assert.equal(compactions, 6, 'a pause between two bursts');
  clock.advance(12_000);
  assert.equal(compactions, 12);
  used.residentBytes = 120 * MIB;
  clock.advance(30_000);
  assert.equal(compactions, 12, 'at most once a minute');
  compaction.close();
  clock.advance(60_000);
  assert.equal(compactions, 12, 'closed');
});
