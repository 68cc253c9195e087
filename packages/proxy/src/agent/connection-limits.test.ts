import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import { silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { parseBootstrap } from '../ads/bootstrap.ts';
import { openWire } from '../testing/wire.ts';
import { runProxy } from './run-proxy.ts';

const listener = (name: string, extra = '') => `
  - name: ${name}
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    ${extra}
    filter_chains: [{filters: [{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}]`;

async function start(t: test.TestContext, operations: string, listeners: string) {
  const text = `admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n${operations}\nstatic_resources:\n  listeners:${listeners}\n`;
  const running = await runProxy({ bootstrap: parseBootstrap(text, 'test'), logger: silentLogger, appendLog() {} });
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
  const key = 'envoy.resource_limits.listener.front.connection_limit: 2000';
  const { stat, port, running } = await start(
    t,
    `layered_runtime: {layers: [{name: limits, static_layer: {${key}}}]}`,
    listener('front') + listener('probe'),
  );
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
  const monitor = `{name: global, typed_config: {"@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: 2}}`;
  const { port, running } = await start(
    t,
    `overload_manager: {resource_monitors: [${monitor}]}`,
    listener('a') + listener('b') + listener('health', 'ignore_global_conn_limit: true'),
  );
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
