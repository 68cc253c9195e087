// A host that never answers its health check: how long Lateen and Envoy wait for it before they listen, and what they say meanwhile.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { ENGINES, frontListener, loopback, startEngine, staticCluster } from './two-engines.ts';

const CHECK = { timeout: '1.5s', interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: '/' } };

for (const engine of ENGINES) {
  test(`${engine.name} listens once the first health check of a static cluster ended`, { skip: engine.skip }, async (t) => {
    const [admin, front, silent] = [await freePort(), await freePort(), await listenSilently(t)];
    const fine = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'fine' } } };
    startEngine(t, engine, () => ({
      admin: loopback(admin),
      static_resources: {
        listeners: [frontListener(front, [fine])],
        clusters: [staticCluster('back', silent, { health_checks: [CHECK] })],
      },
    }));
    const read = async (port: number, path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(200) });
      return `${response.status} ${(await response.text()).trim()}`;
    };
    await eventually(() => read(admin, '/ready').then(Boolean), { timeoutMs: 15_000, intervalMs: 5 });
    assert.equal(await read(admin, '/ready'), '503 PRE_INITIALIZING');
    assert.match(await read(admin, '/clusters'), /back::127\.0\.0\.1:\d+::health_flags::\/failed_active_hc/);
    await assert.rejects(read(front, '/'));
    await eventually(async () => (await read(admin, '/ready')) === '200 LIVE', { timeoutMs: 10_000, intervalMs: 20 });
    await eventually(async () => (await read(front, '/')) === '200 fine');
    assert.match(await read(admin, '/stats?filter=health_check'), /cluster\.back\.health_check\.network_failure: 1\n/);
  });
}

async function listenSilently(t: TestContext): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
