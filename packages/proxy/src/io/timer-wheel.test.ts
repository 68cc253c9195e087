import assert from 'node:assert/strict';
import test from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import { createTimeouts, Timeout } from './timer-wheel.ts';

test('a timeout runs once, not before its time and at most one tick after it', () => {
  for (const delayMs of [0, 1, 9, 10, 11, 999, 6000, 29_999, 30_000, 3_600_000]) {
    const clock = createVirtualClock(123_456);
    const timeouts = createTimeouts(clock);
    let ranAt = -1;
    let runs = 0;
    timeouts.arm(
      new Timeout(() => {
        runs++;
        ranAt = clock.monotonicMs() - 123_456;
      }),
      delayMs,
    );
    clock.advance(delayMs + 300);
    assert.equal(runs, 1, `${delayMs}`);
    assert.ok(ranAt >= delayMs && ranAt <= delayMs + 250, `${delayMs} ran at ${ranAt}`);
    assert.equal(clock.pendingTimers, 0, 'nothing ticks when nothing is armed');
  }
});

test('cancelled and re-armed timeouts keep their word', () => {
  const clock = createVirtualClock();
  const timeouts = createTimeouts(clock);
  const ran: string[] = [];
  const a = new Timeout(() => ran.push('a'));
  const b = new Timeout(() => {
    ran.push('b');
    c.cancel();
  });
  const c = new Timeout(() => ran.push('c'));
  timeouts.arm(a, 50);
  timeouts.arm(b, 50);
  timeouts.arm(c, 60);
  clock.advance(30);
  timeouts.arm(a, 50);
  clock.advance(40);
  assert.deepEqual(ran, ['b']);
  assert.equal(c.armed, false);
  clock.advance(40);
  assert.deepEqual(ran, ['b', 'a']);
});

test('thousands of timeouts in one slot and across turns of the wheel all run, in a stalled process, too', () => {
  let now = 0;
  let tick = () => {};
  const clock = {
    ...createVirtualClock(),
    monotonicMs: () => now,
    every(_ms: number, run: () => void) {
      tick = run;
      return { cancel() {} };
    },
  };
  const timeouts = createTimeouts(clock);
  let runs = 0;
  for (let i = 0; i < 5000; i++) timeouts.arm(new Timeout(() => runs++), i * 5);
  now = 25_000;
  tick();
  assert.equal(runs, 5000);
});
