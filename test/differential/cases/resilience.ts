// Retries, timeouts, circuit breakers, priorities, failing upstreams.

import { endpoint, withEndpoints } from '../bootstrap.ts';
import type { Case, Scene } from '../model.ts';
import { ANY, ask, exact, GRPC, get, prefix, to } from './build.ts';

const retries = (policy: object, more: object = {}) => ({
  retry_policy: { num_retries: 2, retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' }, ...policy },
  ...more,
});
const statuses = (status: number | readonly number[]) => ({ upstream: { status } });
/** Longer than any of the time limits below. */
const tooLong = { upstream: { delayMs: 1200 } };
const RETRY_ROUTES = [
  ['5xx', retries({ retry_on: '5xx' })],
  ['gateway-error', retries({ retry_on: 'gateway-error' })],
  ['reset', retries({ retry_on: 'reset' })],
  ['connect-failure', retries({ retry_on: 'connect-failure' })],
  ['retriable-4xx', retries({ retry_on: 'retriable-4xx' })],
  ['status-codes', retries({ retry_on: 'retriable-status-codes', retriable_status_codes: [418, 429] })],
  ['headers', retries({ retry_on: 'retriable-headers', retriable_headers: [{ name: 'x-retry', present_match: true }] })],
  ['request-headers', retries({ retry_on: '5xx', retriable_request_headers: [{ name: 'x-may', string_match: { exact: 'yes' } }] })],
  ['refused-stream', retries({ retry_on: 'refused-stream' })],
  ['reset-before', retries({ retry_on: 'reset-before-request' })],
  ['grpc', retries({ retry_on: 'cancelled,deadline-exceeded,resource-exhausted,unavailable,internal' })],
  ['overloaded', retries({ retry_on: 'envoy-ratelimited,5xx' })],
  ['one', retries({ retry_on: '5xx', num_retries: 1 })],
  ['zero', retries({ retry_on: '5xx', num_retries: 0 })],
  ['none', {}],
  ['default-number', { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.001s' } } }],
  ['per-try', retries({ retry_on: '5xx', per_try_timeout: '0.8s' })],
] as const;

/** Clusters of the failing upstreams, each with a route of its name. */
const ONE_ROUTE_EACH = [
  'refused',
  'empty',
  'no-requests',
  'no-pending',
  'no-connections',
  'unhealthy',
  'all-unhealthy',
  'no-panic',
  'second-priority',
  'draining',
  'weights',
  'once-each',
];

/** Where Lateen refuses more of an upstream than Envoy does. */
const STRICTER: Record<string, string> = {
  'a status of one digit': 'RFC 9112 4: three digits',
  'status 099': 'RFC 9110 15: statuses begin at 100',
  'an unasked 101': 'RFC 9110 15.2.2: only after an Upgrade',
  'a continued line': 'RFC 9112 5.2: obsolete folding may be refused',
  'only line feeds': 'lines end in CR LF; other parsers may see another message',
  'a chunk size that is none': 'nothing has been answered yet, so a 502 can say it',
};

export const resilience: readonly Scene[] = [
  {
    name: 'retries',
    clusters: { fresh: { ...withEndpoints('a'), http_options: { common_http_protocol_options: { max_requests_per_connection: 1 } } } },
    routes: [...RETRY_ROUTES.map(([name, action]) => to(exact(`/${name}`), 'fresh', action)), to(exact('/reused'), 'b')],
    isSequential: true,
    cases: [
      ...['5xx', 'gateway-error', 'reset', 'retriable-4xx', 'status-codes', 'none', 'zero'].flatMap((name) => [
        ask(`${name}: 503 then 200`, { path: `/${name}`, ...statuses([503, 200]) }),
        ask(`${name}: 500 then 200`, { path: `/${name}`, ...statuses([500, 200]) }),
        ask(`${name}: 409 then 200`, { path: `/${name}`, ...statuses([409, 200]) }),
        ask(`${name}: 418 then 200`, { path: `/${name}`, ...statuses([418, 200]) }),
        ask(`${name}: reset then 200`, { path: `/${name}`, upstream: { resets: 1 } }),
      ]),
      ask(
        'a reused connection that ends',
        {},
        {
          request: [{ path: '/reused' }, { path: '/reused', upstream: { resets: 2 } }],
        },
      ),
      ask('5xx: always 503', { path: '/5xx', ...statuses(503) }),
      ask('5xx: 503, 504, 200', { path: '/5xx', ...statuses([503, 504, 200]) }),
      ask('5xx: always reset', { path: '/5xx', upstream: { resets: 9 } }),
      ask('5xx: POST', { path: '/5xx', method: 'POST', body: 'data', ...statuses([503, 200]) }),
      ask('5xx: chunked POST', { path: '/5xx', method: 'POST', chunks: ['da', 'ta'], ...statuses([503, 200]) }),
      ask('5xx: POST and trailers', {
        path: '/5xx',
        method: 'POST',
        chunks: ['da', 'ta'],
        trailers: { 'x-sum': '1' },
        ...statuses([503, 200]),
      }),
      ask('5xx: large POST', { path: '/5xx', method: 'POST', body: 'd'.repeat(200_000), ...statuses([503, 200]) }),
      ask('one: twice 503', { path: '/one', ...statuses([503, 503, 200]) }),
      ask('default number: 503, 200', { path: '/default-number', ...statuses([503, 200]) }),
      ask('default number: 503, 503, 200', { path: '/default-number', ...statuses([503, 503, 200]) }),
      ask('connect-failure: reset', { path: '/connect-failure', upstream: { resets: 1 } }),
      ask('refused-stream: reset', { path: '/refused-stream', upstream: { resets: 1 } }),
      ask('reset-before-request: reset', { path: '/reset-before', upstream: { resets: 1 } }),
      ask('retriable header', { path: '/headers', upstream: { status: [200, 200, 200], headers: { 'x-retry': '1' } } }),
      ask('no retriable header', { path: '/headers', ...statuses([503, 200]) }),
      ask('request may', { path: '/request-headers', headers: { 'x-may': 'yes' }, ...statuses([503, 200]) }),
      ask('request may not', { path: '/request-headers', ...statuses([503, 200]) }),
      ask('per try', { path: '/per-try', upstream: { delayMs: [1200, 0] } }),
      ask('per try, always', { path: '/per-try', upstream: { delayMs: 1200 } }),
      ask('asked by header: retry-on', { path: '/none', headers: { 'x-envoy-retry-on': '5xx' }, ...statuses([503, 200]) }),
      ask('asked by header: max-retries', {
        path: '/none',
        headers: { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' },
        ...statuses([503, 503, 200]),
      }),
      ask('asked by header: status codes', {
        path: '/none',
        headers: { 'x-envoy-retry-on': 'retriable-status-codes', 'x-envoy-retriable-status-codes': '418,419' },
        ...statuses([418, 200]),
      }),
      ask('asked by header: over the route', { path: '/zero', headers: { 'x-envoy-max-retries': '2' }, ...statuses([503, 503, 200]) }),
      ask('asked by header: gRPC', {
        path: '/none',
        headers: { 'x-envoy-retry-grpc-on': 'unavailable' },
        upstream: { headers: { ...GRPC.headers, 'grpc-status': '14' } },
      }),
      ask('gRPC status in headers', {
        path: '/grpc',
        ...GRPC,
        upstream: { headers: { ...GRPC.headers, 'grpc-status': '14' }, body: '' },
      }),
      ask('gRPC status in trailers', {
        path: '/grpc',
        ...GRPC,
        upstream: { headers: GRPC.headers, trailers: { 'grpc-status': '14' } },
      }),
      ask('gRPC status that is not asked', {
        path: '/grpc',
        ...GRPC,
        upstream: { headers: { ...GRPC.headers, 'grpc-status': '3' }, body: '' },
      }),
      ask('rate limited', { path: '/overloaded', upstream: { status: [429, 200], headers: { 'x-envoy-ratelimited': 'true' } } }),
      ask('HEAD', { path: '/5xx', method: 'HEAD', ...statuses([503, 200]) }),
    ],
  },
  {
    name: 'retry-of-virtual-host',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        retry_policy: { retry_on: '5xx', num_retries: 1 },
        routes: [to(exact('/inherits'), 'a'), to(exact('/own'), 'a', { retry_policy: { retry_on: 'gateway-error', num_retries: 2 } })],
      },
    ],
    isSequential: true,
    cases: [
      ask('inherits', { path: '/inherits', ...statuses([500, 200]) }),
      ask('inherits once', { path: '/inherits', ...statuses([500, 500, 200]) }),
      ask('own', { path: '/own', ...statuses([503, 503, 200]) }),
      ask('own, not inherited', { path: '/own', ...statuses([500, 200]) }),
    ],
  },
  {
    name: 'retry-other-hosts',
    clusters: {
      'dead-first': {
        load_assignment: {
          cluster_name: 'x',
          endpoints: [
            { priority: 0, lb_endpoints: [endpoint('nobody')] },
            { priority: 1, lb_endpoints: [endpoint('b')] },
          ],
        },
      },
      'dead-and-alive': { ...withEndpoints('nobody', 'b') },
      'fallback-host': { ...withEndpoints('a', 'b'), lb_policy: 'ROUND_ROBIN' },
    },
    routes: [
      to(exact('/other'), 'dead-and-alive', {
        timeout: '0s',
        retry_policy: {
          retry_on: 'connect-failure,5xx,reset',
          num_retries: 5,
          retry_host_predicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
            },
          ],
          host_selection_retry_max_attempts: '5',
        },
      }),
      to(exact('/alive'), 'fallback-host'),
    ],
    cases: [ask('ends at the host that is alive', { path: '/other' }, { logVaries: true })],
  },
  {
    name: 'timeouts',
    routes: [
      to(exact('/route'), 'a', { timeout: '0.4s' }),
      to(exact('/none'), 'a', { timeout: '0s' }),
      to(exact('/default'), 'a'),
      to(exact('/idle'), 'a', { idle_timeout: '0.4s', timeout: '0s' }),
      to(exact('/per-try'), 'a', {
        // The second try answers at once, on a busy machine within a second.
        timeout: '4s',
        retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '1s', retry_back_off: { base_interval: '0.001s' } },
      }),
      to(exact('/idle-try'), 'a', { retry_policy: { retry_on: 'connect-failure', num_retries: 1, per_try_idle_timeout: '0.4s' } }),
      to(exact('/max'), 'a', { max_stream_duration: { max_stream_duration: '0.4s' } }),
      to(exact('/grpc'), 'a', { max_stream_duration: { grpc_timeout_header_max: '0.4s' } }),
      to(exact('/grpc-any'), 'a', { max_stream_duration: { grpc_timeout_header_max: '0s' } }),
    ],
    cases: [
      ask('route', { path: '/route', ...tooLong }),
      ask('in time', { path: '/route' }),
      ask('none', { path: '/none', upstream: { delayMs: 300 } }),
      get('/default'),
      ask('idle', { path: '/idle', ...tooLong }),
      ask('per try', { path: '/per-try', upstream: { delayMs: [1200, 0] } }),
      ask('quiet try', { path: '/idle-try', ...tooLong }),
      ask('max stream duration', { path: '/max', ...tooLong }),
      ask('by header', { path: '/default', headers: { 'x-envoy-upstream-rq-timeout-ms': '150' }, upstream: { delayMs: 500 } }),
      ask('by header, in time', { path: '/default', headers: { 'x-envoy-upstream-rq-timeout-ms': '1500' } }),
      ask('by header over the route', {
        path: '/route',
        headers: { 'x-envoy-upstream-rq-timeout-ms': '5000' },
        upstream: { delayMs: 900 },
      }),
      ask('per try by header', {
        path: '/default',
        headers: { 'x-envoy-upstream-rq-per-try-timeout-ms': '150' },
        upstream: { delayMs: 500 },
      }),
      ask('expected timeout of the client', { path: '/route', headers: { 'x-envoy-expected-rq-timeout-ms': '77' } }),
      ask('alternative answer', {
        path: '/route',
        headers: { 'x-envoy-upstream-rq-timeout-alt-response': '1' },
        ...tooLong,
      }),
      ask('gRPC timeout header, capped', {
        path: '/grpc',
        ...GRPC,
        headers: { ...GRPC.headers, 'grpc-timeout': '5S' },
        ...tooLong,
      }),
      ask('gRPC timeout header', {
        path: '/grpc-any',
        ...GRPC,
        headers: { ...GRPC.headers, 'grpc-timeout': '400m' },
        ...tooLong,
      }),
      ask('gRPC route timeout', {
        path: '/route',
        ...GRPC,
        ...tooLong,
      }),
      ask('POST that takes too long', { path: '/route', method: 'POST', body: 'data', ...tooLong }),
    ],
  },
  {
    name: 'failing-upstreams',
    clusters: {
      refused: withEndpoints('nobody'),
      empty: { load_assignment: { cluster_name: 'empty', endpoints: [] } },
      'no-requests': { ...withEndpoints('a'), circuit_breakers: { thresholds: [{ max_requests: 0 }] } },
      'no-pending': { ...withEndpoints('a'), circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } },
      'no-connections': { ...withEndpoints('a'), circuit_breakers: { thresholds: [{ max_connections: 0 }] } },
      'no-retries': { ...withEndpoints('a'), circuit_breakers: { thresholds: [{ max_retries: 0 }] } },
      unhealthy: {
        load_assignment: {
          cluster_name: 'x',
          endpoints: [{ lb_endpoints: [endpoint('a', { health_status: 'UNHEALTHY' }), endpoint('b')] }],
        },
      },
      'all-unhealthy': {
        load_assignment: { cluster_name: 'x', endpoints: [{ lb_endpoints: [endpoint('a', { health_status: 'UNHEALTHY' })] }] },
      },
      'no-panic': {
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
        load_assignment: { cluster_name: 'x', endpoints: [{ lb_endpoints: [endpoint('a', { health_status: 'UNHEALTHY' })] }] },
      },
      'second-priority': {
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
        load_assignment: {
          cluster_name: 'x',
          endpoints: [
            { priority: 0, lb_endpoints: [endpoint('a', { health_status: 'UNHEALTHY' })] },
            { priority: 1, lb_endpoints: [endpoint('b')] },
          ],
        },
      },
      draining: {
        load_assignment: {
          cluster_name: 'x',
          endpoints: [{ lb_endpoints: [endpoint('a', { health_status: 'DRAINING' }), endpoint('c')] }],
        },
      },
      subsets: {
        lb_subset_config: { fallback_policy: 'NO_FALLBACK', subset_selectors: [{ keys: ['version'] }] },
        load_assignment: {
          cluster_name: 'x',
          endpoints: [
            {
              lb_endpoints: ['a', 'b'].map((name) =>
                endpoint(name, { metadata: { filter_metadata: { 'envoy.lb': { version: `v-${name}` } } } }),
              ),
            },
          ],
        },
      },
      weights: { load_assignment: { cluster_name: 'x', endpoints: [{ lb_endpoints: [endpoint('b', { load_balancing_weight: 1 })] }] } },
      'once-each': { ...withEndpoints('a'), http_options: { common_http_protocol_options: { max_requests_per_connection: 1 } } },
    },
    routes: [
      ...ONE_ROUTE_EACH.map((name) => to(exact(`/${name}`), name)),
      to(exact('/no-retries'), 'no-retries', { retry_policy: { retry_on: '5xx', num_retries: 2 } }),
      to(exact('/refused-retried'), 'refused', { retry_policy: { retry_on: 'connect-failure', num_retries: 1 } }),
      ...['a', 'b', 'c'].map((version) =>
        to(exact(`/subset/${version}`), 'subsets', { metadata_match: { filter_metadata: { 'envoy.lb': { version: `v-${version}` } } } }),
      ),
      to(prefix('/a'), 'a'),
    ],
    cases: [
      ...[...ONE_ROUTE_EACH, 'refused-retried', 'subset/a', 'subset/b', 'subset/c'].map((name) => get(`/${name}`)),
      ask('no retries left', { path: '/no-retries', ...statuses([503, 200]) }),
      ask('reset before headers', { path: '/a', upstream: { resets: 1 } }),
      ask('refused gRPC', { path: '/refused', ...GRPC }),
      ask('reset gRPC', { path: '/a', ...GRPC, upstream: { resets: 1 } }),
      ask('refused HEAD', { path: '/refused', method: 'HEAD' }),
    ],
  },
  {
    name: 'broken-answers',
    clusters: { once: { ...withEndpoints('a'), http_options: { common_http_protocol_options: { max_requests_per_connection: 1 } } } },
    routes: [to(ANY, 'once')],
    cases: [
      ['nothing', ''],
      ['rubbish', 'hello, is anybody there?\r\n\r\n'],
      ['half a head', 'HTTP/1.1 200 OK\r\ncontent-le'],
      ['a body that is too short', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello'],
      ['no length', 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end'],
      ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nold'],
      ['no reason', 'HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok'],
      ['chunks that end early', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel'],
      ['a chunk size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n'],
      ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello'],
      ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
      ['a status of one digit', 'HTTP/1.1 2 OK\r\ncontent-length: 0\r\n\r\n'],
      ['status 099', 'HTTP/1.1 099 No\r\ncontent-length: 0\r\n\r\n'],
      ['status 999', 'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n'],
      ['204 with a body', 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'],
      ['304 with a length', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'],
      ['an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
      ['103 first', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'],
      ['100 first', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'],
      ['more than it says', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more'],
      ['a space before the colon', 'HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 2\r\n\r\nok'],
      ['NUL in a value', 'HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 2\r\n\r\nok'],
      ['a continued line', 'HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 2\r\n\r\nok'],
      ['only line feeds', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok'],
      ['a head of 70 KiB', 'HTTP/1.1 200 OK\r\nx-long: {padding}\r\ncontent-length: 2\r\n\r\nok'],
      ['120 headers', `HTTP/1.1 200 OK\r\n${'x-many: 1\r\n'.repeat(120)}content-length: 2\r\n\r\nok`],
      ['trailers', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n'],
      ['a name with an underscore', 'HTTP/1.1 200 OK\r\nx_a: 1\r\ncontent-length: 2\r\n\r\nok'],
    ].map(([name, raw]) => ask(name as string, { upstream: { raw: raw as string, padding: 70_000 } }, strictly(name as string))),
  },
];

function strictly(name: string): Partial<Case> {
  const differs = STRICTER[name];
  return differs ? { differs } : {};
}
