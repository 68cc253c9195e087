// CORS, faults and local rate limits by level; edges of matchers and redirects.

import type { Scene } from '../model.ts';
import { ANY, add, ask, exact, filter, get, perFilter, prefix, says, to } from './build.ts';

const percent = (numerator: number) => ({ numerator, denominator: 'HUNDRED' });
const origin = (value: string) => ({ headers: { origin: value } });
const preflight = (path: string, value: string, method = 'PUT') => ({
  method: 'OPTIONS',
  path,
  headers: { origin: value, 'access-control-request-method': method },
});
const cors = (fields: object) => perFilter('cors', 'CorsPolicy', fields);
const from = (...exactOrigins: readonly string[]) => ({ allow_origin_string_match: exactOrigins.map((one) => ({ exact: one })) });
const abort = (more: object = {}) => ({ abort: { http_status: 503, percentage: percent(100) }, ...more });
const fault = (fields: object) => perFilter('fault', 'HTTPFault', fields);
const redirect = (match: object, fields: object) => ({ match, redirect: fields });
const bucket = (tokens: number) => ({ max_tokens: tokens, tokens_per_fill: tokens || 1, fill_interval: '3600s' });
const ENFORCED = {
  filter_enabled: { default_value: percent(100), runtime_key: 'x' },
  filter_enforced: { default_value: percent(100), runtime_key: 'y' },
};
const limit = (fields: object) =>
  perFilter('local_ratelimit', 'LocalRateLimit', { stat_prefix: 'l', token_bucket: bucket(1000), ...ENFORCED, ...fields });
const generic = (value: string) => ({ actions: [{ generic_key: { descriptor_value: value } }] });
const ofGeneric = (value: string, tokens: number) => ({ entries: [{ key: 'generic_key', value }], token_bucket: bucket(tokens) });
const byUser = { rate_limits: [{ actions: [{ request_headers: { header_name: 'x-user', descriptor_key: 'user' } }] }] };

