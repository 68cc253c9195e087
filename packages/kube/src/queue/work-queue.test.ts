import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createVirtualClock, eventually } from '@lateen/base/testing';
import { createWorkQueue } from './work-queue.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the work queue', () => {
  test('a key waits once however often it is added, and runs again when it was added during its work', async () => {
    const seen: string[] = [];
    let release = () => {};
    const queue = createWorkQueue({
      process: (key) => {
        seen.push(key);
        return new Promise((resolve) => {
          release = () => resolve();
        });
      },
      clock: createVirtualClock(),
    });
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
    await turn();
    assert.deepEqual(seen, ['a']);
    queue.add('a');
    release();
    await turn();
    release();
    await turn();
    assert.deepEqual(seen, ['a', 'b', 'a']);
    release();
    await eventually(() => queue.pending === 0);
    await queue.close();
  });

  test('one key is never in work twice, different keys are', async () => {
    const working = new Map<string, number>();
    let most = 0;
    const queue = createWorkQueue({
      concurrency: 3,
      process: async (key) => {
        working.set(key, (working.get(key) ?? 0) + 1);
        assert.equal(working.get(key), 1);
        most = Math.max(
          most,
          [...working.values()].reduce((a, b) => a + b, 0),
        );
        await turn();
        working.set(key, 0);
      },
    });
    for (let i = 0; i < 30; i++) queue.add(`k${i % 5}`);
    await eventually(() => queue.pending === 0);
    assert.equal(most, 3);
    await queue.close();
  });

  test('a failure is tried again with growing delays, a success forgets them', async () => {
    const clock = createVirtualClock();
    let attempts = 0;
    const queue = createWorkQueue({
      process: async () => {
        attempts++;
        if (attempts < 4) throw new Error('not yet');
      },
      retryBaseMs: 100,
      onError: () => {},
      clock,
    });
    queue.add('a');
    const delays = [100, 200, 400];
    for (const [i, delayMs] of delays.entries()) {
      await turn();
      assert.equal(attempts, i + 1);
      clock.advance(delayMs);
    }
    await turn();
    assert.equal(attempts, 4);
    assert.equal(queue.pending, 0);
    await queue.close();
  });

  test('closing waits for the key in work and drops the rest', async () => {
    const done: string[] = [];
    const queue = createWorkQueue({
      process: async (key) => {
        await turn();
        done.push(key);
      },
    });
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 1);
    await queue.close();
    assert.deepEqual(done, ['a']);
  });
});
