import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
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

test('an HTTP/2 connection that was asked for before its pool drained serves who waits, and ends', () =>
  onStage(async ({ apply, proxy, port }) => {
    const server = createServer((_request, response) => response.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const http2 = { http2_protocol_options: {} };
    try {
      const { port: upPort } = server.address() as AddressInfo;
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [upPort], http2)] });
      const answer = fetch(`http://127.0.0.1:${port()}/`);
      const [up] = proxy.clusters();
      await eventually(() => assert.equal(up!.stats.upstream_rq_pending_total, 1), { intervalMs: 0 });
      up!.listHosts()[0]!.drainConnections();
      assert.equal(await (await answer).text(), 'hello');
      await eventually(() => assert.equal(up!.stats.upstream_cx_active, 0));
    } finally {
      server.close();
    }
  }));

const ENDS: readonly [name: string, answer: string, closes: boolean, counted: Record<string, number>][] = [
  [
    'the host says before that it will',
    'HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    true,
    { local: 1, close_notify: 1 },
  ],
  ['the host closes instead of answering', '', true, { remote: 1, active: 1 }],
  ['the host does not speak HTTP', 'hello\r\n\r\n', false, { local: 1, active: 1, protocol_error: 1 }],
];
for (const [name, answer, closes, counted] of ENDS) {
  test(`connections are counted by how they end: ${name}`, () =>
    onStage(async ({ apply, proxy, upstream, port }) => {
      const server = await upstream((socket) => {
        if (answer !== '') socket.write(answer);
        if (closes) socket.end();
      });
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [server.port])] });
      await (await fetch(`http://127.0.0.1:${port()}/`)).arrayBuffer();
      const { stats } = proxy.clusters()[0]!;
      await eventually(() => assert.equal(stats.upstream_cx_destroy, 1));
      const seen = {
        local: stats.upstream_cx_destroy_local,
        remote: stats.upstream_cx_destroy_remote,
        active: stats.upstream_cx_destroy_with_active_rq,
        close_notify: stats.upstream_cx_close_notify,
        protocol_error: stats.upstream_cx_protocol_error,
      };
      assert.deepEqual(Object.fromEntries(Object.entries(seen).filter(([, count]) => count > 0)), counted);
      assert.equal(stats.upstream_cx_http1_total, 1);
    }));
}
