// Filters that change or note something of a request, at every level where they can be configured; the health check filter.

import { withEndpoints } from '../bootstrap.ts';
import type { Scene } from '../model.ts';
import { ANY, add, ask, exact, filter, get, header, perFilter, to } from './build.ts';

const percent = (numerator: number) => ({ numerator, denominator: 'HUNDRED' });
const mutation = (mutations: object) => perFilter('header_mutation', 'HeaderMutationPerRoute', { mutations });
const append = (key: string, value: string) => ({ append: { header: { key, value } } });
const both = (value: string) => ({ request_mutations: [append('x-l', value)], response_mutations: [append('x-l', value)] });
const query = (key: string, value: string, action?: string) => ({ append: { record: { key, value }, ...(action && { action }) } });
const ACTIONS = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'];
const present = (key: string, more: object = {}) => ({ on_header_present: { metadata_namespace: 'm', key, ...more } });
const answers = (...headers: readonly (readonly [string, string])[]) => ({
  response_headers_to_add: headers.map(([key, value]) => add(key, value)),
});
const state = (key: string, text: string, more: object = {}) => ({
  object_key: key,
  factory_key: 'envoy.string',
  format_string: { text_format_source: { inline_string: text } },
  ...more,
});
const states = (...values: readonly object[]) => ({ on_request_headers: values });
const writes = (...all: readonly (readonly [string, object, boolean?])[]) => ({
  metadata: all.map(([namespace, value, overwrites = false]) => ({
    metadata_namespace: namespace,
    value,
    allow_overwrite: overwrites,
  })),
});
const WRITTEN = answers(...['a', 'b', 'c'].map((name) => [`x-${name}`, `[%DYNAMIC_METADATA(${name})%]`] as const));
const ofFilter = (fields: object) => ({
  typed_per_filter_config: { 'envoy.filters.http.fault': { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', ...fields } },
});
const FAULT = { abort: { http_status: 503, percentage: percent(100) } };
const healthz = (name: string, fields: object): Pick<Scene, 'name' | 'legs' | 'filters' | 'routes' | 'isSequential'> => ({
  name,
  legs: ['h1-h1'],
  isSequential: true,
  filters: [filter('health_check', { headers: [header(':path', { exact: '/healthz' })], ...fields }, 'HealthCheck')],
  routes: [to(ANY, 'a')],
});

export const noted: readonly Scene[] = [
  {
    name: 'query-mutations',
    legs: ['h1-h1'],
    filters: [
      filter('header_mutation', { mutations: { query_parameter_mutations: [query('g', 'v', 'ADD_IF_ABSENT')] } }, 'HeaderMutation'),
    ],
    routes: [
      ...ACTIONS.map((action) =>
        to(exact(`/${action}`), 'a', {}, mutation({ query_parameter_mutations: [query('k', 'new %REQ(x-q)%', action)] })),
      ),
      to(exact('/remove'), 'a', {}, mutation({ query_parameter_mutations: [{ remove: 'k' }] })),
      to(
        exact('/escaped'),
        'a',
        {},
        mutation({
          query_parameter_mutations: [query('k', 'a b&c=d/e?f+g%%\u00e9', 'OVERWRITE_IF_EXISTS_OR_ADD'), query('m', '%REQ(x-none)%')],
        }),
      ),
    ],
    cases: [...ACTIONS.map((action) => `/${action}`), '/remove', '/escaped'].flatMap((path) =>
      ['', '?k=1', '?k=1&k=2&a=b', '?k=a+b&c', '?'].map((end) => get(path + end, { headers: { 'x-q': 'v w' } })),
    ),
  },
  {
    name: 'mutation-levels',
    legs: ['h1-h1'],
    routeConfig: mutation(both('table')),
    filters: [filter('header_mutation', { mutations: both('filter') }, 'HeaderMutation')],
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        ...mutation(both('host')),
        routes: [
          to(exact('/route'), 'a', {}, mutation(both('route'))),
          {
            match: exact('/weighted'),
            route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1, ...mutation(both('weighted')) }] } },
            ...mutation(both('route')),
          },
        ],
      },
    ],
    cases: ['/route', '/weighted', '/missing'].map((path) => get(path)),
  },
  {
    name: 'mutation-of-trailers',
    legs: ['h1-h1', 'h2-h2'],
    filters: [
      filter(
        'header_mutation',
        {
          mutations: {
            request_mutations: [{ remove_on_match: { key_matcher: { prefix: 'x-rm-' } } }],
            response_mutations: [{ remove_on_match: { key_matcher: { contains: 'mid' } } }],
            request_trailers_mutations: [append('x-t', 'added'), { remove: 'x-gone' }],
            response_trailers_mutations: [append('x-t', 'added'), { remove: 'x-gone' }],
          },
        },
        'HeaderMutation',
      ),
    ],
    routes: [to(ANY, 'a')],
    cases: [
      get('/', { headers: { 'x-rm-a': '1', 'x-keep': '3' }, upstream: { headers: { 'x-mid-a': '1', 'x-b': '2' } } }),
      ask('trailers', {
        method: 'POST',
        chunks: ['a'],
        trailers: { 'x-gone': '1', 'x-kept': '2' },
        upstream: { isChunked: true, trailers: { 'x-gone': '1', 'x-kept': '2' } },
      }),
    ],
  },
  {
    name: 'header-to-metadata',
    legs: ['h1-h1'],
    filters: [
      filter(
        'header_to_metadata',
        {
          request_rules: [
            { header: 'x-version', ...present('version'), on_header_missing: { metadata_namespace: 'm', key: 'default', value: 'true' } },
            { header: 'x-num', ...present('num', { type: 'NUMBER' }) },
            { header: 'x-64', ...present('decoded', { encode: 'BASE64' }) },
            { header: 'x-const', ...present('const', { value: 'else' }), remove: true },
            {
              header: 'x-re',
              ...present('re', { regex_value_rewrite: { pattern: { regex: '^/(cluster[\\w-]+)/?.*$' }, substitution: '\\1' } }),
            },
            { header: ':authority', ...present('host') },
            { cookie: 'bar', ...present('bar'), on_header_missing: { metadata_namespace: 'm', key: 'no-bar', value: 'none' } },
          ],
          response_rules: [{ header: 'x-answer', ...present('answer'), remove: true }],
        },
        'Config',
      ),
    ],
    routes: [to(ANY, 'a', {}, answers(['x-m', '%DYNAMIC_METADATA(m)%']))],
    cases: [
      ...(
        [
          ['x-version', 'v'],
          ['x-version', ''],
          ['x-num', '1.50'],
          ['x-num', '12abc'],
          ['x-64', 'aGVsbG8='],
          ['x-64', 'aGVsbG8'],
          ['x-64', 'invalid'],
          ['x-64', '!!!!'],
          ['x-const', 'thing'],
          ['x-re', '/cluster-prod-001/x'],
          ['x-re', '/foo'],
          ['cookie', 'bar="foo"'],
          ['cookie', 'a=b; bar=; c=d'],
          ['cookie', 'bar=foo; bar=qux'],
        ] as const
      ).map(([name, value]) => get('/', { headers: { [name]: value } })),
      ask('of the answer', { upstream: { headers: { 'x-answer': 'r' } } }),
    ],
  },
  {
    name: 'metadata-writes-of-routes',
    legs: ['h1-h1'],
    filters: [filter('set_metadata', writes(['a', { k: 'filter' }], ['b', { k: 'filter' }]), 'Config')],
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        ...perFilter('set_metadata', 'Config', writes(['a', { k: 'host' }], ['c', { k: 'host' }])),
        routes: [
          to(exact('/route'), 'a', {}, { ...perFilter('set_metadata', 'Config', writes(['a', { k: 'route', n: 1 }])), ...WRITTEN }),
          to(
            exact('/merge'),
            'a',
            {},
            { ...perFilter('set_metadata', 'Config', writes(['a', { x: [1] }, true], ['a', { x: [2], y: { z: 1 } }, true])), ...WRITTEN },
          ),
          to(exact('/old'), 'a', {}, { ...perFilter('set_metadata', 'Config', { metadata_namespace: 'c', value: { o: 1 } }), ...WRITTEN }),
          to(exact('/empty'), 'a', {}, { ...perFilter('set_metadata', 'Config', {}), ...WRITTEN }),
          to(ANY, 'a', {}, WRITTEN),
        ],
      },
    ],
    cases: ['/route', '/merge', '/old', '/empty', '/'].map((path) => get(path)),
  },
  {
    name: 'metadata-writes',
    legs: ['h1-h1'],
    filters: [
      filter(
        'set_metadata',
        {
          metadata_namespace: 'old',
          value: { a: 1, list: ['x'] },
          metadata: [
            { metadata_namespace: 'old', value: { a: 2 } },
            { metadata_namespace: 'old', allow_overwrite: true, value: { b: { c: 1 }, list: ['y'] } },
            { metadata_namespace: 'n', value: { k: 'v', num: 1.5, nul: null } },
          ],
        },
        'Config',
      ),
    ],
    routes: [
      to(
        ANY,
        'a',
        {},
        answers(['x-old', '%DYNAMIC_METADATA(old)%'], ['x-num', '%DYNAMIC_METADATA(n:num)%'], ['x-nul', '%DYNAMIC_METADATA(n:nul)%']),
      ),
    ],
    cases: [get('/')],
  },
  {
    name: 'filter-state',
    legs: ['h1-h1'],
    filters: [
      filter(
        'set_filter_state',
        states(
          state('a', '%REQ(x-a)%'),
          state('skipped', '%REQ(x-a)%', { skip_if_empty: true }),
          state('omitted', '', { format_string: { text_format_source: { inline_string: '%REQ(x-none)%' }, omit_empty_values: true } }),
        ),
        'Config',
      ),
    ],
    routes: [
      to(
        ANY,
        'a',
        {},
        answers(
          ['x-plain', '%FILTER_STATE(a:PLAIN)%'],
          ['x-typed', '%FILTER_STATE(a)%'],
          ['x-field', '%FILTER_STATE(a:FIELD:x)%'],
          ['x-skipped', '[%FILTER_STATE(skipped:PLAIN)%]'],
          ['x-omitted', '[%FILTER_STATE(omitted:PLAIN)%]'],
        ),
      ),
    ],
    cases: [get('/'), get('/', { headers: { 'x-a': 'val"ue' } })],
  },
  {
    name: 'filter-state-levels',
    legs: ['h1-h1'],
    filters: [filter('set_filter_state', states(state('a', 'filter'), state('b', 'filter'), state('c', 'filter')), 'Config')],
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        ...perFilter('set_filter_state', 'Config', states(state('a', 'host'), state('b', 'host'))),
        routes: [
          to(
            ANY,
            'a',
            {},
            {
              ...perFilter('set_filter_state', 'Config', states(state('a', 'route'))),
              ...answers(['x-all', '%FILTER_STATE(a:PLAIN)% %FILTER_STATE(b:PLAIN)% %FILTER_STATE(c:PLAIN)%']),
            },
          ),
        ],
      },
    ],
    cases: [get('/')],
  },
  {
    name: 'levels-without-route',
    legs: ['h1-h1'],
    filters: [filter('fault', {}, 'HTTPFault')],
    virtualHosts: [{ name: 'f', domains: ['*'], ...perFilter('fault', 'HTTPFault', FAULT), routes: [to(exact('/x'), 'a')] }],
    cases: [get('/x'), get('/missing')],
  },
  {
    name: 'disabled-without-route',
    legs: ['h1-h1'],
    filters: [filter('fault', FAULT, 'HTTPFault')],
    virtualHosts: [{ name: 'f', domains: ['*'], ...ofFilter({ disabled: true }), routes: [to(exact('/x'), 'a')] }],
    cases: [get('/x'), get('/missing')],
  },
  {
    name: 'switched-on',
    legs: ['h1-h1'],
    filters: [{ ...filter('fault', FAULT, 'HTTPFault'), disabled: true }],
    routes: [to(exact('/x'), 'a', {}, ofFilter({ config: {} })), to(exact('/y'), 'a')],
    cases: [get('/x'), get('/y'), get('/missing')],
  },
  {
    ...healthz('health-of-clusters', {
      pass_through_mode: false,
      cluster_min_healthy_percentages: { a: { value: 50 }, hollow: { value: 0 } },
    }),
    clusters: { hollow: withEndpoints() },
    cases: [get('/healthz'), get('/x')],
  },
  {
    ...healthz('health-passed-through', { pass_through_mode: true }),
    cases: [ask('one', { path: '/healthz', upstream: { status: 201 } }), get('/x')],
  },
  {
    ...healthz('health-kept', { pass_through_mode: true, cache_time: '100s' }),
    cases: [
      ask('first', { path: '/healthz', upstream: { status: 503, headers: { 'x-envoy-degraded': '' } } }),
      ask('second', { path: '/healthz' }),
      get('/x'),
    ],
  },
];
