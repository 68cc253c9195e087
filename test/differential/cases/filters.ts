// HTTP filters, and their configuration by route.

import { withEndpoints } from '../bootstrap.ts';
import type { Scene } from '../model.ts';
import { ANY, add, ask, exact, filter, GRPC, get, header, perFilter, prefix, says, to } from './build.ts';

const percent = (numerator: number) => ({ numerator, denominator: 'HUNDRED' });
const abort = (status: number, more: object = {}) => ({ abort: { http_status: status, percentage: percent(100) }, ...more });
const origin = (value: string, more: Record<string, string> = {}) => ({ headers: { origin: value, ...more } });
const preflight = (path: string, value: string, more: Record<string, string> = {}) => ({
  method: 'OPTIONS',
  path,
  headers: { origin: value, 'access-control-request-method': 'PUT', ...more },
});
const corsOf = (fields: object) => perFilter('cors', 'CorsPolicy', fields);
const bucket = (tokens: number) => ({ max_tokens: tokens, tokens_per_fill: tokens, fill_interval: '3600s' });
const ENFORCED = {
  filter_enabled: { default_value: percent(100), runtime_key: 'x' },
  filter_enforced: { default_value: percent(100), runtime_key: 'y' },
};

export const filters: readonly Scene[] = [
  {
    name: 'cors',
    filters: [filter('cors', {}, 'Cors')],
    routes: [
      to(exact('/star'), 'a', {}, corsOf({ allow_origin_string_match: [{ safe_regex: { regex: '.*' } }] })),
      to(
        exact('/exact'),
        'a',
        {},
        corsOf({
          allow_origin_string_match: [{ exact: 'https://shop.test' }],
          allow_methods: 'GET, PUT',
          allow_headers: 'x-a, x-b',
          expose_headers: 'x-e',
          max_age: '600',
          allow_credentials: true,
        }),
      ),
      to(
        exact('/regex'),
        'a',
        {},
        corsOf({ allow_origin_string_match: [{ safe_regex: { regex: 'https://.*\\.shop\\.test' } }], allow_methods: 'GET' }),
      ),
      to(
        exact('/off'),
        'a',
        {},
        corsOf({ allow_origin_string_match: [{ safe_regex: { regex: '.*' } }], filter_enabled: { default_value: percent(0) } }),
      ),
      to(
        exact('/shadow'),
        'a',
        {},
        corsOf({
          allow_origin_string_match: [{ exact: 'https://shop.test' }],
          filter_enabled: { default_value: percent(0) },
          shadow_enabled: { default_value: percent(100) },
        }),
      ),
      to(exact('/private'), 'a', {}, corsOf({ allow_origin_string_match: [{ prefix: 'https' }], allow_private_network_access: true })),
      to(
        exact('/unmatched'),
        'a',
        {},
        corsOf({ allow_origin_string_match: [{ exact: 'https://shop.test' }], forward_not_matching_preflights: false }),
      ),
      to(ANY, 'a'),
    ],
    cases: [
      ...['/star', '/exact', '/regex', '/off', '/shadow', '/private', '/unmatched', '/none'].flatMap((path) => [
        get(path, origin('https://shop.test')),
        ask(`preflight of ${path}`, preflight(path, 'https://shop.test')),
        ask(`preflight of ${path} from elsewhere`, preflight(path, 'https://evil.test')),
      ]),
      get('/exact', origin('https://evil.test')),
      get('/exact'),
      get('/regex', origin('https://a.shop.test')),
      ask('preflight by regex', preflight('/regex', 'https://a.shop.test', { 'access-control-request-headers': 'x-a' })),
      ask('OPTIONS without asking for a method', { method: 'OPTIONS', path: '/exact', headers: { origin: 'https://shop.test' } }),
      ask('OPTIONS without origin', { method: 'OPTIONS', path: '/exact', headers: { 'access-control-request-method': 'PUT' } }),
      ask('private network', preflight('/private', 'https://shop.test', { 'access-control-request-private-network': 'true' })),
      ask('the upstream answers CORS itself', {
        path: '/exact',
        headers: { origin: 'https://shop.test' },
        upstream: { headers: { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'x-up' } },
      }),
      ask('an upstream error keeps CORS headers', { path: '/exact', headers: { origin: 'https://shop.test' }, upstream: { status: 500 } }),
    ],
  },
  {
    name: 'fault',
    filters: [filter('fault', {}, 'HTTPFault')],
    routes: [
      to(exact('/abort'), 'a', {}, perFilter('fault', 'HTTPFault', abort(555))),
      to(exact('/never'), 'a', {}, perFilter('fault', 'HTTPFault', { abort: { http_status: 555, percentage: percent(0) } })),
      to(exact('/grpc'), 'a', {}, perFilter('fault', 'HTTPFault', { abort: { grpc_status: 5, percentage: percent(100) } })),
      to(exact('/delay'), 'a', {}, perFilter('fault', 'HTTPFault', { delay: { fixed_delay: '0.05s', percentage: percent(100) } })),
      to(
        exact('/both'),
        'a',
        {},
        perFilter('fault', 'HTTPFault', { delay: { fixed_delay: '0.05s', percentage: percent(100) }, ...abort(418) }),
      ),
      to(
        exact('/header'),
        'a',
        {},
        perFilter('fault', 'HTTPFault', {
          abort: { header_abort: {}, percentage: percent(100) },
          delay: { header_delay: {}, percentage: percent(100) },
        }),
      ),
      to(exact('/some'), 'a', {}, perFilter('fault', 'HTTPFault', abort(503, { headers: [header('x-user', { exact: 'jason' })] }))),
      to(exact('/cluster'), 'a', {}, perFilter('fault', 'HTTPFault', abort(503, { upstream_cluster: 'b' }))),
      to(ANY, 'a'),
    ],
    cases: [
      ...['/abort', '/never', '/grpc', '/delay', '/both', '/header', '/some', '/cluster', '/none'].map((path) => get(path)),
      ask('abort of gRPC', { path: '/abort', ...GRPC }),
      ask('gRPC status to gRPC', { path: '/grpc', ...GRPC }),
      get('/some', { headers: { 'x-user': 'jason' } }),

      get('/abort', { method: 'HEAD' }),
      get('/header', { headers: { 'x-envoy-fault-abort-request': '429' } }),
      get('/header', { headers: { 'x-envoy-fault-abort-request': '99' } }),
      get('/header', { headers: { 'x-envoy-fault-abort-request': 'x' } }),
      get('/header', { headers: { 'x-envoy-fault-abort-request': '429', 'x-envoy-fault-abort-request-percentage': '0' } }),
      get('/header', { headers: { 'x-envoy-fault-delay-request': '30' } }),
      get('/header', { headers: { 'x-envoy-fault-abort-grpc-request': '5' } }),
    ],
  },
  {
    name: 'fault-for-nodes',
    filters: [filter('fault', {}, 'HTTPFault')],
    routes: [to(ANY, 'a', {}, perFilter('fault', 'HTTPFault', abort(503, { downstream_nodes: ['me'] })))],
    cases: [get('/'), get('/', { headers: { 'x-envoy-downstream-service-node': 'me' } })],
  },
  {
    name: 'fault-of-all',
    filters: [filter('fault', abort(503, { headers: [{ name: 'x-fail', present_match: true }] }), 'HTTPFault')],
    routes: [
      to(exact('/own'), 'a', {}, perFilter('fault', 'HTTPFault', abort(429))),
      to(exact('/disabled'), 'a', {}, { typed_per_filter_config: { 'envoy.filters.http.fault': disabled() } }),
      to(ANY, 'a'),
    ],
    cases: [get('/'), get('/', { headers: { 'x-fail': '1' } }), get('/own'), get('/disabled', { headers: { 'x-fail': '1' } })],
  },
  {
    name: 'fault-levels',
    filters: [filter('fault', {}, 'HTTPFault')],
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        ...perFilter('fault', 'HTTPFault', abort(501)),
        routes: [
          to(exact('/route'), 'a', {}, perFilter('fault', 'HTTPFault', abort(502))),
          {
            match: exact('/weighted'),
            route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1, ...perFilter('fault', 'HTTPFault', abort(504)) }] } },
          },
          to(ANY, 'a'),
        ],
      },
    ],
    cases: [get('/'), get('/route'), get('/weighted')],
  },
  {
    name: 'local-rate-limit',
    filters: [filter('local_ratelimit', { stat_prefix: 'x' }, 'LocalRateLimit')],
    routes: [
      to(
        exact('/two'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', { stat_prefix: 'two', token_bucket: bucket(2), ...ENFORCED }),
      ),
      to(
        exact('/status'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', {
          stat_prefix: 'status',
          token_bucket: bucket(1),
          status: { code: 'ServiceUnavailable' },
          response_headers_to_add: [add('x-limited', 'yes')],
          ...ENFORCED,
        }),
      ),
      to(
        exact('/off'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', {
          stat_prefix: 'off',
          token_bucket: bucket(1),
          filter_enabled: { default_value: percent(0), runtime_key: 'x' },
          filter_enforced: { default_value: percent(100), runtime_key: 'y' },
        }),
      ),
      to(
        exact('/not-enforced'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', {
          stat_prefix: 'ne',
          token_bucket: bucket(1),
          filter_enabled: { default_value: percent(100), runtime_key: 'x' },
          filter_enforced: { default_value: percent(0), runtime_key: 'y' },
          request_headers_to_add_when_not_enforced: [add('x-would', 'limit')],
        }),
      ),
      to(
        exact('/headers'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', {
          stat_prefix: 'h',
          token_bucket: bucket(3),
          enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
          ...ENFORCED,
        }),
      ),
      to(
        exact('/grpc'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', {
          stat_prefix: 'g',
          token_bucket: bucket(1),
          rate_limited_as_resource_exhausted: true,
          ...ENFORCED,
        }),
      ),
      to(ANY, 'a'),
    ],
    isSequential: true,
    legs: ['h1-h1'],
    cases: [
      ask('first of two', { path: '/two' }),
      ask('second of two', { path: '/two' }),
      ask('third of two', { path: '/two' }),
      ask('fourth of two', { path: '/two' }),
      ask('own status: first', { path: '/status' }),
      ask('own status: second', { path: '/status' }),
      ask('off: first', { path: '/off' }),
      ask('off: second', { path: '/off' }),
      ask('not enforced: first', { path: '/not-enforced' }),
      ask('not enforced: second', { path: '/not-enforced' }),
      ask('gRPC: first', { path: '/grpc', ...GRPC }),
      ask('gRPC: second', { path: '/grpc', ...GRPC }),
      ask('unlimited', { path: '/' }),
    ],
  },
  {
    name: 'buffer',
    filters: [filter('buffer', { max_request_bytes: 1000 }, 'Buffer')],
    routes: [
      to(exact('/large'), 'a', {}, perFilter('buffer', 'BufferPerRoute', { buffer: { max_request_bytes: 5000 } })),
      to(exact('/disabled'), 'a', {}, perFilter('buffer', 'BufferPerRoute', { disabled: true })),
      to(ANY, 'a'),
    ],
    cases: [
      get('/'),
      ask('fits', { method: 'POST', body: 'x'.repeat(900) }),
      ask('chunks become a length', { method: 'POST', chunks: ['da', 'ta'] }),
      ask('too large', { method: 'POST', body: 'x'.repeat(2000) }, { legs: ['h1-h1', 'h1-h2'] }),
      ask('too large by route', { method: 'POST', path: '/large', body: 'x'.repeat(6000) }, { legs: ['h1-h1', 'h1-h2'] }),
      ask(
        'too large in one frame',
        { method: 'POST', body: 'x'.repeat(2000) },
        { legs: ['h2-h1', 'h2-h2'], differs: 'the limit holds however a body arrives; Envoy lets a body pass that comes whole' },
      ),
      ask('large by route', { method: 'POST', path: '/large', body: 'x'.repeat(3000) }),
      ask('disabled', { method: 'POST', path: '/disabled', chunks: ['x'.repeat(2000)] }),
      ask('chunks with trailers', { method: 'POST', chunks: ['da'], trailers: { 'x-t': '1' } }),
    ],
  },
  {
    name: 'header-mutation',
    filters: [
      filter(
        'header_mutation',
        {
          mutations: {
            request_mutations: [{ append: { header: { key: 'x-filter', value: 'filter %REQ(:PATH)%' } } }, { remove: 'x-gone' }],
            response_mutations: [
              { append: { header: { key: 'x-filter', value: 'filter' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } },
              { remove: 'x-upstream' },
            ],
          },
        },
        'HeaderMutation',
      ),
    ],
    routes: [
      to(
        exact('/route'),
        'a',
        {},
        perFilter('header_mutation', 'HeaderMutationPerRoute', {
          mutations: {
            request_mutations: [{ append: { header: { key: 'x-filter', value: 'route' } } }],
            response_mutations: [{ append: { header: { key: 'x-filter', value: 'route' } } }],
          },
        }),
      ),
      says(exact('/own'), 200, 'own'),
      to(ANY, 'a'),
    ],
    cases: [
      get('/', { headers: { 'x-gone': '1' } }),
      get('/route'),
      get('/own'),
      ask('over the answer', { upstream: { headers: { 'x-filter': 'up' } } }),
    ],
  },
  {
    name: 'header-mutation-decides-routes',
    filters: [
      filter(
        'header_mutation',
        { mutations: { request_mutations: [{ append: { header: { key: 'x-route', value: 'b' } } }] } },
        'HeaderMutation',
      ),
    ],
    routes: [to({ prefix: '/', headers: [header('x-route', { exact: 'b' })] }, 'b'), to(ANY, 'a')],
    cases: [get('/'), get('/', { headers: { 'x-route': 'c' } })],
  },
  {
    name: 'filter-state-and-metadata',
    filters: [
      filter(
        'set_filter_state',
        {
          on_request_headers: [
            {
              object_key: 'my.key',
              factory_key: 'envoy.string',
              format_string: { text_format_source: { inline_string: 'state of %REQ(X-ASK)%' } },
            },
          ],
        },
        'Config',
      ),
      filter('set_metadata', { metadata: [{ metadata_namespace: 'my.ns', value: { key: 'value', deep: { a: 1 } } }] }, 'Config'),
    ],
    routes: [
      to(
        ANY,
        'a',
        {},
        {
          request_headers_to_add: [
            add('x-state', '%FILTER_STATE(my.key:PLAIN)%'),
            add('x-meta', '%DYNAMIC_METADATA(my.ns:key)%'),
            add('x-deep', '%DYNAMIC_METADATA(my.ns:deep:a)%'),
            add('x-all', '%DYNAMIC_METADATA(my.ns)%'),
          ],
        },
      ),
    ],
    cases: [get('/', { headers: { 'x-ask': 'me' } }), get('/')],
  },
  {
    name: 'health-check',
    filters: [filter('health_check', { pass_through_mode: false, headers: [header(':path', { exact: '/healthz' })] }, 'HealthCheck')],
    routes: [to(ANY, 'a')],
    cases: [
      get('/healthz'),
      get('/healthz?x'),
      get('/other'),
      get('/healthz', { method: 'HEAD' }),
      get('/healthz', { method: 'POST', body: '' }),
    ],
  },
  {
    name: 'health-check-of-clusters',
    clusters: { gone: withEndpoints() },
    filters: [
      filter(
        'health_check',
        {
          pass_through_mode: false,
          headers: [header(':path', { exact: '/healthz' })],
          cluster_min_healthy_percentages: { gone: { value: 50 } },
        },
        'HealthCheck',
      ),
    ],
    routes: [to(exact('/gone'), 'gone'), to(ANY, 'a')],
    cases: [get('/healthz'), get('/x')],
  },
  {
    name: 'grpc-stats-and-web',
    filters: [
      filter('grpc_stats', { emit_filter_state: true, stats_for_all_methods: false }, 'FilterConfig'),
      filter('grpc_web', {}, 'GrpcWeb'),
    ],
    routes: [to(ANY, 'a')],
    cases: [
      ask('gRPC', {
        path: '/s/M',
        ...GRPC,
        upstream: { headers: { 'content-type': 'application/grpc' }, trailers: { 'grpc-status': '0' } },
      }),
      ask('gRPC-Web', {
        path: '/s/M',
        method: 'POST',
        body: '\0\0\0\0\0',
        headers: { 'content-type': 'application/grpc-web', 'x-grpc-web': '1' },
        upstream: { headers: { 'content-type': 'application/grpc' }, body: '', trailers: { 'grpc-status': '0' } },
      }),
      ask('not gRPC', { path: '/s/M', method: 'POST', body: 'x' }),
    ],
  },
  {
    name: 'disabled-filters',
    filters: [{ ...filter('fault', abort(503), 'HTTPFault'), disabled: true }],
    routes: [to(exact('/on'), 'a', {}, perFilter('fault', 'HTTPFault', abort(429))), to(ANY, 'a')],
    cases: [get('/'), get('/on')],
  },
  {
    name: 'optional-filters',
    filters: [{ name: 'my.unknown', is_optional: true, typed_config: { '@type': 'type.googleapis.com/google.protobuf.Struct' } }],
    routes: [to(prefix('/'), 'a')],
    cases: [get('/')],
  },
];

function disabled(): object {
  return { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true, config: {} };
}
