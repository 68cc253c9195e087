// Shares, weights and faults that runtime keys change.

import type { Scene } from '../model.ts';
import { ANY, exact, filter, get, perFilter, says, to } from './build.ts';

const share = (runtimeKey: string, percents: number) => ({
  runtime_fraction: { runtime_key: runtimeKey, default_value: { numerator: percents } },
});
const enabled = (runtimeKey: string, percents: number) => ({ runtime_key: runtimeKey, default_value: { numerator: percents } });
const CORS = { allow_origin_string_match: [{ exact: 'http://a.test' }], allow_methods: 'GET' };
const LIMIT = { stat_prefix: 'limit', token_bucket: { max_tokens: 1, fill_interval: '3600s' } };
const fault = (path: string, fields: object) => to(exact(path), 'a', {}, perFilter('fault', 'HTTPFault', fields));
const RUNTIME = {
  none: 0,
  all: 100,
  more: 250,
  text: '100',
  real: 100.9,
  small: 0.9,
  word: 'much',
  yes: true,
  nested: { whole: { numerator: 1_000_000, denominator: 'MILLION' }, nothing: { numerator: 0, denominator: 'TEN_THOUSAND' } },
};
const KEYS = ['none', 'all', 'more', 'text', 'real', 'small', 'word', 'yes', 'nested.whole', 'nested.nothing', 'unknown', ''];
const ALL = { numerator: 100 };
const NONE = { numerator: 0 };

export const runtimeKeys: readonly Scene[] = [
  {
    name: 'shares-of-routes',
    legs: ['h1-h1'],
    runtime: RUNTIME,
    routes: KEYS.flatMap((key) => [0, 100].map((percents) => to(exact(`/${key}-${percents}`, share(key, percents)), 'a'))),
    cases: KEYS.flatMap((key) => [0, 100].map((percents) => get(`/${key}-${percents}`))),
  },
  {
    name: 'shares-elsewhere',
    legs: ['h1-h1'],
    runtime: RUNTIME,
    isSequential: true,
    sortsSeen: true,
    filters: [filter('cors', {}, 'Cors'), filter('local_ratelimit', LIMIT, 'LocalRateLimit')],
    routes: [
      ...['none', 'all'].flatMap((key) => [
        to(exact(`/mirror-${key}`), 'a', { request_mirror_policies: [{ cluster: 'b', ...share(key, key === 'all' ? 0 : 100) }] }),
        to(
          exact(`/cors-${key}`),
          'a',
          {},
          perFilter('cors', 'CorsPolicy', { ...CORS, filter_enabled: enabled(key, key === 'all' ? 0 : 100) }),
        ),
        to(
          exact(`/limit-${key}`),
          'a',
          {},
          perFilter('local_ratelimit', 'LocalRateLimit', {
            ...LIMIT,
            filter_enabled: enabled(key, key === 'all' ? 0 : 100),
            filter_enforced: enabled('all', 0),
          }),
        ),
      ]),
      to(
        exact('/lenient'),
        'a',
        {},
        perFilter('local_ratelimit', 'LocalRateLimit', {
          ...LIMIT,
          filter_enabled: enabled('all', 0),
          filter_enforced: enabled('none', 100),
        }),
      ),
    ],
    cases: [
      ...['none', 'all'].flatMap((key) => [
        get(`/mirror-${key}`, { upstream: { delayMs: 80 } }),
        get(`/cors-${key}`, { headers: { origin: 'http://a.test' } }),
        ...['', ' again', ' once more'].map((more) => ({ ...get(`/limit-${key}`), name: `/limit-${key}${more}` })),
      ]),
      ...['', ' again'].map((more) => ({ ...get('/lenient'), name: `/lenient${more}` })),
    ],
  },
  {
    name: 'weights',
    legs: ['h1-h1'],
    runtime: { shift: { a: 0, b: 7 }, part: { b: 0 } },
    routes: ['shift', 'part', 'unset'].map((prefix) => ({
      match: exact(`/${prefix}`),
      route: {
        weighted_clusters: {
          runtime_key_prefix: prefix,
          clusters: [
            { name: 'a', weight: prefix === 'unset' ? 0 : 100 },
            { name: 'b', weight: 1 },
          ],
        },
      },
    })),
    cases: ['shift', 'part', 'unset'].map((prefix) => get(`/${prefix}`)),
  },
  {
    name: 'faults-by-key',
    legs: ['h1-h1'],
    filters: [filter('fault', {}, 'HTTPFault')],
    runtime: { my: { all: 100, none: 0, status: 418, odd: 999, grpc: 5, few: 0, ms: 1 } },
    routes: [
      fault('/abort', { abort: { http_status: 503, percentage: NONE }, abort_percent_runtime: 'my.all' }),
      fault('/no-abort', { abort: { http_status: 503, percentage: ALL }, abort_percent_runtime: 'my.none' }),
      fault('/status', { abort: { http_status: 503, percentage: ALL }, abort_http_status_runtime: 'my.status' }),
      fault('/odd-status', { abort: { http_status: 503, percentage: ALL }, abort_http_status_runtime: 'my.odd' }),
      fault('/grpc', { abort: { grpc_status: 3, percentage: ALL }, abort_grpc_status_runtime: 'my.grpc' }),
      fault('/none-active', { abort: { http_status: 503, percentage: ALL }, max_active_faults_runtime: 'my.few' }),
      fault('/delay', {
        delay: { fixed_delay: '30s', percentage: NONE },
        delay_percent_runtime: 'my.all',
        delay_duration_runtime: 'my.ms',
      }),
      fault('/no-delay', { delay: { fixed_delay: '30s', percentage: ALL }, delay_percent_runtime: 'my.none' }),
      fault('/no-time', { delay: { fixed_delay: '30s', percentage: ALL }, delay_duration_runtime: 'my.none' }),
      fault('/by-header', { abort: { header_abort: {}, percentage: ALL }, abort_percent_runtime: 'my.all' }),
      says(ANY, 404),
    ],
    cases: [
      ...['/abort', '/no-abort', '/status', '/grpc', '/none-active', '/delay', '/no-delay', '/no-time'].map((path) => get(path)),
      get('/odd-status', {}, { differs: 'what is no status is not sent: the configured one counts' }),
      get('/by-header', { headers: { 'x-envoy-fault-abort-request': '429', 'x-envoy-fault-abort-request-percentage': '0' } }),
    ],
  },
];
