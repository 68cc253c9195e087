import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, fromJson, type JsonObject, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { type LogFields, type Logger, silentLogger } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { DiscoveryResponseSchema } from '@lateen/xds/messages/proxy';
import { stringify } from 'yaml';
import { runProxy } from '../agent/run-proxy.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { any, assignment, httpListener, routeTo } from '../testing/runtime.ts';
import { messageRegistry } from './registry.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';
const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ENDPOINTS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const ROUTE = 'envoy.config.route.v3.RouteConfiguration';

const response = (version: string, type: string, resources: readonly JsonObject[]): JsonObject => ({
  version_info: version,
  resources: resources.map((one) => any(type, one)),
});
const says = (body: string): JsonObject => ({ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } });
const table = (body: string, name = 'table'): JsonObject => ({
  name,
  virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ ...routeTo('back'), match: { prefix: '/back' } }, says(body)] }],
});

type Files = { dir: string; put(name: string, content: JsonValue | string): void };

/** A directory whose files are moved into place. */
function directory(t: TestContext): Files {
  const dir = mkdtempSync(join(tmpdir(), 'lateen-files-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const put: Files['put'] = (name, content) => {
    writeFileSync(join(dir, `${name}.new`), typeof content === 'string' ? content : stringify(content));
    renameSync(join(dir, `${name}.new`), join(dir, name));
  };
  return { dir, put };
}

const listenerWith = (name: string, path: string, fields: JsonObject = {}): JsonObject =>
  httpListener(name, 'table', { rds: { route_config_name: 'table', config_source: { path_config_source: { path, ...fields } } } });

/** Files for a listener whose routes are in a file and a cluster whose endpoints are. */
function writeAll({ dir, put }: Files): void {
  put('eds.yaml', response('1', ENDPOINTS, [{ ...assignment('back-service', [1]) }]));
  const eds = { service_name: 'back-service', eds_config: { path: join(dir, 'eds.yaml'), resource_api_version: 'V3' } };
  put('cds.yaml', response('1', CLUSTER, [{ name: 'back', type: 'EDS', connect_timeout: '1s', eds_cluster_config: eds }]));
  put('rds.yaml', response('1', ROUTE, [table('one')]));
  put('lds.yaml', response('1', LISTENER, [listenerWith('front', join(dir, 'rds.yaml'))]));
}

async function start(t: TestContext, dynamic: JsonObject, resources: Parameters<typeof bootstrapOf>[0] = {}) {
  const warnings: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (_message, fields) => void warnings.push(fields ?? {}), child: () => logger };
  const bootstrap = bootstrapOf(resources, { dynamic_resources: dynamic });
  const running = await runProxy({ bootstrap, logger, appendLog: () => {} });
  t.after(() => running.close());
  const admin = async (path: string) => (await fetch(`http://127.0.0.1:${running.adminAddress?.port}${path}`)).text();
  const ask = async (name = 'front', path = '/') =>
    (await fetch(`http://127.0.0.1:${running.proxy.addressOf(name)?.port}${path}`, { headers: { connection: 'close' } })).text();
  const stat = async (name: string) => Number((await admin(`/stats?filter=^${name}$`)).split(': ')[1]);
  await eventually(() => assert.equal(running.state(), 'LIVE'));
  return { running, admin, ask, stat, warnings };
}

const fromFiles = (dir: string): JsonObject => ({
  cds_config: { path_config_source: { path: join(dir, 'cds.yaml') } },
  lds_config: { path: join(dir, 'lds.yaml') },
});

test('listeners, routes, clusters and endpoints come from files; each is read again when it is moved into place', async (t) => {
  const files = directory(t);
  writeAll(files);
  const { running, ask, stat, admin } = await start(t, fromFiles(files.dir));
  assert.equal(await ask(), 'one');
  const hosts = () =>
    running.proxy.clusters().flatMap((cluster) => cluster.listHosts().map(({ address }) => Number(address.split(':').at(-1))));
  assert.deepEqual(hosts(), [1]);
  for (const name of ['listener_manager.lds', 'cluster_manager.cds', 'cluster.back', 'http.front.rds.table']) {
    assert.equal(await stat(`${name}.update_success`), 1, name);
  }

  files.put('rds.yaml', response('2', ROUTE, [table('two')]));
  await eventually(async () => assert.equal(await ask(), 'two'));
  assert.equal(await stat('http.front.rds.table.config_reload'), 2);
  files.put('eds.yaml', response('2', ENDPOINTS, [assignment('back-service', [1, 2])]));
  await eventually(() => assert.deepEqual(hosts(), [1, 2]));
  assert.match(await admin('/clusters'), /eds_service_name::back-service/);

  const moved = listenerWith('second', join(files.dir, 'rds.yaml'));
  files.put('lds.yaml', response('2', LISTENER, [moved]));
  await eventually(async () => assert.equal(await ask('second'), 'two'));
  await eventually(() => assert.equal(running.proxy.addressOf('front'), undefined));
  files.put('cds.yaml', JSON.stringify(response('2', CLUSTER, [])));
  await eventually(() => assert.deepEqual(running.proxy.clusters().length, 0));
});

