// Listeners, routes, clusters and endpoints in files: the same files, moved, written and spoiled, under Envoy and under Lateen.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, freePort } from '@lateen/base/testing';
import { noEnvoy, startEnvoy } from '../support/envoy.ts';
import { httpRequest, startLoad } from '../support/http.ts';
import { checkout } from '../support/mesh.ts';
import { endWithTest } from './two-engines.ts';

const startLateen =
  (...args: readonly string[]) =>
  (bootstrap: string) =>
    spawn(join(checkout, 'node_modules/.bin/node'), [join(checkout, 'packages/cli/src/main.ts'), 'proxy', '-c', bootstrap, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });

const engines: { name: string; skip: string | false; start(bootstrap: string): ChildProcess }[] = [
  { name: 'Envoy', skip: noEnvoy ?? false, start: startEnvoy },
  { name: 'Lateen', skip: false, start: startLateen() },
  { name: 'Lateen with two threads', skip: false, start: startLateen('--concurrency', '2') },
];

for (const { name, skip, start } of engines) {
  test(`files moved into place take effect without a failed request: ${name}`, { skip }, async (t) => {
    const { files, front, read, stats } = await setup(t, start);
    await eventually(async () => assert.equal(await read('/'), 'one'), { timeoutMs: 15_000 });
    assert.deepEqual(await stats(), {
      'cluster.back': '1 attempt, 1 success, 0 rejected, 0 failure',
      'cluster_manager.cds': '1 attempt, 1 success, 0 rejected, 0 failure',
      'http.front.rds.table': '1 attempt, 1 success, 0 rejected, 0 failure',
      'listener_manager.lds': '1 attempt, 1 success, 0 rejected, 0 failure',
    });

    const load = startLoad(`http://127.0.0.1:${front}/back`, { perSecond: 100 });
    for (let version = 1; version <= 10; version++) {
      files.moveRoutes(`version ${version}`);
      await eventually(async () => assert.equal(await read('/'), `version ${version}`));
      if (version === 5) files.moveAll();
      // Requests of the load begin and end between two versions.
      await sleep(50);
    }
    const { sent, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(sent > 20);

    files.write('rds.yaml', routes('in place'));
    files.move('eds.yaml', '{');
    await eventually(async () => assert.match((await stats())['cluster.back'] ?? '', /1 failure/));
    assert.equal(await read('/'), 'version 10');
    files.move('rds.yaml', response('envoy.config.route.v3.RouteConfiguration', { name: 'other' }));
    await eventually(async () => assert.match((await stats())['http.front.rds.table'] ?? '', /1 rejected/));
    assert.equal(await read('/'), 'version 10');
    assert.equal(await read('/back'), 'upstream');
    assert.deepEqual(await stats(), {
      'cluster.back': '3 attempt, 2 success, 0 rejected, 1 failure',
      'cluster_manager.cds': '2 attempt, 2 success, 0 rejected, 0 failure',
      'http.front.rds.table': '12 attempt, 11 success, 1 rejected, 0 failure',
      'listener_manager.lds': '2 attempt, 2 success, 0 rejected, 0 failure',
    });
  });

  test(`does not start when a file is missing: ${name}`, { skip }, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'bootstrap.json');
    const missing = { path_config_source: { path: join(folder, 'lds.yaml') } };
    writeFileSync(path, JSON.stringify({ node: NODE, dynamic_resources: { lds_config: missing } }));
    const child = start(path);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        said += chunk;
      });
    }
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 1);
    assert.match(said, /paths must refer to an existing path in the system: '.*lds\.yaml' does not exist/);
  });
}

/** Envoy demands both of dynamic configuration. */
const NODE = { id: 'test', cluster: 'test' };

const response = (type: string, resource: object): string =>
  JSON.stringify({ version_info: 'any', resources: [{ '@type': `type.googleapis.com/${type}`, ...resource }] });

const routes = (body: string): string =>
  response('envoy.config.route.v3.RouteConfiguration', {
    name: 'table',
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          { match: { prefix: '/back' }, route: { cluster: 'back' } },
          { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } },
        ],
      },
    ],
  });

const address = (port: number) => ({ address: { socket_address: { address: '127.0.0.1', port_value: port } } });

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-files-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function writeFiles(folder: string, { front, upstream }: { front: number; upstream: number }) {
  const source = (name: string) => ({ path_config_source: { path: join(folder, name) } });
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'front',
    rds: { route_config_name: 'table', config_source: source('rds.yaml') },
    http_filters: [{ name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
  };
  const listener = { name: 'front', ...address(front), filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }] };
  const cluster = { name: 'back', type: 'EDS', connect_timeout: '5s', eds_cluster_config: { eds_config: source('eds.yaml') } };
  const endpoints = { cluster_name: 'back', endpoints: [{ lb_endpoints: [{ endpoint: address(upstream) }] }] };
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const move = (name: string, text: string) => {
    write(`${name}.new`, text);
    renameSync(join(folder, `${name}.new`), join(folder, name));
  };
  /** Everything but the routes. */
  const moveAll = () => {
    move('eds.yaml', response('envoy.config.endpoint.v3.ClusterLoadAssignment', endpoints));
    move('cds.yaml', response('envoy.config.cluster.v3.Cluster', cluster));
    move('lds.yaml', response('envoy.config.listener.v3.Listener', listener));
  };
  const moveRoutes = (body: string) => move('rds.yaml', routes(body));
  moveAll();
  moveRoutes('one');
  return { write, move, moveAll, moveRoutes };
}

async function setup(t: TestContext, start: (bootstrap: string) => ChildProcess) {
  const upstream = createServer((_request, reply) => reply.end('upstream'));
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const [front, admin] = [await freePort(), await freePort()];
  const folder = temporaryFolder(t);
  const files = writeFiles(folder, { front, upstream: (upstream.address() as AddressInfo).port });
  const bootstrap = {
    node: NODE,
    admin: address(admin),
    dynamic_resources: {
      cds_config: { path_config_source: { path: join(folder, 'cds.yaml') } },
      lds_config: { path_config_source: { path: join(folder, 'lds.yaml') } },
    },
  };
  writeFileSync(join(folder, 'bootstrap.json'), JSON.stringify(bootstrap));
  endWithTest(t, start(join(folder, 'bootstrap.json')));
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  const read = async (path: string) => (await httpRequest(`http://127.0.0.1:${front}${path}`)).body;
  /** What became of the updates, by subscription. */
  const stats = async () => {
    const { body } = await httpRequest(`http://127.0.0.1:${admin}/stats?filter=(lds|cds|rds.table|cluster.back).update_`);
    const values = new Map(body.split('\n').map((line) => line.split(': ') as [string, string]));
    const names = ['cluster.back', 'cluster_manager.cds', 'http.front.rds.table', 'listener_manager.lds'];
    const outcomes = ['attempt', 'success', 'rejected', 'failure'];
    return Object.fromEntries(
      names.map((one) => [one, outcomes.map((each) => `${values.get(`${one}.update_${each}`)} ${each}`).join(', ')]),
    );
  };
  return { files, front, read, stats };
}
