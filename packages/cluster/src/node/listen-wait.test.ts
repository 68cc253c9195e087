import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '@lateen/base/testing';
import type { ContainerPort } from '@lateen/kube/types';
import { waitUntilListening } from './listen-wait.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const refuse = async (): Promise<Socket> => {
  throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
};

async function advance(clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    clock.advance(10);
    await turn();
  }
}

function wait(ports: ContainerPort[] | undefined, dial: (port: number) => Promise<Socket>) {
  const clock = createVirtualClock();
  const seen = { ready: 0 };
  const loop = waitUntilListening({ name: 'app', ...(ports && { ports }) }, { clock, dial, onReady: () => void seen.ready++ });
  return { clock, seen, loop };
}

for (const ports of [undefined, [], [{ containerPort: 53, protocol: 'UDP' as const }]]) {
  test(`a container with the ports ${JSON.stringify(ports)} is ready at once`, async () => {
    const { seen } = wait(ports, refuse);
    await turn();
    assert.equal(seen.ready, 1);
  });
}

test('a container is ready soon after it listens on its first TCP port, and is asked no more', async () => {
  let listens = false;
  const asked: number[] = [];
  const { clock, seen } = wait([{ containerPort: 53, protocol: 'UDP' }, { containerPort: 8080 }, { containerPort: 9090 }], async (port) => {
    asked.push(port);
    return listens ? new Socket() : refuse();
  });
  await advance(clock, 400);
  assert.equal(seen.ready, 0);
  listens = true;
  await advance(clock, 200);
  assert.equal(seen.ready, 1);
  const { length } = asked;
  assert.ok(length >= 4, String(length));
  assert.deepEqual(new Set(asked), new Set([8080]));
  await advance(clock, 5000);
  assert.deepEqual([asked.length, seen.ready], [length, 1]);
});

test('a container that never listens is ready after three seconds', async () => {
  const { clock, seen } = wait([{ containerPort: 8080 }], refuse);
  await advance(clock, 2500);
  assert.equal(seen.ready, 0);
  await advance(clock, 1000);
  assert.equal(seen.ready, 1);
});

test('nothing is said after close', async () => {
  const { clock, seen, loop } = wait([{ containerPort: 8080 }], refuse);
  await advance(clock, 100);
  loop.close();
  await advance(clock, 5000);
  assert.equal(seen.ready, 0);
});
