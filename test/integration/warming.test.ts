// A host that never answers its health check: how long Lateen and Envoy wait for it before they listen, and what they say meanwhile.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { noEnvoy, startEnvoy } from '../support/envoy.ts';
import { checkout } from '../support/mesh.ts';

const CHECK_MS = 1500;

const engines = [
  { name: 'Envoy', skip: noEnvoy ?? false, start: startEnvoy },
  {
    name: 'Lateen',
    skip: false,
    start: (bootstrap: string) =>
      spawn(join(checkout, 'node_modules/.bin/node'), [join(checkout, 'packages/cli/src/main.ts'), 'proxy', '-c', bootstrap], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
  },
];

for (const { name, skip, start } of engines) {
  test(`${name} listens once the first health check of a static cluster ended`, { skip }, async (t) => {
    const [admin, front, silent] = [await freePort(), await freePort(), await listenSilently(t)];
    const child = start(bootstrapFile(t, { admin, front, silent }));
    child.stdout?.resume();
    child.stderr?.resume();
    t.after(async () => {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    });
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

function bootstrapFile(t: TestContext, ports: { admin: number; front: number; silent: number }): string {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-warming-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const address = (port: number) => ({ address: { socket_address: { address: '127.0.0.1', port_value: port } } });
  const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'front',
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'fine' } } }],
        },
      ],
    },
    http_filters: [{ name: 'router', typed_config: router }],
  };
  const back = {
    name: 'back',
    type: 'STATIC',
    health_checks: [
      { timeout: `${CHECK_MS / 1000}s`, interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: '/' } },
    ],
    load_assignment: { cluster_name: 'back', endpoints: [{ lb_endpoints: [{ endpoint: address(ports.silent) }] }] },
  };
  const bootstrap = {
    admin: address(ports.admin),
    static_resources: {
      listeners: [{ name: 'front', ...address(ports.front), filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }] }],
      clusters: [back],
    },
  };
  const path = join(folder, 'bootstrap.json');
  writeFileSync(path, JSON.stringify(bootstrap));
  return path;
}