export const policies: readonly Scene[] = [
  {
    name: 'cors-for-all',
    legs: ['h1-h1'],
    filters: [filter('cors', {}, 'Cors')],
    routes: [
      to(exact('/star'), 'a', {}, cors({ ...from('*'), allow_methods: 'GET' })),
      to(exact('/prefix'), 'a', {}, cors({ allow_origin_string_match: [{ prefix: '*' }] })),
      to(exact('/credentials'), 'a', {}, cors({ ...from('*'), allow_credentials: true, expose_headers: 'x' })),
      to(exact('/old'), 'a', { cors: from('*') }),
      says(exact('/own'), 200, 'own', cors(from('*'))),
    ],
    cases: [
      ...['/star', '/prefix', '/credentials', '/old', '/own', '/missing'].flatMap((path) => [
        get(path, origin('https://a.test')),
        ask(`preflight of ${path}`, preflight(path, 'https://a.test')),
      ]),
      get('/star', origin('')),
      ask('no method is asked for', preflight('/star', 'https://a.test', '')),
    ],
  },
  {
    name: 'cors-levels',
    legs: ['h1-h1'],
    filters: [filter('cors', {}, 'Cors')],
    routeConfig: cors({ ...from('https://table'), max_age: '7' }),
    virtualHosts: [
      {
        name: 'typed',
        domains: ['v.test'],
        ...cors({ ...from('https://host'), expose_headers: 'host' }),
        routes: [to(exact('/own'), 'a', {}, cors({ ...from('https://route') })), to(exact('/x'), 'a')],
      },
      { name: 'table', domains: ['w.test'], routes: [to(exact('/x'), 'a')] },
    ],
    cases: ['https://table', 'https://host', 'https://route'].flatMap((from) => [
      ...['/own', '/x', '/missing'].flatMap((path) => [
        get(path, { host: 'v.test', ...origin(from) }),
        ask(`preflight of ${path} from ${from}`, { host: 'v.test', ...preflight(path, from) }),
      ]),
      get('/x', { host: 'w.test', ...origin(from) }),
    ]),
  },
  {
    name: 'cors-levels-old',
    legs: ['h1-h1'],
    filters: [filter('cors', {}, 'Cors')],
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        cors: { ...from('https://host'), expose_headers: 'host' },
        routes: [to(exact('/own'), 'a', { cors: from('https://route') }), to(ANY, 'a')],
      },
    ],
    cases: ['/own', '/x'].flatMap((path) => ['https://host', 'https://route'].map((from) => get(path, origin(from)))),
  },
  {
    name: 'fault-without-route',
    legs: ['h1-h1'],
    filters: [filter('fault', abort(), 'HTTPFault')],
    routes: [says(exact('/own'), 200, 'own'), to(exact('/none'), 'a', {}, fault({}))],
    cases: [get('/own'), get('/missing'), get('/none')],
  },
  {
    name: 'fault-limit',
    legs: ['h1-h1'],
    isSequential: true,
    filters: [filter('fault', {}, 'HTTPFault')],
    routes: [
      to(exact('/abort'), 'a', {}, fault(abort({ max_active_faults: 0 }))),
      to(exact('/one'), 'a', {}, fault(abort({ max_active_faults: 1, delay: { fixed_delay: '0.01s', percentage: percent(100) } }))),
      to(exact('/header'), 'a', {}, fault({ abort: { header_abort: {}, percentage: percent(100) } })),
    ],
    cases: [
      get('/abort'),
      ask('first', { path: '/one' }),
      ask('second', { path: '/one' }),
      get('/header', { headers: { 'x-envoy-fault-abort-request': ['429', '430'] } }),
      get('/header', { headers: { 'x-envoy-fault-abort-request': '99', 'x-envoy-fault-abort-grpc-request': '5' } }),
    ],
  },
  {
    name: 'limits-by-descriptor',
    legs: ['h1-h1'],
    isSequential: true,
    filters: [filter('local_ratelimit', { stat_prefix: 'x' }, 'LocalRateLimit')],
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        rate_limits: [generic('host')],
        routes: [
          to(exact('/user'), 'a', byUser, limit({ descriptors: [{ entries: [{ key: 'user', value: 'a' }], token_bucket: bucket(1) }] })),
          to(exact('/any'), 'a', byUser, limit({ descriptors: [{ entries: [{ key: 'user' }], token_bucket: bucket(1) }] })),
          to(
            exact('/two'),
            'a',
            { rate_limits: [generic('one'), generic('two')] },
            limit({ enable_x_ratelimit_headers: 'DRAFT_VERSION_03', descriptors: [ofGeneric('one', 3), ofGeneric('two', 2)] }),
          ),
          to(exact('/host'), 'a', {}, limit({ descriptors: [ofGeneric('host', 1)] })),
          to(
            exact('/both'),
            'a',
            { include_vh_rate_limits: true, rate_limits: [generic('r')] },
            limit({ descriptors: [ofGeneric('host', 1)] }),
          ),
          to(exact('/ignored'), 'a', {}, limit({ vh_rate_limits: 'IGNORE', descriptors: [ofGeneric('host', 0)] })),
          to(
            exact('/only-own'),
            'a',
            { rate_limits: [generic('r')] },
            limit({ token_bucket: bucket(1), always_consume_default_token_bucket: false, descriptors: [ofGeneric('r', 5)] }),
          ),
          to(
            exact('/default-too'),
            'a',
            { rate_limits: [generic('r')] },
            limit({ token_bucket: bucket(1), descriptors: [ofGeneric('r', 5)] }),
          ),
          to(
            exact('/slow'),
            'a',
            {},
            limit({
              token_bucket: { max_tokens: 2, tokens_per_fill: 1, fill_interval: '100s' },
              enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
            }),
          ),
          says(exact('/none'), 200, 'x', limit({ token_bucket: bucket(0), response_headers_to_add: [add('x-code', '%RESPONSE_CODE%')] })),
        ],
      },
    ],
    cases: [
      ...['/user', '/any'].flatMap((path) =>
        ['a', 'a', 'b', 'b'].map((user, i) => ask(`${path} ${user} ${i}`, { path, headers: { 'x-user': user } })),
      ),
      ...[1, 2, 3].flatMap((i) => ['/two', '/slow'].map((path) => ask(`${path} ${i}`, { path }))),
      ...['/host', '/both', '/ignored', '/only-own', '/default-too'].flatMap((path) => [1, 2].map((i) => ask(`${path} ${i}`, { path }))),
      get('/none'),
    ],
  },
  {
    name: 'wide-ranges',
    legs: ['h1-h1'],
    routes: [
      to(exact('/low', { headers: [{ name: 'x', range_match: { start: '-9223372036854775808', end: '-10' } }] }), 'a'),
      to(exact('/high', { headers: [{ name: 'x', range_match: { start: '9223372036854775801', end: '9223372036854775807' } }] }), 'a'),
    ],
    cases: [
      '-9223372036854775808',
      '-9223372036854775809',
      '-10',
      '9223372036854775806',
      '9223372036854775807',
      '+9223372036854775801',
    ].flatMap((x) => [get('/low', { headers: { x } }), get('/high', { headers: { x } })]),
  },
  {
    name: 'odd-redirects',
    legs: ['h1-h1'],
    routes: [
      redirect(exact('/no-slash'), { path_redirect: 'new' }),
      redirect(exact('/no-scheme'), { scheme_redirect: '', host_redirect: 'h' }),
      redirect(exact('/nothing'), {}),
      redirect(prefix('/CI', { case_sensitive: false }), { prefix_rewrite: '/new' }),
    ],
    cases: ['/no-slash?q', '/no-scheme', '/nothing?q', '/ci/x?Y'].map((path) => get(path, { host: 'h.test:443' })),
  },
];
