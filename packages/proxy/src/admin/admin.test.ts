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
  const resources = { listeners: [FRONT], clusters: [cluster('back', []), cluster('other', [9])] };
  const bootstrap = bootstrapOf(resources, { node: { id: 'n' }, layered_runtime: { layers: LAYERS }, ...sections });
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
  assert.deepEqual((await json('/config_dump?mask=bootstrap.node.id')).configs, [
    { '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump', bootstrap: { node: { id: 'n' } } },
  ]);
  assert.match((await ask('/config_dump?mask=bootstrap.node.id')).body, /^\{\s+"configs": \[\s+\{\s+"@type"/);
  const [endpoints] = (await json('/config_dump?resource=static_endpoint_configs&name_regex=other')).configs;
  assert.deepEqual(endpoints.endpoint_config.endpoints[0].lb_endpoints, [
    {
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: 9 } }, health_check_config: {} },
      health_status: 'HEALTHY',
      load_balancing_weight: 1,
    },
  ]);
  // Valid, though no cluster has it.
  assert.equal((await ask('/config_dump?resource=static_clusters&mask=cluster.outlier_detection')).status, 200);
  for (const [query, status, body] of [
    ['resource=none', 404, 'none not found in config dump'],
    ['resource=bootstrap', 400, 'bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field'],
    ['resource=version_info', 400, 'version_info is not a repeated field. Use ?mask=version_info to get only this field'],
    ['resource=static_clusters&mask=bad', 400, 'FieldMask bad could not be successfully used.'],
    [
      'mask=bootstrap.static_resources.clusters.name',
      400,
      'FieldMask bootstrap.static_resources.clusters.name could not be successfully applied to any configs.',
    ],
    ['name_regex=[', 400, /^Error while parsing name_regex from \[: /],
  ] as const) {
    const reply = await ask(`/config_dump?${query}`);
    assert.equal(reply.status, status, query);
    assert.equal(reply.type, 'text/plain; charset=UTF-8');
    if (typeof body === 'string') assert.equal(reply.body, body);
    else assert.match(reply.body, body);
  }
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
  for (const query of ['filter=(', 'format=prometheus&filter=(+invalid)', 'format=odd', 'histogram_buckets=odd', 'hidden=odd']) {
    assert.equal((await ask(`/stats?${query}`)).status, 400, query);
  }
  assert.equal((await ask('/stats?hidden=only')).body, '');
  assert.match((await ask('/stats?format=html&filter=server.live')).body, /<title>Envoy Admin<\/title>[\s\S]*server\.live: 1\n/);
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

test('the admin interface counts itself; what was not counted yet is 0; listeners tell by thread', async (t) => {
  const { ask, front } = await start(t);
  await front();
  await ask('/nowhere');
  const value = async (name: string) => (await ask(`/stats?filter=^${name}$`)).body;
  assert.equal(await value('http.admin.downstream_rq_4xx'), 'http.admin.downstream_rq_4xx: 1\n');
  assert.match(
    (await ask('/stats/prometheus')).body,
    /^envoy_listener_admin_http_downstream_rq_xx\{envoy_response_code_class="4",envoy_http_conn_manager_prefix="admin"\} 1$/m,
  );
  for (const [name, expected] of [
    ['http.front.downstream_cx_idle_timeout', 0],
    ['http.front.tracing.not_traceable', 0],
    ['cluster.back.upstream_cx_http3_total', 0],
    ['cluster.back.upstream_internal_redirect_failed_total', 0],
    ['server.dropped_stat_flushes', 0],
    ['server.days_until_first_cert_expiring', 4_294_967_295],
    ['runtime.load_success', 2],
    ['runtime.admin_overrides_active', 0],
  ] as const) {
    assert.equal(await value(name), `${name}: ${expected}\n`);
  }
  const { body } = await ask('/stats?filter=^listener');
  assert.match(body, /^listener\.127\.0\.0\.1_\d+\.worker_0\.downstream_cx_total: 1$/m);
  assert.match(body, /^listener\.127\.0\.0\.1_\d+\.http\.front\.downstream_rq_2xx: 1$/m);
  assert.match((await ask('/stats?filter=initialization_time')).body, /^server\.initialization_time_ms: P0\(nan,\d/);
  const names = (await ask('/stats')).body.split('\n').map((line) => line.split(': ')[0]);
  assert.equal(new Set(names).size, names.length);
  // Nothing is asked for dynamically.
  assert.doesNotMatch((await ask('/stats')).body, /cluster_manager\.cds|listener_manager\.lds|control_plane/);
  await ask('/runtime_modify?a=1', 'POST');
  assert.equal(
    await value('runtime.(admin_overrides_active|load_success)'),
    'runtime.admin_overrides_active: 1\nruntime.load_success: 3\n',
  );
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

test("labels and buckets of Prometheus are the bootstrap's", async (t) => {
  const { ask, front } = await start(t, {
    stats_config: {
      use_all_default_tags: false,
      stats_tags: [
        { tag_name: 'site', fixed_value: 'here' },
        { tag_name: 'hcm', regex: '^http\\.((.*?)\\.)' },
      ],
      histogram_bucket_settings: [{ match: { prefix: 'http.front' }, buckets: [1, 2.5] }],
    },
  });
  await front();
  const { body } = await ask('/stats/prometheus?filter=^http.front.downstream_rq_(time|total)');
  assert.match(body, /^envoy_http_downstream_rq_total\{site="here",hcm="front"\} 1$/m);
  assert.deepEqual(body.match(/le="[^"]*"/g), ['le="1"', 'le="2.5"', 'le="+Inf"']);
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
  for (const [query, problem] of [
    ['level=loud', 'unknown logger level'],
    ['nobody=info', 'unknown logger name'],
    ['level=info&http=info', 'invalid number of parameters'],
    ['paths=http:info,:debug', 'empty logger name or empty logger level'],
    ['paths=http:info,init:', 'empty logger name or empty logger level'],
    ['paths=http:loud,admin:info', 'unknown logger level'],
  ] as const) {
    const reply = await ask(`/logging?${query}`, 'POST');
    assert.equal(reply.status, 400);
    assert.ok(reply.body.startsWith(`error: ${problem}\n`), reply.body);
  }
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
  const buckets = async (mode: string, form = '') =>
    (await ask(`/stats?type=Histograms&filter=^${name}$&histogram_buckets=${mode}${form}`)).body;
  assert.match(
    await buckets('cumulative'),
    /^http\.front\.downstream_rq_time: B0\.5\(0,\d\) .* B300000\(0,1\) B600000\(0,1\) B1\.8e\+06\(0,1\) B3\.6e\+06\(0,1\)\n$/,
  );
  assert.match(await buckets('disjoint'), / B3\.6e\+06\(0,0\)\n$/);
  assert.match(
    await buckets('detailed'),
    /^http\.front\.downstream_rq_time:\n {2}totals=[\d.]+,[\d.]+:1\n {2}intervals=\n {2}summary=P0\(/,
  );
  const [{ histograms: bucketed }] = JSON.parse(await buckets('cumulative', '&format=json')).stats;
  assert.deepEqual(bucketed[0].buckets.at(-1), { upper_bound: 3_600_000, interval: 0, cumulative: 1 });
  const [{ histograms: detailed }] = JSON.parse(await buckets('detailed', '&format=json')).stats;
  assert.equal(detailed.details[0].totals[0].count, 1);
  assert.match(await buckets('summary', '&format=prometheus'), /^# TYPE envoy_http_downstream_rq_time summary\n.*quantile="0"/);
  const exposition = (await ask('/stats/prometheus')).body;
  assert.match(
    (await ask('/stats?filter=downstream_cx_[rt]x_bytes_total')).body,
    /^http\.front\.downstream_cx_rx_bytes_total: [1-9]\d+\nhttp\.front\.downstream_cx_tx_bytes_total: [1-9]\d+$/m,
  );
  const labels = 'envoy_http_conn_manager_prefix="front"';
  assert.match(exposition, /^# TYPE envoy_http_downstream_rq_time histogram$/m);
  assert.ok(exposition.includes(`envoy_http_downstream_rq_time_bucket{${labels},le="3600000"} 1\n`));
  assert.ok(exposition.includes(`envoy_http_downstream_rq_time_bucket{${labels},le="+Inf"} 1\n`));
  assert.ok(exposition.includes(`envoy_http_downstream_rq_time_count{${labels}} 1\n`));
});
