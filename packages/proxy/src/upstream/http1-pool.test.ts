import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok } from '../testing/wire.ts';

test('a connection that nobody waits for any more ends when its pool drained meanwhile', () =>
  onStage(async ({ apply, proxy, upstream }) => {
    const server = await upstream(answering(() => ok('hello')));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [server.port])] });
    const [up] = proxy.clusters();
    const [host] = up!.listHosts();
    const pool = up!.poolOf(host!, { protocol: 'HTTP/1.1' });
    const wait = pool.acquire(
      { onPoolReady: () => assert.fail('cancelled'), onPoolFailure: () => assert.fail('cancelled') },
      up!.breakers.default,
    );
    wait?.cancel();
    pool.drain();
    await eventually(() => assert.equal(server.sockets.length, 1));
    await eventually(() => assert.equal(up!.stats.upstream_cx_active, 0));
  }));
