import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '@lateen/base';
import { runProxy } from '../agent/run-proxy.ts';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { cluster, httpListener } from '../testing/runtime.ts';
import { applyMask, redactSecrets } from './json-shape.ts';

const FRONT = httpListener('front', [{ match: { prefix: '/' }, direct_response: { status: 200 } }]);
const LAYERS = [
  { name: 'fixed', static_layer: { a: { b: 1 } } },
  { name: 'admin', admin_layer: {} },
];

async function start(t: TestContext, sections: JsonObject = {}) {
  const resources = { listeners: [FRONT], clusters: [cluster('back', []), cluster('other', [])] };
  const bootstrap = bootstrapOf(resources, { layered_runtime: { layers: LAYERS }, ...sections });
  const running = await runProxy({ bootstrap, logger: silentLogger, appendLog() {} });
  t.after(() => running.close());
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${running.adminAddress?.port}${path}`, { method });
    return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
  };
  const front = () => fetch(`http://127.0.0.1:${running.proxy.addressOf('front')?.port}/`).then((response) => response.text());
  return { running, ask, front, json: async (path: string) => JSON.parse((await ask(path)).body) };
}

test('the dump can be cut down by resource, mask and name', async (t) => {
  const { ask, json } = await start(t);
  const types = async (path: string) => (await json(path)).configs.map((one: { '@type': string }) => one['@type'].split('.').at(-1));
  assert.deepEqual(await types('/config_dump?include_eds'), [
    'BootstrapConfigDump',
    'ClustersConfigDump',
    'EndpointsConfigDump',
    'ListenersConfigDump',
    'ScopedRoutesConfigDump',
    'RoutesConfigDump',
    'SecretsConfigDump',
  ]);
  assert.deepEqual((await json('/config_dump?resource=static_clusters&mask=cluster.name')).configs, [
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster',
      cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'back' },
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster',
      cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'other' },
    },
  ]);
  assert.deepEqual(await types('/config_dump?mask=static_clusters'), ['ClustersConfigDump']);
  const named = await json('/config_dump?name_regex=ba.*');
  assert.deepEqual(
    named.configs[1].static_clusters.map((one: { cluster: { name: string } }) => one.cluster.name),
    ['back'],
  );
  assert.equal((await json('/config_dump?resource=static_route_configs')).configs[0].route_config.name, 'inline');
  assert.equal(
    (await json('/config_dump?resource=bootstrap')).configs[0]['@type'],
    'type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap',
  );
  assert.deepEqual(await ask('/config_dump?resource=none'), {
    status: 404,
    type: 'text/plain; charset=UTF-8',
    body: 'none not found in config dump\n',
  });
  assert.equal((await ask('/config_dump?name_regex=(')).status, 400);
});

test('keys and passwords are never shown', () => {
  const shown = redactSecrets({
    tls_certificates: [
      { certificate_chain: { inline_string: 'public' }, private_key: { inline_string: 'SECRET' }, password: { filename: 'SECRET' } },
    ],
    session_ticket_keys: { keys: [{ inline_bytes: 'U0VDUkVU' }] },
    generic_secret: { secret: { inline_string: 'SECRET' } },
    validation_context: { trusted_ca: { inline_string: 'public' } },
    name: 'keys',
    keys: ['public'],
  });
  assert.deepEqual(shown, {
    tls_certificates: [
      {
        certificate_chain: { inline_string: 'public' },
        private_key: { inline_string: '[redacted]' },
        password: { filename: '[redacted]' },
      },
    ],
    session_ticket_keys: { keys: [{ inline_bytes: Buffer.from('[redacted]').toString('base64') }] },
    generic_secret: { secret: { inline_string: '[redacted]' } },
    validation_context: { trusted_ca: { inline_string: 'public' } },
    name: 'keys',
    keys: ['public'],
  });
  assert.deepEqual(applyMask({ '@type': 't', a: { b: 1, c: 2 }, d: [{ e: 1, f: 2 }] }, ['a.b', 'd.f']), {
    '@type': 't',
    a: { b: 1 },
    d: [{ f: 2 }],
  });
});

test('statistics by name, type and use; counters can be set back', async (t) => {
  const { ask, front, json } = await start(t);
  await front();
  const value = async (filter: string) => (await ask(`/stats?filter=${filter}`)).body;
  assert.match(await value('^listener\\..*downstream_cx_total$'), /: 1\n$/);
  assert.equal(await value('^server.live$'), 'server.live: 1\n');
  assert.equal(await value('^runtime.num_(keys|layers)$'), 'runtime.num_keys: 1\nruntime.num_layers: 2\n');
  assert.match(await value('^overload.*pressure$'), /^overload\.envoy\.resource_monitors\.fixed_heap\.pressure: \d+\n$/);
  assert.match((await ask('/stats?type=Counters&filter=downstream_cx')).body, /downstream_cx_total/);
  assert.doesNotMatch((await ask('/stats?type=Counters&filter=downstream_cx')).body, /downstream_cx_active/);
  assert.doesNotMatch((await ask('/stats?filter=^server&invert_filter')).body, /server\./);
  assert.equal((await ask('/stats?type=bad')).status, 400);
  assert.equal((await ask('/stats?filter=(')).status, 400);
  assert.equal((await ask('/stats?format=odd')).status, 400);
  const listed = (await json('/stats?format=json&filter=^listener_manager.listener_added$')).stats;
  assert.deepEqual(listed, [{ name: 'listener_manager.listener_added', value: 1 }]);
  assert.match(
    (await ask('/stats/prometheus?filter=listener_added')).body,
    /^# TYPE envoy_listener_manager_listener_added counter\nenvoy_listener_manager_listener_added\{\} 1\n$/,
  );
  assert.equal((await ask('/reset_counters')).status, 405);
  assert.equal((await ask('/reset_counters', 'POST')).body, 'OK\n');
  assert.match(await value('^listener\\..*downstream_cx_total$'), /: 0\n$/);
  assert.match(await value('^http.front.downstream_rq_total$'), /: 0\n$/);
});

