import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { createResolver } from './resolve-names.ts';

/** Answers every question for A records with 10.0.0.`last`, for 30 seconds; nothing else exists. */
async function nameServer(t: TestContext, last: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (question, { port, address }) => {
    const end = question.indexOf(0, 12) + 5;
    const isA = question.readUInt16BE(end - 4) === 1;
    const head = Buffer.from(question.subarray(0, end));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(isA ? 1 : 0, 6);
    head.writeUInt16BE(0, 10);
    const record = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, last]);
    socket.send(isA ? Buffer.concat([head, record]) : head, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => void socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

test('names are asked of the servers of the cluster, else of those of the process', async (t) => {
  const [own, usual] = [await nameServer(t, 1), await nameServer(t, 2)];
  const resolve = createResolver([usual]);
  assert.deepEqual(await resolve('db.test', 'v4', { servers: [own] }), { addresses: ['10.0.0.1'], ttlMs: 30_000 });
  assert.deepEqual(await resolve('db.test', 'any'), { addresses: ['10.0.0.2'], ttlMs: 30_000 });
  await assert.rejects(resolve('db.test', 'v6'), { code: 'ENODATA' });
});

test('the system resolves what needs no server', async () => {
  assert.deepEqual(await createResolver()('localhost', 'v4'), { addresses: ['127.0.0.1'], ttlMs: 0 });
});
