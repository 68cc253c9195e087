import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { bootstrapOf, connectionLimit } from '../testing/bootstrap.ts';
import { echoListener } from '../testing/runtime.ts';
import { openWire } from '../testing/wire.ts';
import { runProxy } from './run-proxy.ts';

async function start(t: test.TestContext, sections: JsonObject, listeners: JsonObject[]) {
  const running = await runProxy({ bootstrap: bootstrapOf({ listeners }, sections), logger: silentLogger, appendLog() {} });
  t.after(() => running.close());
  const stat = async (filter: string) => {
    const body = await (await fetch(`http://127.0.0.1:${running.adminAddress?.port}/stats?filter=${filter}`)).text();
    return Number(/: (\d+)\n/.exec(body)?.[1] ?? Number.NaN);
  };
  return { running, stat, port: (name: string) => running.proxy.addressOf(name)?.port ?? 0 };
}

const isEchoed = async (port: number): Promise<boolean> => {
  const wire = await openWire(port).catch(() => undefined);
  if (!wire) return false;
  wire.send('x');
  await eventually(() => wire.text() === 'x' || wire.isClosed(), { intervalMs: 2 });
  wire.close();
  return wire.text() === 'x';
};

// Plan C2.
test('10,000 idle connections against a limit of 2,000: the excess is refused, the rest of the proxy answers', {
  timeout: 60_000,
}, async (t) => {
  const limits = { 'envoy.resource_limits.listener.front.connection_limit': 2000 };
  const { stat, port, running } = await start(t, { layered_runtime: { layers: [{ name: 'limits', static_layer: limits }] } }, [
    echoListener('front'),
    echoListener('probe'),
  ]);
  const open = new Set<Socket>();
  t.after(() => {
    for (const socket of open) socket.destroy();
  });
  const dial = () =>
    new Promise<void>((resolve) => {
      const socket = connect(port('front'), '127.0.0.1', () => resolve());
      open.add(socket);
      socket.on('error', () => resolve());
      socket.on('close', () => open.delete(socket));
    });
  for (let batch = 0; batch < 40; batch++) await Promise.all(Array.from({ length: 250 }, dial));
  await eventually(() => assert.equal(open.size, 2000));
  assert.equal(await stat('listener.*downstream_cx_overflow'), 8000);
  assert.ok(await isEchoed(port('probe')));
  assert.equal((await fetch(`http://127.0.0.1:${running.adminAddress?.port}/ready`)).status, 200);
  for (const socket of [...open].slice(0, 10)) socket.destroy();
  await eventually(async () => assert.ok(await isEchoed(port('front'))));
});

test('all listeners together are limited, except those that are exempt', async (t) => {
  const { port, running } = await start(t, connectionLimit(2), [
    echoListener('a'),
    echoListener('b'),
    echoListener('health', { ignore_global_conn_limit: true }),
  ]);
  const held = [await openWire(port('a')), await openWire(port('b'))];
  for (const wire of held) wire.send('x');
  for (const wire of held) await wire.expect('x');
  assert.equal(await isEchoed(port('a')), false);
  assert.equal(await isEchoed(port('health')), true);
  assert.equal(running.proxy.listenerSet.get('a')?.stats.downstream_global_cx_overflow, 1);
  held[0]?.close();
  await eventually(async () => assert.ok(await isEchoed(port('b'))));
  held[1]?.close();
});
