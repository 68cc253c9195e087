import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPushQueue } from './push-queue.ts';

test('pushes wanted while one waits are merged, and a slow client delays nobody else', async () => {
  const pushed: string[] = [];
  const tasks: (() => void)[] = [];
  let release = () => {};
  const queue = createPushQueue<string>({
    push(client) {
      pushed.push(client);
      if (client === 'slow' && pushed.length === 1) return new Promise<void>((resolve) => (release = resolve));
    },
    schedule: (run) => void tasks.push(run),
  });
  const runAll = () => {
    for (let task = tasks.shift(); task; task = tasks.shift()) task();
  };
  queue.enqueue('slow');
  queue.enqueue('slow');
  queue.enqueue('quick');
  runAll();
  assert.deepEqual(pushed, ['slow', 'quick']);
  queue.enqueue('slow');
  queue.enqueue('slow');
  runAll();
  assert.deepEqual(pushed, ['slow', 'quick'], 'the slow client is still busy');
  release();
  await new Promise((resolve) => setImmediate(resolve));
  runAll();
  assert.deepEqual(pushed, ['slow', 'quick', 'slow']);
  assert.equal(queue.size, 0);
});
