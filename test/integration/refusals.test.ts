// What Envoy does not start with, Lateen's proxy does not start with either, and it names the field.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkBootstrap } from '@lateen/proxy';
import { parseBootstrap } from '@lateen/proxy/bootstrap';
import { envoyBinary, noEnvoy } from '../support/envoy.ts';

const TYPE = '"@type": type.googleapis.com/envoy';
const ROUTER = `{name: router, typed_config: {${TYPE}.extensions.filters.http.router.v3.Router}}`;
const OK_ROUTES = 'virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]';

const cluster = (fields: string) => `static_resources: {clusters: [{name: a, connect_timeout: 1s, ${fields}}]}`;
const tls = (fields: string) =>
  cluster(`transport_socket: {name: tls, typed_config: {${TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ${fields}}}`);
const check = (fields: string) =>
  cluster(`health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, ${fields}}]`);
const listener = (fields: string) =>
  `static_resources: {clusters: [{name: c, type: STATIC, connect_timeout: 1s}], listeners: [{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 0}}, ${fields}}]}`;
const chain = (filters: string, fields = '') => listener(`filter_chains: [{filters: [${filters}]${fields}}]`);
const manager = (fields: string) =>
  `{name: hcm, typed_config: {${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, ${fields}}}`;
const http = (fields: string, { filters = ROUTER, routes = OK_ROUTES } = {}) =>
  chain(manager(`stat_prefix: x, route_config: {${routes}}, http_filters: [${filters}]${fields && `, ${fields}`}`));
const filter = (type: string, fields: string) =>
  http('', { filters: `{name: f, typed_config: {${TYPE}.extensions.filters.http.${type}${fields && `, ${fields}`}}}, ${ROUTER}` });
const hosts = (text: string) => http('', { routes: `virtual_hosts: [${text}]` });
const route = (fields: string, match = 'prefix: /') => hosts(`{name: v, domains: ["*"], routes: [{match: {${match}}, ${fields}}]}`);
const forward = (fields: string) => route(`route: {cluster: c, ${fields}}`);
const tcp = (fields: string) => chain(`{name: tcp, typed_config: {${TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy, ${fields}}}`);
const log = (text: string) =>
  http(
    `access_log: [{name: f, typed_config: {${TYPE}.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, log_format: {text_format_source: {inline_string: ${JSON.stringify(text)}}}}}]`,
  );

