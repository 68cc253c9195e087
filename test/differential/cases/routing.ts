// What routes do beyond their usual matches and actions: retries to other priorities, path parameters, templates, metadata.

import { endpoint, type, withEndpoints } from '../bootstrap.ts';
import type { Scene } from '../model.ts';
import { ANY, add, ask, exact, filter, get, prefix, says, to } from './build.ts';

const BACK_OFF = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };
const byPriority = (updateFrequency: number, more: object = {}) => ({
  retry_policy: {
    retry_on: '5xx,connect-failure',
    num_retries: 5,
    ...BACK_OFF,
    retry_priority: {
      name: 'envoy.retry_priorities.previous_priorities',
      typed_config: { '@type': type('retry.priority.previous_priorities.v3.PreviousPrioritiesConfig'), update_frequency: updateFrequency },
    },
    ...more,
  },
});
const priorities = (name: string, ...groups: readonly (readonly object[])[]) => ({
  load_assignment: { cluster_name: name, endpoints: groups.map((hosts, priority) => ({ priority, lb_endpoints: hosts })) },
});
const template = (value: string) => ({
  path_match_policy: {
    name: 'm',
    typed_config: { '@type': type('path.match.uri_template.v3.UriTemplateMatchConfig'), path_template: value },
  },
});
const rewrite = (value: string) => ({
  path_rewrite_policy: {
    name: 'r',
    typed_config: { '@type': type('path.rewrite.uri_template.v3.UriTemplateRewriteConfig'), path_template_rewrite: value },
  },
});
const noted = (name: string, path: readonly string[], value: object) =>
  ['', 'not-'].map((not) =>
    to(
      exact(`/${not}${name}`, { dynamic_metadata: [{ filter: 'n', path: path.map((key) => ({ key })), value, invert: not !== '' }] }),
      'a',
      {},
      { name: `${not}${name}` },
    ),
  );
const mirrored = { upstream: { delayMs: 80 } };

