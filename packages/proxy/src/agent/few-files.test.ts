import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { eventually } from '@lateen/base/testing';
import { openWire } from '../testing/wire.ts';

test('without a file descriptor left to accept with, the proxy neither spins nor dies, and serves again later', {
  timeout: 60_000,
}, async (t) => {
  const script = join(import.meta.dirname, 'testing/few-files.ts');
  const child: ChildProcess = spawn('/bin/sh', ['-c', 'ulimit -n 128 && exec "$0" "$1"', process.execPath, script], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const cpuMs = async () => {
    child.send('cpu');
    const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
    return (usage.user + usage.system) / 1000;
  };
  const sockets: Socket[] = Array.from({ length: 400 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  await eventually(() => sockets.filter(({ connecting, destroyed }) => !connecting && !destroyed).length >= 50);
  // What it takes to refuse the others comes first; a proxy that spins does so in every second.
  await eventually(async () => {
    const before = await cpuMs();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const spentMs = (await cpuMs()) - before;
    assert.ok(spentMs < 500, `${spentMs} ms of CPU time in one second of waiting`);
  });
  assert.equal(child.exitCode, null);
  for (const socket of sockets) socket.destroy();
  await eventually(async () => {
    const wire = await openWire(port);
    wire.send('x');
    await wire.expect('x');
    wire.close();
  });
});
