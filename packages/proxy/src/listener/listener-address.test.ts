// Where listeners are bound: both families, one path, no address twice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { freePort } from '@lateen/base/testing';
import { silentObserver } from '../http/observer.ts';
import { echoListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { listenerStatName } from './listener-stats.ts';

const at = (address: string, port_value: number, fields: JsonObject = {}): JsonObject => ({
  address: { socket_address: { address, port_value, ...fields } },
});

async function canConnect(target: { host: string; port: number } | { path: string }): Promise<boolean> {
  const socket = connect(target);
  const isConnected = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'close').then(() => false)]).catch(
    () => false,
  );
  socket.destroy();
  return isConnected;
}

test('"::" takes IPv4 connections only where it is told to, so that both families can be listened to apart', async () => {
  for (const ipv4_compat of [false, true]) {
    const port = await freePort();
    await onStage(async ({ apply }) => {
      await apply({ listeners: [echoListener('in', at('::', port, { ipv4_compat }))] });
      const reached = [await canConnect({ host: '::1', port }), await canConnect({ host: '127.0.0.1', port })];
      assert.deepEqual(reached, [true, ipv4_compat]);
    });
  }
  const port = await freePort();
  await onStage(async ({ apply }) => {
    await apply({
      listeners: [echoListener('in', { ...at('0.0.0.0', port), additional_addresses: [at('::', port)], enable_reuse_port: false })],
    });
    assert.deepEqual([await canConnect({ host: '::1', port }), await canConnect({ host: '127.0.0.1', port })], [true, true]);
  });
});

test('a Unix domain socket has its permissions, replaces what was left behind, and stands for both ends of connections', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'listener-address-'));
  const path = join(folder, 'in.sock');
  writeFileSync(path, 'left behind');
  const ends: string[] = [];
  const observer = {
    ...silentObserver,
    listener:
      () =>
      ({ connection }: { connection: { localAddress: string; remoteAddress: string } }) =>
        void ends.push(connection.localAddress, connection.remoteAddress),
  };
  await onStage(
    async ({ apply, proxy }) => {
      await apply({ listeners: [echoListener('in', { address: { pipe: { path, mode: 0o600 } } })] });
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const socket = connect({ path });
      socket.end('hello');
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      assert.equal(bytes.toString(), 'hello');
      await once(socket, 'close');
      assert.deepEqual(ends, [path, path]);
      assert.equal(listenerStatName(proxy.listeners()[0]!.runtime), path);
    },
    { observer },
  );
  rmSync(folder, { recursive: true });
});

test('of two listeners with one address the later is refused, also where the kernel would share the port', async () => {
  const port = await freePort();
  await onStage(async ({ apply, proxy }) => {
    const twice = [echoListener('first', at('127.0.0.1', port)), echoListener('second', at('127.0.0.1', port))];
    await assert.rejects(apply({ listeners: twice }), /listener second has a duplicate address: 127\.0\.0\.1:\d+ is listener first's/);
    assert.deepEqual(
      proxy.listeners().map(({ name }) => name),
      ['first'],
    );
    await apply({ listeners: [twice[1] as JsonObject] });
    assert.ok(await canConnect({ host: '127.0.0.1', port }));
  });
});
