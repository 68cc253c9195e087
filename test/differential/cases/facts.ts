// What of a request conditions and hashes see: letters of the host, cookies, queries as they came, headers as they go on.

import { endpoint, withEndpoints } from '../bootstrap.ts';
import type { Case, Scene } from '../model.ts';
import { add, ask, exact, filter, get, header, prefix, to } from './build.ts';

// By keys and not by addresses, which differ from run to run.
const RING = {
  lb_policy: 'RING_HASH',
  load_assignment: {
    cluster_name: 'ring-abc',
    endpoints: [
      {
        lb_endpoints: ['a', 'b', 'c'].map((key) =>
          endpoint(key, { metadata: { filter_metadata: { 'envoy.lb': { hash_key: `host-${key}` } } } }),
        ),
      },
    ],
  },
};
const BACK_OFF = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };
const by = (path: string, ...policies: readonly object[]) => to(exact(path), 'ring-abc', { hash_policy: policies });
const byHeader = (name: string, more: object = {}) => ({ header: { header_name: name, ...more } });
const again = (path: string, policy: object) => to(exact(path), 'once', { retry_policy: { ...policy, ...BACK_OFF } });
const withCookie = (path: string, cookie: string | readonly string[] | undefined): Case =>
  get(path, cookie === undefined ? {} : { headers: { cookie: cookie as string } });

const HEADER_VALUES = [undefined, '', 'v', 'V', 'aBcz', 'xmidz', ['v', 'w'], 'v,w', '-5', '+5', '5.0', '0x5'];
const HEADERS: Readonly<Record<string, object>> = {
  exact: header('x', { exact: 'v' }),
  'exact-any-case': header('x', { exact: 'V', ignore_case: true }),
  'prefix-any-case': header('x', { prefix: 'Ab', ignore_case: true }),
  'contains-any-case': header('x', { contains: 'Mid', ignore_case: true }),
  empty: header('x', { exact: '' }),
  range: { name: 'x', range_match: { start: -10, end: 10 } },
  present: { name: 'x', present_match: true },
  not: { ...header('x', { exact: 'v' }), invert_match: true },
  'not-or-missing': { ...header('x', { exact: 'v' }), invert_match: true, treat_missing_header_as_empty: true },
  'missing-is-empty': { ...header('x', { exact: '' }), treat_missing_header_as_empty: true },
  'missing-absent': { name: 'x', present_match: false, treat_missing_header_as_empty: true },
};
const QUERIES: Readonly<Record<string, object>> = {
  exact: { name: 'q', string_match: { exact: 'v' } },
  'any-case': { name: 'q', string_match: { exact: 'V', ignore_case: true } },
  escaped: { name: 'q', string_match: { prefix: 'a%20' } },
  absent: { name: 'q', present_match: false },
  bare: { name: 'q' },
};

