// The same bootstrap for Envoy and for Lateen, each as the process that people start.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { noEnvoy, startEnvoy } from '../support/envoy.ts';
import { checkout } from '../support/mesh.ts';

export type Engine = { readonly name: string; readonly skip: string | false; readonly start: (bootstrapPath: string) => ChildProcess };

export const ENGINES: readonly Engine[] = [
  { name: 'Envoy', skip: noEnvoy ?? false, start: startEnvoy },
  {
    name: 'Lateen',
    skip: false,
    start: (path) =>
      spawn(join(checkout, 'node_modules/.bin/node'), [join(checkout, 'packages/cli/src/main.ts'), 'proxy', '-c', path], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
  },
];

/** Lets a process say what it wants, and ends it with the test. */
export function endWithTest(t: TestContext, child: ChildProcess): void {
  child.stdout?.resume();
  child.stderr?.resume();
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
}

/** Starts the engine; ends it with the test. `folder` is a place for what it writes. */
export function startEngine(t: TestContext, engine: Engine, bootstrap: (folder: string) => object): void {
  const folder = mkdtempSync(join(tmpdir(), 'two-engines-'));
  const path = join(folder, 'bootstrap.json');
  writeFileSync(path, JSON.stringify(bootstrap(folder)));
  endWithTest(t, engine.start(path));
  t.after(() => rmSync(folder, { recursive: true }));
}

export const loopback = (port: number) => ({ address: { socket_address: { address: '127.0.0.1', port_value: port } } });

/** A listener with one HTTP connection manager. `fields` are further fields of the manager. */
export function frontListener(port: number, routes: readonly object[], fields: { router?: object } & Record<string, unknown> = {}): object {
  const { router = {}, ...rest } = fields;
  const config = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'front',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [
      { name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router', ...router } },
    ],
    ...rest,
  };
  return { name: 'front', ...loopback(port), filter_chains: [{ filters: [{ name: 'hcm', typed_config: config }] }] };
}

export const staticCluster = (name: string, port: number, fields: object = {}): object => ({
  name,
  type: 'STATIC',
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: loopback(port) }] }] },
  ...fields,
});