test('what is written in place is not read', async (t) => {
  const files = directory(t);
  writeAll(files);
  const { ask, stat } = await start(t, fromFiles(files.dir));
  writeFileSync(join(files.dir, 'rds.yaml'), stringify(response('2', ROUTE, [table('in place')])));
  // The next move shows that the events of the write have come.
  files.put('eds.yaml', response('2', ENDPOINTS, [assignment('back-service', [2])]));
  await eventually(async () => assert.equal(await stat('cluster.back.update_success'), 2));
  assert.equal(await ask(), 'one');
});

test('with watched_directory, a volume that changes is read again', async (t) => {
  const files = directory(t);
  const lay = (version: string) => {
    mkdirSync(join(files.dir, `..${version}`));
    writeFileSync(join(files.dir, `..${version}`, 'rds.yaml'), stringify(response(version, ROUTE, [table(version)])));
    symlinkSync(`..${version}`, join(files.dir, '..data_tmp'));
    renameSync(join(files.dir, '..data_tmp'), join(files.dir, '..data'));
  };
  lay('one');
  symlinkSync('..data/rds.yaml', join(files.dir, 'rds.yaml'));
  const listener = listenerWith('front', join(files.dir, 'rds.yaml'), { watched_directory: { path: files.dir } });
  files.put('lds.yaml', response('1', LISTENER, [listener]));
  const { ask, stat } = await start(t, { lds_config: { path: join(files.dir, 'lds.yaml') } });
  assert.equal(await ask(), 'one');
  lay('two');
  await eventually(async () => assert.equal(await ask(), 'two'));
  assert.equal(await stat('http.front.rds.table.update_attempt'), 2);
});

const route = (...tables: JsonObject[]) => response('bad', ROUTE, tables);
const bad: { name: string; file: JsonValue | string; counter: string; reason: RegExp }[] = [
  { name: 'no YAML', file: 'a: [', counter: 'update_failure', reason: /sequence/ },
  { name: 'nothing at all', file: '', counter: 'update_failure', reason: /empty/ },
  { name: 'an unknown field', file: { resources: [any(ROUTE, { nonsense: 1 })] }, counter: 'update_failure', reason: /nonsense/ },
  { name: 'an unknown type', file: { resources: [any('x.Y')] }, counter: 'update_failure', reason: /x\.Y/ },
  {
    name: 'another type',
    file: response('bad', ENDPOINTS, [assignment('table', [1])]),
    counter: 'update_rejected',
    reason: /Assignment where .*Route/,
  },
  { name: 'another name', file: route(table('x', 'other')), counter: 'update_rejected', reason: /"other" where "table" is expected/ },
  { name: 'a second resource', file: route(table('x'), table('x', 'b')), counter: 'update_rejected', reason: /2 resources/ },
  {
    name: 'what cannot be served',
    file: route({ name: 'table', virtual_hosts: [{ name: 'a', domains: ['*'], routes: [{ match: {} }] }] }),
    counter: 'update_rejected',
    reason: /virtual_hosts\[0\].routes\[0\]/,
  },
  { name: 'no resource', file: response('bad', ROUTE, []), counter: 'update_empty', reason: /^table$/ },
];
for (const { name, file, counter, reason } of bad) {
  test(`a file with ${name} changes nothing, is counted as ${counter} and told; at the start nobody waits for it`, async (t) => {
    const files = directory(t);
    writeAll(files);
    const { ask, stat, warnings } = await start(t, fromFiles(files.dir));
    files.put('rds.yaml', file);
    await eventually(async () => assert.equal(await stat(`http.front.rds.table.${counter}`), 1));
    assert.equal(await ask(), 'one');
    const [{ path, reasons, reason: only, resource } = {}] = warnings;
    assert.equal(path, join(files.dir, 'rds.yaml'));
    assert.match(String(reasons ?? only ?? resource), reason);

    const again = await start(t, fromFiles(files.dir));
    assert.equal(again.running.proxy.addressOf('front') !== undefined, true);
    assert.equal(await again.ask(), '');
    files.put('rds.yaml', route(table('better')));
    await eventually(async () => assert.equal(await again.ask(), 'better'));
  });
}