export const facts: readonly Scene[] = [
  {
    name: 'hash-sources',
    legs: ['h1-h1'],
    clusters: { 'ring-abc': RING },
    filters: [
      filter(
        'set_filter_state',
        {
          on_request_headers: [
            {
              object_key: 'hashed',
              factory_key: 'envoy.hashable_string',
              format_string: { text_format_source: { inline_string: '%REQ(x-u)%' } },
            },
          ],
        },
        'Config',
      ),
    ],
    routes: [
      by('/query', { query_parameter: { name: 'k' } }),
      by('/path', byHeader(':path')),
      by('/authority', byHeader(':authority')),
      by('/host', byHeader('Host')),
      by('/state', { filter_state: { key: 'hashed' } }),
      by('/cookie', { cookie: { name: 's' } }, byHeader('x-v')),
      by('/none', { connection_properties: {} }, byHeader('x-v')),
      by('/swapped', byHeader('x-u', { regex_rewrite: { pattern: { regex: '(.)(.)' }, substitution: '\\2\\1' } })),
      {
        ...by('/changed', byHeader('x-u')),
        request_headers_to_add: [add('x-u', 'fixed', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      },
      to(prefix('/rewritten/'), 'ring-abc', { prefix_rewrite: '/', hash_policy: [byHeader(':path')] }),
    ],
    cases: [
      ...['a%20b', 'a+b', '%41', '', 'x=y', '1&k=2'].map((value) => get(`/query?k=${value}`)),
      get('/query?k'),
      get('/query?%6b=1&k=3'),
      ...['1', '2', '3', '4'].flatMap((value) => [
        get(`/path?${value}`),
        get(`/rewritten/${value}`),
        get('/authority', { host: `H${value}.test` }),
        get('/host', { host: `H${value}.test:80` }),
        get('/state', { headers: { 'x-u': value } }),
        get('/cookie', { headers: { 'x-v': value, cookie: 's=; t=1' } }),
        get('/cookie', { headers: { 'x-v': value, cookie: `s=; s=${value}2` } }),
        get('/cookie', { headers: { 'x-v': value, cookie: `s="${value}${value}"` } }),
        get('/none', { headers: { 'x-v': value } }),
        get('/swapped', { headers: { 'x-u': `ab${value}d` } }),
        get('/changed', { headers: { 'x-u': value } }),
      ]),
    ],
  },
  {
    name: 'retriable-headers',
    legs: ['h1-h1', 'h2-h2'],
    isSequential: true,
    clusters: { once: { ...withEndpoints('a'), http_options: { common_http_protocol_options: { max_requests_per_connection: 1 } } } },
    routes: [
      again('/status', { retry_on: 'retriable-headers', retriable_headers: [header(':status', { exact: '500' })] }),
      again('/range', { retry_on: 'retriable-headers', retriable_headers: [{ name: ':status', range_match: { start: 500, end: 510 } }] }),
      again('/not', { retry_on: 'retriable-headers', retriable_headers: [{ name: 'x-no', present_match: true, invert_match: true }] }),
      again('/method', { retry_on: '5xx', retriable_request_headers: [header(':method', { exact: 'GET' })] }),
      again('/path', {
        retry_on: '5xx',
        retriable_request_headers: [header('x-a', { exact: 'a' }), header(':path', { contains: 'retry' })],
      }),
    ],
    cases: ['/status', '/range', '/not', '/method', '/path', '/path?retry'].flatMap((path) => [
      ask(`${path} 500`, { path, upstream: { status: [500, 200] } }),
      ask(`${path} 200`, { path, upstream: { status: [200, 201] } }),
      ask(`${path} POST`, { path, method: 'POST', body: 'x', headers: { 'x-a': 'a' }, upstream: { status: [500, 200] } }),
    ]),
  },
  {
    name: 'letters-of-hosts',
    routes: [
      to(exact('/exact', { headers: [header('host', { exact: 'd.test' })] }), 'a'),
      to(exact('/letters', { headers: [header(':authority', { exact: 'D.test' })] }), 'a'),
      { match: exact('/redirect'), redirect: { path_redirect: '/x' } },
      to(exact('/any'), 'a', {}, { response_headers_to_add: [add('x-host', '%REQ(:AUTHORITY)%')] }),
    ],
    cases: ['/exact', '/letters', '/redirect', '/any'].flatMap((path) =>
      ['d.test', 'D.test', 'D.TEST:80'].map((host) => get(path, { host })),
    ),
  },
  {
    name: 'values-of-headers',
    legs: ['h1-h1'],
    routes: Object.entries(HEADERS).map(([name, matcher]) => to(exact(`/${name}`, { headers: [matcher] }), 'a')),
    cases: Object.keys(HEADERS).flatMap((name) =>
      HEADER_VALUES.map((value) => get(`/${name}`, value === undefined ? {} : { headers: { x: value } })),
    ),
  },
  {
    name: 'values-of-queries',
    legs: ['h1-h1'],
    routes: Object.entries(QUERIES).map(([name, matcher]) => to(exact(`/${name}`, { query_parameters: [matcher] }), 'a')),
    cases: Object.keys(QUERIES).flatMap((name) =>
      ['', '?', '?q', '?q=', '?Q=v', '?q=V', '?q=x&q=v', '?q=v&q=x', '?q=a%20b', '?q=v=w', '?;q=v', '?&q=v', '??q=v'].map((query) =>
        get(`/${name}${query}`),
      ),
    ),
  },
  {
    name: 'values-of-cookies',
    legs: ['h1-h1', 'h2-h2'],
    routes: [
      to(exact('/is', { cookies: [{ name: 's', string_match: { exact: 'v' } }] }), 'a'),
      to(exact('/not', { cookies: [{ name: 's', string_match: { exact: 'v' }, invert_match: true }] }), 'a'),
    ],
    cases: ['/is', '/not'].flatMap((path) =>
      [
        undefined,
        's=v',
        'S=v',
        's= v',
        's =v',
        's="v"',
        'a=b; s=v',
        'a=b;  s=v',
        's=x; s=v',
        's=v; s=x',
        ['a=b', 's=v'],
        's=v=w',
        's',
        's=v;',
        ';s=v',
      ].map((cookie) => withCookie(path, cookie)),
    ),
  },
];
