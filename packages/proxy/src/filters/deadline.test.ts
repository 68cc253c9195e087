import assert from 'node:assert/strict';
import test from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import { createTimeouts } from '../io/timer-wheel.ts';
import { Deadline, type DeadlineServices } from './deadline.ts';

function servicesNow() {
  const clock = createVirtualClock();
  const services: DeadlineServices = { clock, timeouts: createTimeouts(clock) };
  const told: string[] = [];
  const owner = (name: string) => ({ onDeadline: () => told.push(`${name} ${clock.monotonicMs()}`) });
  return { clock, services, told, owner };
}

test('a deadline that was handed on keeps the time of its last owner only', () => {
  const { clock, services, told, owner } = servicesNow();
  const start = clock.monotonicMs();
  const at = (name: string, ms: number) => `${name} ${start + ms}`;
  Deadline.take(services, owner('long'), 1000).release();
  clock.advance(100);
  const short = Deadline.take(services, owner('short'), 200);
  clock.advance(250);
  assert.deepEqual(told.splice(0), [at('short', 300)]);
  short.release();
  clock.advance(2000);
  assert.deepEqual(told, [], 'nobody has it');
  Deadline.take(services, owner('first'), 100).release();
  const later = Deadline.take(services, owner('later'), 500);
  clock.advance(490);
  assert.deepEqual(told, []);
  clock.advance(20);
  assert.deepEqual(told.splice(0), [at('later', 2850)]);
  later.release();
  assert.equal(clock.pendingTimers, 0, 'nothing ticks once they have fired');
});

test('a deadline of other services is not handed on', () => {
  const one = servicesNow();
  const other = servicesNow();
  Deadline.take(one.services, one.owner('one'), 100).release();
  const deadline = Deadline.take(other.services, other.owner('other'), 100);
  other.clock.advance(150);
  assert.equal(other.told.length, 1);
  deadline.release();
  assert.equal(one.clock.pendingTimers, 1, 'its wheel stops at the next tick');
  one.clock.advance(10);
  assert.equal(one.clock.pendingTimers, 0);
});
