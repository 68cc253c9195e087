// What a caller asks of the router in x-envoy-* headers and grpc-timeout, and for how long it waits.

import { type, withEndpoints } from '../bootstrap.ts';
import type { Request, Scene, UpstreamOrder } from '../model.ts';
import { ANY, ask, exact, GRPC, get, raw, to } from './build.ts';

const INTERNAL = { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } };
const once = (fields: object = {}) => ({
  ...withEndpoints('a'),
  http_options: { common_http_protocol_options: { max_requests_per_connection: 1, ...fields } },
});
const retry = (on: string, headers: Request['headers'], upstream: UpstreamOrder) =>
  get('/', { headers: { 'x-forwarded-for': '10.0.0.1', 'x-envoy-retry-on': on, ...headers }, upstream });
const timed = (headers: Request['headers'], delayMs = 0) =>
  get('/', { headers: { 'x-forwarded-for': '10.0.0.1', ...headers }, ...(delayMs > 0 && { upstream: { delayMs } }) });
const gRpc = (timeout: string): Request => ({ ...GRPC, headers: { ...GRPC.headers, 'grpc-timeout': timeout } });
const router = (fields: object) => ({
  http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': type('filters.http.router.v3.Router'), ...fields } }],
});

export const callers: readonly Scene[] = [
  ...[true, false].map(
    (isTrusted): Scene => ({
      name: isTrusted ? 'trusted-callers' : 'other-callers',
      isSequential: true,
      legs: isTrusted ? ['h1-h1', 'h2-h2'] : ['h1-h1'],
      ...(isTrusted && { manager: INTERNAL }),
      clusters: { [isTrusted ? 'once-trusted' : 'once-other']: once() },
      routes: [to(ANY, isTrusted ? 'once-trusted' : 'once-other', { timeout: '5s' })],
      cases: [
        timed({ 'x-envoy-upstream-rq-timeout-ms': '150' }, 300),
        timed({ 'x-envoy-upstream-rq-timeout-ms': '150', 'x-envoy-upstream-rq-timeout-alt-response': 'x' }, 300),
        timed({ 'x-envoy-upstream-stream-duration-ms': '150' }, 300),
        timed({ 'x-envoy-upstream-rq-per-try-timeout-ms': '700' }),
        timed({ 'x-envoy-upstream-rq-timeout-ms': 'soon' }),
        timed({ 'x-envoy-force-trace': 'true' }),
        retry('5xx', {}, { status: [503, 200] }),
        retry('5xx', { 'x-envoy-max-retries': '3' }, { status: [503, 503, 503, 200] }),
        retry('5xx', { 'x-envoy-max-retries': '0' }, { status: [503, 200] }),
        retry('retriable-status-codes', { 'x-envoy-retriable-status-codes': '418, 419' }, { status: [419, 200] }),
        retry('retriable-headers', { 'x-envoy-retriable-header-names': 'X-Again' }, { headers: { 'x-again': '1' } }),
        retry('nonsense, 5xx', {}, { status: [503, 200] }),
        retry('nonsense', { 'x-envoy-max-retries': '3' }, { status: [503, 200] }),
        get('/', {
          ...GRPC,
          headers: { ...GRPC.headers, 'x-forwarded-for': '10.0.0.1', 'x-envoy-retry-grpc-on': 'unavailable' },
          upstream: { headers: { 'grpc-status': '14' } },
        }),
      ],
    }),
  ),
  {
    name: 'strict-callers',
    manager: { ...INTERNAL, ...router({ strict_check_headers: ['x-envoy-upstream-rq-timeout-ms', 'x-envoy-retry-on'] }) },
    routes: [to(ANY, 'a')],
    cases: [
      timed({ 'x-envoy-upstream-rq-timeout-ms': 'soon' }),
      timed({ 'x-envoy-retry-on': '5xx,nonsense' }),
      timed({ 'x-envoy-max-retries': 'many', 'x-envoy-retry-on': '5xx' }),
    ],
  },
  {
    name: 'expected-timeouts',
    manager: { ...INTERNAL, ...router({ respect_expected_rq_timeout: true }) },
    routes: [to(ANY, 'a')],
    cases: [timed({ 'x-envoy-expected-rq-timeout-ms': '150' }, 300), timed({ 'x-envoy-expected-rq-timeout-ms': 'soon' })],
  },
  {
    name: 'grpc-deadlines',
    manager: { common_http_protocol_options: { max_stream_duration: '3s' } },
    routes: [
      to(exact('/duration'), 'a', { max_stream_duration: { max_stream_duration: '0.9s' } }),
      to(exact('/both'), 'a', { max_stream_duration: { max_stream_duration: '0.9s', grpc_timeout_header_max: '0.5s' } }),
      to(exact('/header'), 'a', { max_stream_duration: { grpc_timeout_header_max: '0s', grpc_timeout_header_offset: '0.1s' } }),
      to(exact('/none'), 'a', { max_stream_duration: { max_stream_duration: '0s' } }),
      to(exact('/old'), 'a', { max_grpc_timeout: '0.5s' }),
      to(ANY, 'a'),
    ],
    legs: ['h1-h1', 'h2-h2'],
    cases: ['/duration', '/both', '/header', '/none', '/old', '/'].flatMap((path) => [get(path, GRPC), get(path, gRpc('1S'))]),
  },
  {
    name: 'upstream-durations',
    clusters: { short: once({ max_stream_duration: '0.2s' }) },
    routes: [to(exact('/retry'), 'short', { retry_policy: { retry_on: '5xx', num_retries: 1 } }), to(ANY, 'short')],
    cases: [ask('too long', { upstream: { delayMs: 400 } }), ask('then short', { path: '/retry', upstream: { delayMs: [400, 0] } })],
  },
  ...[{ max_headers_count: 120 }, { max_response_headers_kb: 4 }].map(
    (fields): Scene => ({
      name: `answers-up-to-${JSON.stringify(fields).replace(/\W+/g, '-')}`,
      legs: ['h1-h1'],
      clusters: { [`limited${Object.keys(fields)}`]: once(fields) },
      routes: [to(ANY, `limited${Object.keys(fields)}`)],
      cases: [90, 110, 130].map((count) =>
        ask(`${count} lines`, {
          upstream: { headers: Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(30)])) },
        }),
      ),
    }),
  ),
  {
    name: 'whole-urls',
    legs: ['h1-h1'],
    manager: { http_protocol_options: { allow_custom_methods: true } },
    clusters: { proxy: { ...withEndpoints('a'), http1_options: { send_fully_qualified_url: true } } },
    routes: [to(exact('/plain'), 'a'), to(ANY, 'proxy')],
    cases: [
      get('/x?y'),
      get('/x', { method: 'POST', body: 'data' }),
      raw('a method of its own', 'BREW /plain HTTP/1.1\r\nHost: h\r\n{tag}\r\n'),
    ],
  },
  {
    name: 'mirrored-trailers',
    sortsSeen: true,
    legs: ['h2-h2'],
    routes: [to(ANY, 'a', { request_mirror_policies: [{ cluster: 'b' }] })],
    cases: [ask('of a request', { method: 'POST', chunks: ['x'], trailers: { 'x-sum': '1' } })],
  },
];