export const routing: readonly Scene[] = [
  {
    name: 'retry-priorities',
    legs: ['h1-h1'],
    isSequential: true,
    clusters: {
      three: priorities('three', [endpoint('a')], [endpoint('b')], [endpoint('c')]),
      'first-gone': priorities('first-gone', [endpoint('nobody')], [endpoint('b')], [endpoint('c')]),
      'second-ill': priorities('second-ill', [endpoint('a')], [endpoint('b', { health_status: 'UNHEALTHY' })], [endpoint('c')]),
    },
    routes: [
      to(exact('/each'), 'three', byPriority(1)),
      to(exact('/second'), 'three', byPriority(2)),
      to(exact('/first-gone'), 'first-gone', byPriority(1)),
      to(exact('/second-ill'), 'second-ill', byPriority(1)),
    ],
    cases: ['/each', '/second', '/first-gone', '/second-ill'].map((path) => ask(path, { path, upstream: { status: 503 } })),
  },
  {
    name: 'timeout-retries',
    legs: ['h1-h1'],
    isSequential: true,
    clusters: { anew: { ...withEndpoints('a'), http_options: { common_http_protocol_options: { max_requests_per_connection: 1 } } } },
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        include_is_timeout_retry_header: true,
        routes: [to(ANY, 'anew', { retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.2s', ...BACK_OFF } })],
      },
    ],
    cases: [
      ask('too late, then wrong', { upstream: { delayMs: [600, 0, 0], status: [200, 503, 200] } }),
      get('/', { headers: { 'x-envoy-is-timeout-retry': 'true' } }),
    ],
  },
  {
    name: 'path-parameters',
    legs: ['h1-h1'],
    routeConfig: { ignore_path_parameters_in_path_matching: true },
    routes: [
      to(exact('/exact'), 'a', { prefix_rewrite: '/n' }, { name: 'exact' }),
      to(prefix('/pre'), 'a', { prefix_rewrite: '/n' }, { name: 'pre' }),
      to({ path_separated_prefix: '/sep' }, 'a', { prefix_rewrite: '/n' }, { name: 'sep' }),
      to({ safe_regex: { regex: '/re[0-9]+' } }, 'a', { prefix_rewrite: '/n' }, { name: 'regex' }),
    ],
    cases: ['/exact;a=b?c;d', '/exac;t', '/pre;x/y', '/sep;a/b', '/sep/x;y', '/re12;x?q', '/re;12'].map((path) => get(path)),
  },
  {
    name: 'templates-with-suffixes',
    legs: ['h1-h1'],
    routes: [
      to(template('/m/**.m3u8'), 'a', {}, { name: 'm3u8' }),
      to(template('/s/*_suf'), 'a', {}, { name: 'suffix' }),
      to(template('/foo/{a}/**.ts'), 'a', rewrite('/{a}/got'), { name: 'ts' }),
      to(template('/r/{one}/{two}/**.m3u8'), 'a', rewrite('/{one}-{two}{one}'), { name: 'twice' }),
      to(template('/eq/{c==na/*}'), 'a', rewrite('/{c}'), { name: 'equals' }),
      to(template('/end/*/'), 'a', {}, { name: 'end' }),
    ],
    cases: [
      '/m/a/b/c.m3u8',
      '/m/xm3u8',
      '/s/a_suf',
      '/s/_suf',
      '/foo/1/b/c.ts?q',
      '/r/1/2/a.m3u8?x=y',
      '/eq/=na/three',
      '/end/x/',
      '/end/x',
    ].map((path) => get(path)),
  },
  {
    name: 'metadata-matchers',
    legs: ['h1-h1'],
    filters: [
      filter(
        'set_metadata',
        { metadata: [{ metadata_namespace: 'n', value: { s: 'foo', num: 5, b: true, l: ['a', 'b'], nul: null, deep: { x: 'y' } } }] },
        'Config',
      ),
    ],
    routes: [
      ...noted('text', ['s'], { string_match: { prefix: 'f' } }),
      ...noted('number', ['num'], { double_match: { range: { start: 1, end: 5 } } }),
      ...noted('bool', ['b'], { bool_match: true }),
      ...noted('list', ['l'], { list_match: { one_of: { string_match: { exact: 'b' } } } }),
      ...noted('null', ['nul'], { null_match: {} }),
      ...noted('present', ['none'], { present_match: true }),
      ...noted('absent', ['none'], { present_match: false }),
      ...noted('deep', ['deep', 'x'], { string_match: { exact: 'y' } }),
    ],
    cases: ['text', 'number', 'bool', 'list', 'null', 'present', 'absent', 'deep'].flatMap((name) => [
      get(`/${name}`),
      get(`/not-${name}`),
    ]),
  },
  {
    name: 'mirror-levels',
    legs: ['h1-h1'],
    sortsSeen: true,
    isSequential: true,
    routeConfig: { request_mirror_policies: [{ cluster: 'c' }] },
    virtualHosts: [
      {
        name: 'own',
        domains: ['v.test'],
        request_mirror_policies: [{ cluster: 'b' }],
        routes: [
          to(exact('/own'), 'a', { request_mirror_policies: [{ cluster: 'c', host_rewrite_literal: 'm.test' }] }),
          to(exact('/x'), 'a'),
        ],
      },
      {
        name: 'rest',
        domains: ['*'],
        routes: [
          to(exact('/x'), 'a'),
          to(exact('/changed'), 'a', {
            request_mirror_policies: [
              {
                cluster_header: 'x-m',
                request_headers_mutations: [{ append: { header: { key: 'x-added', value: '%REQ(:path)%' } } }, { remove: 'x-secret' }],
              },
            ],
          }),
          says(exact('/answered'), 200, 'x'),
        ],
      },
    ],
    cases: [
      get('/own', { host: 'v.test', ...mirrored }),
      get('/x', { host: 'v.test', ...mirrored }),
      get('/x', mirrored),
      get('/changed', { headers: { 'x-m': ['b', 'c'], 'x-secret': '1' }, ...mirrored }),
      get('/changed', { headers: { 'x-m': 'nowhere' }, ...mirrored }),
      get('/answered'),
    ],
  },
  {
    name: 'cluster-by-header',
    legs: ['h1-h1'],
    routes: [
      { match: exact('/authority'), route: { cluster_header: ':authority' } },
      { match: exact('/header'), route: { cluster_header: 'x-c' } },
      {
        match: exact('/weighted'),
        route: {
          weighted_clusters: {
            clusters: [{ cluster_header: 'x-c', weight: 1, request_headers_to_add: [add('x-w', 'w')], host_rewrite_literal: 'w.test' }],
          },
        },
      },
    ],
    cases: [
      get('/authority', { host: 'b' }),
      get('/header', { headers: { 'x-c': ['b', 'c'] } }),
      get('/weighted', { headers: { 'x-c': 'b' } }),
      get('/weighted'),
    ],
  },
];