test('a stats matcher of the bootstrap decides what is kept', async (t) => {
  const patterns = [{ prefix: 'server.' }, { exact: 'cluster_manager.active_clusters' }];
  const { ask } = await start(t, { stats_config: { stats_matcher: { inclusion_list: { patterns } } } });
  const names = (await ask('/stats')).body
    .trim()
    .split('\n')
    .map((line) => line.split(':')[0] ?? '');
  assert.ok(names.includes('cluster_manager.active_clusters'));
  assert.ok(
    names.every((name) => name.startsWith('server.') || name === 'cluster_manager.active_clusters'),
    names.join(),
  );
});

test('runtime keys and log levels can be changed, by POST only', async (t) => {
  const { ask, json } = await start(t);
  assert.deepEqual((await json('/runtime')).entries, { 'a.b': { final_value: '1', layer_values: ['1', ''] } });
  assert.equal((await ask('/runtime_modify?a.b=2')).status, 405);
  assert.equal((await ask('/runtime_modify?a.b=2', 'POST')).body, 'OK\n');
  assert.equal((await json('/runtime')).entries['a.b'].final_value, '2');
  await ask('/runtime_modify?a.b=', 'POST');
  assert.equal((await json('/runtime')).entries['a.b'].final_value, '1');
  assert.match((await ask('/logging?paths=http:debug,admin:warning', 'POST')).body, /admin: warning[\s\S]*http: debug/);
  assert.match((await ask('/logging?upstream=error', 'POST')).body, /http: debug[\s\S]*upstream: error/);
  assert.equal((await ask('/logging?level=loud', 'POST')).status, 400);
  assert.equal((await ask('/logging?nobody=info', 'POST')).status, 400);
  assert.match((await ask('/logging', 'POST')).body, /^active loggers:\n/);
});

test('the other pages answer as Envoy does', async (t) => {
  const { ask } = await start(t);
  assert.match((await ask('/')).body, /<form action="quitquitquit" method="post">/);
  assert.equal((await ask('/')).type, 'text/html; charset=UTF-8');
  assert.equal((await ask('/init_dump')).body, '{}\n');
  assert.equal((await ask('/hot_restart_version')).status, 200);
  assert.equal((await ask('/contention')).status, 200);
  for (const path of ['/healthcheck/fail', '/healthcheck/ok', '/reopen_logs', '/drain_listeners', '/quitquitquit']) {
    assert.equal((await ask(path)).status, 405, path);
    assert.deepEqual(await ask(path, 'POST'), { status: 200, type: 'text/plain; charset=UTF-8', body: 'OK\n' });
  }
});

test('histograms: quantiles as text and JSON, buckets for Prometheus', async (t) => {
  const { ask, front, json } = await start(t);
  await front();
  const name = 'http.front.downstream_rq_time';
  const { body } = await ask('/stats?type=Histograms&usedonly');
  assert.match(body, /^http\.front\.downstream_rq_time: P0\(nan,[\d.]+\) P25\(.* P99\.9\(.* P100\(nan,[\d.]+\)$/m);
  assert.match((await ask('/stats?type=Histograms')).body, /^cluster\.back\.upstream_rq_time: No recorded values$/m);
  const [{ histograms }] = (await json('/stats?type=Histograms&format=json&usedonly')).stats;
  assert.equal(histograms.supported_quantiles.length, 10);
  const one = histograms.computed_quantiles.find((each: { name: string }) => each.name === name);
  assert.equal(typeof one.values[9].cumulative, 'number');
  const exposition = (await ask('/stats/prometheus')).body;
  assert.match(
    (await ask('/stats?filter=downstream_cx_[rt]x_bytes_total')).body,
    /^http\.front\.downstream_cx_rx_bytes_total: [1-9]\d+\nhttp\.front\.downstream_cx_tx_bytes_total: [1-9]\d+$/m,
  );
  const labels = 'http_conn_manager_prefix="front"';
  assert.match(exposition, /^# TYPE envoy_http_downstream_rq_time histogram$/m);
  assert.ok(exposition.includes(`envoy_http_downstream_rq_time_bucket{${labels},le="3600000"} 1\n`));
  assert.ok(exposition.includes(`envoy_http_downstream_rq_time_bucket{${labels},le="+Inf"} 1\n`));
  assert.ok(exposition.includes(`envoy_http_downstream_rq_time_count{${labels}} 1\n`));
});