test('one bad listener refuses the file whole; /config_dump says why, until a file is good', async (t) => {
  const files = directory(t);
  writeAll(files);
  const { ask, stat, admin, running } = await start(t, fromFiles(files.dir));
  const good = listenerWith('good', join(files.dir, 'rds.yaml'));
  const nowhere = listenerWith('bad', join(files.dir, 'nowhere.yaml'));
  files.put('lds.yaml', response('2', LISTENER, [good, nowhere]));
  await eventually(async () => assert.equal(await stat('listener_manager.lds.update_rejected'), 1));
  assert.equal(running.proxy.addressOf('good'), undefined);
  assert.equal(await ask(), 'one');
  const errors = async () =>
    (JSON.parse(await admin('/config_dump?resource=dynamic_listeners')).configs as { name: string; error_state?: { details: string } }[])
      .filter(({ error_state }) => error_state)
      .map(({ name, error_state }) => `${name}: ${error_state?.details}`);
  assert.match((await errors()).join(), /^bad: listener "bad": the source of "table": paths must refer to an existing path.*nowhere.yaml/);
  files.put('lds.yaml', response('3', LISTENER, [good]));
  await eventually(async () => assert.equal(await ask('good'), 'one'));
  assert.deepEqual(await errors(), []);
});

test('a name twice, or the name of a static resource, refuses the file', async (t) => {
  const files = directory(t);
  const own = httpListener('own', [says('own')]);
  for (const [listeners, expected] of [
    [[own, own], /"own" is there twice/],
    [[httpListener('static', [says('other')])], /"static": is a static resource/],
  ] as const) {
    files.put('lds.yaml', response('1', LISTENER, listeners));
    const { warnings, ask } = await start(
      t,
      { lds_config: { path: join(files.dir, 'lds.yaml') } },
      { listeners: [httpListener('static', [says('static')])] },
    );
    assert.match(String(warnings[0]?.['reasons']), expected);
    assert.equal(await ask('static'), 'static');
  }
});

test('the same name from two files is two resources', async (t) => {
  const files = directory(t);
  files.put('a.yaml', response('1', ROUTE, [table('a')]));
  files.put('b.yaml', response('1', ROUTE, [table('b')]));
  const listeners = ['a', 'b'].map((name) => listenerWith(name, join(files.dir, `${name}.yaml`)));
  const { ask } = await start(t, {}, { listeners });
  await eventually(async () => assert.deepEqual([await ask('a'), await ask('b')], ['a', 'b']));
});

test('a binary file is read when it is called so', async (t) => {
  const files = directory(t);
  const message = fromJson(DiscoveryResponseSchema, response('1', ROUTE, [table('binary')]), { registry: messageRegistry() });
  writeFileSync(join(files.dir, 'rds.pb'), toBinary(DiscoveryResponseSchema, message));
  const { ask } = await start(t, {}, { listeners: [listenerWith('front', join(files.dir, 'rds.pb'))] });
  await eventually(async () => assert.equal(await ask(), 'binary'));
});

test('a binary file whose resource is broken is refused', async (t) => {
  const files = directory(t);
  const resources = [{ typeUrl: `type.googleapis.com/${LISTENER}`, value: new Uint8Array([0xff, 0xff]) }];
  writeFileSync(join(files.dir, 'lds.pb'), toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, { resources })));
  const { stat, warnings } = await start(t, { lds_config: { path: join(files.dir, 'lds.pb') } });
  assert.equal(await stat('listener_manager.lds.update_rejected'), 1);
  assert.match(String(warnings[0]?.['reasons']), /resources\[0\]: /);
});

const refused: { name: string; dynamic: JsonObject; reason: RegExp }[] = [
  {
    name: 'a file that is not there',
    dynamic: { lds_config: { path: '/nowhere/lds.yaml' } },
    reason: /dynamic_resources\.lds_config: paths must refer to an existing path in the system: '\/nowhere\/lds\.yaml' does not exist/,
  },
  {
    name: 'a watched directory that is not there',
    dynamic: { cds_config: { path_config_source: { path: '/dev/null', watched_directory: { path: '/nowhere' } } } },
    reason: /dynamic_resources\.cds_config: watched_directory: '\/nowhere' is not a directory/,
  },
  {
    name: 'a server that is no static cluster',
    dynamic: { cds_config: { api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'x' } }] } } },
    reason: /dynamic_resources\.cds_config: api_config_source: "x" is not a static cluster/,
  },
  {
    name: 'REST',
    dynamic: { lds_config: { api_config_source: { api_type: 'REST', cluster_names: ['x'] } } },
    reason: /dynamic_resources\.lds_config\.api_config_source\.api_type: must be GRPC or DELTA_GRPC/,
  },
  {
    name: 'version 2',
    dynamic: { lds_config: { path: '/dev/null', resource_api_version: 'V2' } },
    reason: /dynamic_resources\.lds_config\.resource_api_version: only V3 is supported/,
  },
  {
    name: 'xdstp',
    dynamic: { lds_resources_locator: 'xdstp://a/b/*' },
    reason: /dynamic_resources\.lds_resources_locator: is not supported/,
  },
  { name: 'ADS that is not configured', dynamic: { lds_config: { ads: {} } }, reason: /ads_config: is required by lds_config/ },
];
for (const { name, dynamic, reason } of refused) {
  test(`refused at the start: ${name}`, async (t) => {
    await assert.rejects(start(t, dynamic), reason);
  });
}
