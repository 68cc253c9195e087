import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackoff } from './backoff.ts';
import { delay } from './clock.ts';
import { createLifecycle } from './lifecycle.ts';
import { createLogger } from './logger.ts';
import { createVirtualClock } from './testing/index.ts';

test('everything is closed once, in reverse order, even when something fails', async () => {
  const lifecycle = createLifecycle();
  const closed: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    lifecycle.defer(() => {
      closed.push(name);
      if (name === 'b') throw new Error('b would not close');
    });
  }
  await assert.rejects(
    async () => lifecycle.close(),
    (error: AggregateError) => error.errors.length === 1,
  );
  await assert.rejects(async () => lifecycle.close());
  assert.deepEqual(closed, ['c', 'b', 'a']);
  assert.equal(lifecycle.signal.aborted, true);
  lifecycle.add({ close: () => void closed.push('late') });
  assert.equal(closed.at(-1), 'late');
});

test('back-off grows to its maximum, jitters below, and starts over', () => {
  const backoff = createBackoff({ baseMs: 100, maxMs: 1000, random: () => 0 });
  assert.deepEqual(
    Array.from({ length: 5 }, () => backoff.next()),
    [100, 200, 400, 800, 1000],
  );
  backoff.reset();
  assert.equal(backoff.next(), 100);
  assert.equal(createBackoff({ baseMs: 100, maxMs: 1000, random: () => 1 }).next(), 50);
});

test('a delay ends with its time or its signal, whichever comes first', async () => {
  const clock = createVirtualClock();
  const abort = new AbortController();
  const first = delay(clock, 100);
  const second = delay(clock, 100, abort.signal);
  abort.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  clock.advance(100);
  await first;
  assert.equal(clock.pendingTimers, 0);
});

test('a log line cannot be forged by what it carries', () => {
  const lines: string[] = [];
  const clock = createVirtualClock(0);
  const logger = createLogger({ scope: 'a', write: (line) => void lines.push(line), clock });
  logger.child('b').info('one\ntwo', { value: 'x\r\ny', error: new Error('z') });
  logger.debug('not shown');
  logger.setLevel('error');
  logger.child('c').warn('not shown either');
  assert.deepEqual(lines, ['1970-01-01T00:00:00.000Z\tinfo\ta/b\tone\\ntwo\tvalue=x\\r\\ny\terror=z\n']);
});