/** What is wrong, and what the reason names. */
const ROWS: readonly [wrong: string, named: RegExp][] = [
  [cluster('lb_policy: 77'), /lb_policy/],
  [cluster('connect_timeout: 0s'), /connect_timeout/],
  [cluster('type: EDS'), /eds_cluster_config/],
  [
    cluster(
      'type: EDS, common_http_protocol_options: {idle_timeout: -1s}, eds_cluster_config: {eds_config: {path_config_source: {path: /dev/null}}}',
    ),
    /idle_timeout/,
  ],
  [cluster('lb_policy: MAGLEV, maglev_lb_config: {table_size: 4}'), /table_size/],
  [cluster('lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 100, maximum_ring_size: 10}'), /minimum_ring_size/],
  [cluster('lb_policy: LEAST_REQUEST, least_request_lb_config: {choice_count: 1}'), /choice_count/],
  [cluster('lb_policy: LOAD_BALANCING_POLICY_CONFIG'), /load_balancing_policy|lb_policy/],
  [
    cluster('lb_subset_config: {subset_selectors: [{keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a, b]}]}'),
    /fallback_keys_subset/,
  ],
  [cluster('common_lb_config: {healthy_panic_threshold: {value: 101}}'), /healthy_panic_threshold/],
  [cluster('http2_protocol_options: {initial_stream_window_size: 1}'), /initial_stream_window_size/],
  [cluster('outlier_detection: {interval: 0s}'), /outlier_detection\.interval/],
  [cluster('load_assignment: {cluster_name: a, endpoints: [{priority: 1}, {priority: 129}]}'), /priority/],
  [cluster('load_assignment: {cluster_name: a, endpoints: [{load_balancing_weight: 0}]}'), /load_balancing_weight/],
  [check('http_health_check: {path: ""}'), /path/],
  [check('http_health_check: {path: /, expected_statuses: [{start: 300, end: 200}]}'), /expected_statuses/],
  [check('http_health_check: {path: /, method: CONNECT}'), /method/],
  [check('tcp_health_check: {send: {text: zz}}'), /text/],
  [tls('common_tls_context: {tls_params: {cipher_suites: [NOPE]}}'), /cipher_suites/],
  [tls('common_tls_context: {tls_params: {ecdh_curves: [NOPE]}}'), /ecdh_curves/],
  [tls('common_tls_context: {validation_context: {trusted_ca: {inline_string: nope}}}'), /trusted_ca/],
  [tls('common_tls_context: {validation_context: {verify_certificate_hash: [zz]}}'), /verify_certificate_hash/],
  [tls(`sni: ${'a'.repeat(256)}`), /sni/],
  [listener('filter_chains: []'), /filter_chains/],
  [
    chain(
      `${manager(`stat_prefix: x, route_config: {${OK_ROUTES}}, http_filters: [${ROUTER}]`)}, ${manager(`stat_prefix: y, route_config: {${OK_ROUTES}}, http_filters: [${ROUTER}]`)}`,
    ),
    /filters/,
  ],
  [chain(manager(`route_config: {${OK_ROUTES}}, http_filters: [${ROUTER}]`)), /stat_prefix/],
  [chain(manager(`stat_prefix: x, http_filters: [${ROUTER}]`)), /route_config/],
  [http('codec_type: 9'), /codec_type/],
  [http('max_request_headers_kb: 8193'), /max_request_headers_kb/],
  [
    http(
      'use_remote_address: true, original_ip_detection_extensions: [{name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig}}]',
    ),
    /original_ip_detection_extensions/,
  ],
  [http('scheme_header_transformation: {scheme_to_overwrite: ftp}'), /scheme_to_overwrite/],
  [http('http2_protocol_options: {connection_keepalive: {interval: 1s}}'), /connection_keepalive\.timeout/],
  [http('stream_idle_timeout: -1s'), /stream_idle_timeout/],
  [http('', { filters: `${ROUTER}, ${ROUTER}` }), /http_filters/],
  [log('%NOPE%'), /NOPE/],
  [log('%REQ(:path'), /log_format|access_log/],
  [tcp('cluster: c'), /stat_prefix/],
  [tcp('stat_prefix: x'), /cluster/],
  [tcp('stat_prefix: x, weighted_clusters: {clusters: []}'), /clusters/],
  [tcp('stat_prefix: x, cluster: c, max_connect_attempts: 0'), /max_connect_attempts/],
  [hosts('{name: a, domains: [x]}, {name: b, domains: [X]}'), /domains/],
  [hosts('{name: a, domains: []}'), /domains/],
  [route('direct_response: {status: 700}'), /status/],
  [route(`direct_response: {status: 200, body: {inline_string: ${'x'.repeat(4097)}}}`), /body/],
  [route('redirect: {response_code: 9}'), /response_code/],
  [route('route: {cluster: c}', 'safe_regex: {regex: "("}'), /regex/],
  [route('route: {cluster: c}', 'path_separated_prefix: /a/'), /path_separated_prefix/],
  [route('route: {cluster: c}, request_headers_to_add: [{header: {key: ":path", value: x}}]'), /request_headers_to_add/],
  [route('route: {cluster: c}, request_headers_to_add: [{header: {key: a, value: "100%"}}]'), /value/],
  [route('route: {cluster: c}, request_headers_to_remove: [host]'), /request_headers_to_remove/],
  [route('route: {cluster: c}, typed_per_filter_config: {envoy.filters.http.router: {"@type": type.googleapis.com/nope.Nope}}'), /nope/],
  [route('route: {weighted_clusters: {clusters: [{name: c, weight: 0}]}}'), /weight/],
  [forward('prefix_rewrite: /a, regex_rewrite: {pattern: {regex: a}, substitution: b}'), /rewrite/],
  [forward('retry_policy: {retry_back_off: {base_interval: 2s, max_interval: 1s}}'), /retry_back_off/],
  [forward('hash_policy: [{}]'), /hash_policy/],
  [forward('timeout: -1s'), /timeout/],
  [filter('fault.v3.HTTPFault', 'delay: {fixed_delay: 0s}'), /fixed_delay/],
  [filter('fault.v3.HTTPFault', 'abort: {http_status: 700}'), /http_status/],
  [filter('local_ratelimit.v3.LocalRateLimit', ''), /stat_prefix/],
  [filter('local_ratelimit.v3.LocalRateLimit', 'stat_prefix: x, token_bucket: {max_tokens: 1, fill_interval: 0.01s}'), /fill_interval/],
  [filter('buffer.v3.Buffer', 'max_request_bytes: 0'), /max_request_bytes/],
  [filter('health_check.v3.HealthCheck', ''), /pass_through_mode/],
  [filter('header_to_metadata.v3.Config', 'request_rules: [{header: a}]'), /request_rules/],
  [filter('nope.v3.Nope', ''), /nope/i],
  ['stats_config: {stats_tags: [{tag_name: x, regex: "("}]}', /stats_tags/],
  ['nope: 1', /nope/],
];

const refusalOf = (bootstrap: string): string => {
  try {
    checkBootstrap(parseBootstrap(bootstrap, 'bootstrap'), {});
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

for (const [i, [wrong, named]] of ROWS.entries()) {
  test(`row ${i}: ${named} is refused`, () => assert.match(refusalOf(wrong), named));
}

test('the bootstraps around what is wrong are right', () => {
  const right = [
    cluster('type: STATIC'),
    check('tcp_health_check: {}'),
    tls('sni: a'),
    http(''),
    route('route: {cluster: c}'),
    forward('timeout: 1s'),
    tcp('stat_prefix: x, cluster: c'),
    log('%REQ(:path)%'),
    filter('buffer.v3.Buffer', 'max_request_bytes: 1'),
  ];
  assert.deepEqual(
    right.map(refusalOf),
    right.map(() => ''),
  );
});

test('Envoy refuses every row, too', { skip: noEnvoy ?? false }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-refusals-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'bootstrap.yaml');
  const accepted = ROWS.flatMap(([wrong], i) => {
    writeFileSync(file, wrong);
    const { status } = spawnSync(envoyBinary, ['--mode', 'validate', '-c', file, '--use-dynamic-base-id'], { timeout: 20_000 });
    return status === 0 ? [i] : [];
  });
  assert.deepEqual(accepted, []);
});
