// Header operations on both ways, with Envoy's command operators.

import { type } from '../bootstrap.ts';
import type { Scene } from '../model.ts';
import { ANY, add, ask, exact, get, says, to } from './build.ts';

const ACTIONS = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'];

export const headers: readonly Scene[] = [
  {
    name: 'append-actions',
    routes: ACTIONS.flatMap((action) => [
      to(exact(`/request/${action}`), 'a', {}, { request_headers_to_add: [add('x-op', 'new', { append_action: action })] }),
      to(exact(`/response/${action}`), 'a', {}, { response_headers_to_add: [add('x-op', 'new', { append_action: action })] }),
      to(
        exact(`/empty/${action}`),
        'a',
        {},
        {
          request_headers_to_add: [
            add('x-op', '', { append_action: action, keep_empty_value: true }),
            add('x-dropped', '', { append_action: action }),
          ],
        },
      ),
    ]),
    cases: ACTIONS.flatMap((action) => [
      get(`/request/${action}`),
      get(`/request/${action}`, { headers: { 'x-op': 'old' } }),
      get(`/request/${action}`, { headers: { 'x-op': ['old1', 'old2'] } }),
      get(`/request/${action}`, { headers: { 'x-op': '' } }),
      get(`/response/${action}`),
      ask(`response ${action} over one`, { path: `/response/${action}`, upstream: { headers: { 'x-op': 'old' } } }),
      ask(`response ${action} over two`, { path: `/response/${action}`, upstream: { headers: { 'x-op': ['old1', 'old2'] } } }),
      get(`/empty/${action}`, { headers: { 'x-op': 'old' } }),
      get(`/empty/${action}`),
    ]),
  },
  {
    name: 'request-operators',
    routes: [
      to(
        ANY,
        'a',
        { prefix_rewrite: '/rewritten/' },
        {
          name: 'the-route',
          metadata: { filter_metadata: { 'my.ns': { key: 'value', number: 7, deep: { a: 'b' }, list: ['x', 'y'] } } },
          request_headers_to_add: [
            ['req', '%REQ(X-ASK)%'],
            ['req-missing', '%REQ(X-MISSING)%'],
            ['req-else', '%REQ(X-MISSING?X-ASK)%'],
            ['req-cut', '%REQ(X-ASK):3%'],
            ['path', '%REQ(:PATH)%'],
            ['authority', '%REQ(:AUTHORITY)%'],
            ['original', '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%'],
            ['protocol', '%PROTOCOL%'],
            ['remote', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'],
            ['remote-port', '%DOWNSTREAM_REMOTE_ADDRESS%'],
            ['direct', '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%'],
            ['local', '%DOWNSTREAM_LOCAL_ADDRESS%'],
            ['local-plain', '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%'],
            ['cluster', '%UPSTREAM_CLUSTER%'],
            ['route', '%ROUTE_NAME%'],
            ['meta', '%METADATA(ROUTE:my.ns:key)%'],
            ['meta-number', '%METADATA(ROUTE:my.ns:number)%'],
            ['meta-object', '%METADATA(ROUTE:my.ns:deep)%'],
            ['meta-missing', '%METADATA(ROUTE:my.ns:none)%'],
            ['dynamic', '%DYNAMIC_METADATA(none:key)%'],
            ['tls', '%DOWNSTREAM_TLS_VERSION%'],
            ['sni', '%REQUESTED_SERVER_NAME%'],
            ['percent', '100%%'],
            ['mixed', 'a-%REQ(X-ASK)%-b-%PROTOCOL%-c'],
            ['plain', 'text with spaces'],
          ].map(([name, value]) => add(`x-${name}`, value as string)),
        },
      ),
    ],
    cases: [
      get('/p?q=1', { headers: { 'x-ask': 'asked' } }),
      get('/p'),
      get('/p', { headers: { 'x-ask': ['one', 'two'] } }),
      get('/', { host: 'h.test:80', method: 'POST', body: 'x' }),
    ],
  },
  {
    name: 'response-operators',
    routes: [
      to(exact('/upstream'), 'a', {}, { name: 'up', response_headers_to_add: operators() }),
      says(exact('/own'), 418, 'own', { name: 'own', response_headers_to_add: operators() }),
    ],
    cases: [
      get('/upstream'),
      ask('with a header of the answer', { path: '/upstream', upstream: { status: 207, headers: { 'x-answer': 'long value', via: 'x' } } }),
      get('/own'),
      get('/upstream', { headers: { 'x-ask': 'me' } }),
    ],
  },
  {
    name: 'levels',
    routeConfig: {
      request_headers_to_add: [add('x-level', 'config'), add('x-set', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      request_headers_to_remove: ['x-gone-config'],
      response_headers_to_add: [add('x-level', 'config'), add('x-set', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      response_headers_to_remove: ['x-drop'],
    },
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        request_headers_to_add: [add('x-level', 'host'), add('x-set', 'host', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
        request_headers_to_remove: ['x-gone-host'],
        response_headers_to_add: [add('x-level', 'host'), add('x-set', 'host', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
        routes: [
          to(
            exact('/'),
            'a',
            {},
            {
              request_headers_to_add: [add('x-level', 'route'), add('x-set', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
              request_headers_to_remove: ['x-gone-route', 'x-level-x'],
              response_headers_to_add: [
                add('x-level', 'route'),
                add('x-set', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
                add('server', 'mine', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
              ],
            },
          ),
          to(exact('/plain'), 'a'),
        ],
      },
    ],
    cases: [
      get('/', { headers: { 'x-gone-config': '1', 'x-gone-host': '1', 'x-gone-route': '1', 'x-kept': '1' } }),
      get('/plain'),
      ask('answer headers', { path: '/', upstream: { headers: { 'x-drop': '1', 'x-set': 'up', 'x-level': 'up' } } }),
    ],
  },
  {
    name: 'levels-most-specific-wins',
    routeConfig: {
      most_specific_header_mutations_wins: true,
      request_headers_to_add: [add('x-level', 'config'), add('x-set', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      response_headers_to_add: [add('x-level', 'config'), add('x-set', 'config', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
    },
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        request_headers_to_add: [add('x-level', 'host'), add('x-set', 'host', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
        response_headers_to_add: [add('x-level', 'host')],
        routes: [
          to(
            exact('/'),
            'a',
            {},
            {
              request_headers_to_add: [add('x-level', 'route'), add('x-set', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
              response_headers_to_add: [add('x-level', 'route'), add('x-set', 'route', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
            },
          ),
        ],
      },
    ],
    cases: [get('/')],
  },
  {
    name: 'removals',
    routes: [
      to(
        exact('/'),
        'a',
        {},
        {
          request_headers_to_remove: ['x-one', 'X-Two', 'user-agent', 'accept'],
          response_headers_to_remove: ['x-one', 'server', 'content-type', 'x-envoy-upstream-service-time'],
        },
      ),
      to(exact('/both'), 'a', {}, { request_headers_to_remove: ['x-one'], request_headers_to_add: [add('x-one', 'again')] }),
    ],
    cases: [
      get('/', { headers: { 'x-one': ['1', '2'], 'x-two': 'b', 'user-agent': 'me', accept: '*/*' } }),
      get('/both', { headers: { 'x-one': 'old' } }),
      ask('answer', { path: '/', upstream: { headers: { 'x-one': ['1', '2'], server: 'up' } } }),
    ],
  },
  {
    name: 'passing-through',
    routes: [to(ANY, 'a')],
    cases: [
      get('/', { headers: { 'x-many': ['1', '2', '3'], 'x-empty': '', 'user-agent': 'curl/8', accept: '*/*', cookie: 'a=b; c=d' } }),
      get('/', { headers: { cookie: ['a=b', 'c=d'] } }),
      get('/', { headers: { 'X-MiXed': 'CaSe' } }),
      get('/', { headers: { te: 'trailers' } }),
      get('/', { headers: { te: 'gzip, trailers' } }),
      get('/', { headers: { te: 'gzip' } }),
      get('/', { headers: { connection: 'keep-alive, x-hop', 'x-hop': '1' } }),
      get('/', { headers: { connection: 'close' } }),
      get('/', { headers: { 'keep-alive': 'timeout=5' } }),
      get('/', { headers: { 'proxy-connection': 'keep-alive' } }),
      get('/', { headers: { 'proxy-authorization': 'x' } }),
      get('/', { headers: { 'x-envoy-anything': '1', 'x-envoy-internal': 'true' } }),
      get('/', { headers: { 'x-latin': 'caf\u00e9' } }, { legs: ['h1-h1'] }),
      ask('answer headers', {
        upstream: {
          headers: {
            'set-cookie': ['a=b', 'c=d'],
            'x-empty': '',
            'X-Mixed': 'CaSe',
            'cache-control': 'no-store',
            date: 'Mon, 01 Jan 2024 00:00:00 GMT',
            server: 'up/1',
          },
        },
      }),
      ask(
        'answer with hop headers',
        { upstream: { headers: { 'keep-alive': 'timeout=5', 'proxy-connection': 'x', connection: 'x-hop', 'x-hop': '1' } } },
        { legs: ['h1-h1', 'h2-h1'], differs: 'RFC 9110 7.6.1: what Connection names is for one hop only; Envoy forwards it' },
      ),
      ask('answer that says x-envoy', {
        upstream: {
          headers: {
            'x-envoy-overloaded': 'true',
            'x-envoy-upstream-service-time': '9999',
            'x-envoy-immediate-health-check-fail': 'x',
            'x-envoy-degraded': '1',
          },
        },
      }),
    ],
  },
  {
    name: 'attempt-count',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        include_request_attempt_count: true,
        include_attempt_count_in_response: true,
        routes: [to(ANY, 'a', { retry_policy: { retry_on: '5xx', num_retries: 2 } }), says(exact('/own'), 200, 'x')],
      },
    ],
    isSequential: true,
    cases: [get('/'), ask('second', { upstream: { status: [503, 200] } }), get('/', { headers: { 'x-envoy-attempt-count': '7' } })],
  },
  {
    name: 'suppressed-headers',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        include_request_attempt_count: true,
        include_attempt_count_in_response: true,
        routes: [to(ANY, 'a', { timeout: '5s', prefix_rewrite: '/new' })],
      },
    ],
    manager: {
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': type('filters.http.router.v3.Router'), suppress_envoy_headers: true },
        },
      ],
    },
    cases: [get('/'), get('/', { headers: { 'x-envoy-upstream-rq-timeout-ms': '900' } })],
  },
];

function operators(): object[] {
  return [
    ['code', '%RESPONSE_CODE%'],
    ['flags', '%RESPONSE_FLAGS%'],
    ['details', '%RESPONSE_CODE_DETAILS%'],
    ['resp', '%RESP(X-ANSWER)%'],
    ['resp-cut', '%RESP(X-ANSWER):4%'],
    ['resp-else', '%RESP(X-MISSING?X-ANSWER)%'],
    ['req', '%REQ(X-ASK)%'],
    ['upstream', '%UPSTREAM_HOST%'],
    ['upstream-plain', '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'],
    ['cluster', '%UPSTREAM_CLUSTER%'],
    ['route', '%ROUTE_NAME%'],
    ['protocol', '%PROTOCOL%'],
    ['method', '%REQ(:METHOD)%'],
    ['path', '%REQ(:PATH)%'],
    ['status', '%RESP(:STATUS)%'],
    ['received', '%BYTES_RECEIVED%'],
    ['via', '%RESP(VIA)%'],
  ].map(([name, value]) => add(`x-op-${name}`, value as string));
}
