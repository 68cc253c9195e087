import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import { go, one, type Request, TEMPLATE, tableOf, to, viewOf } from '../../testing/routes.ts';
import type { RouteTable } from '../model.ts';
import { compileRouteTable } from './compile.ts';

test('a virtual host is found by exact domain, longest suffix, longest prefix, then "*"', () => {
  const host = (name: string, domains: string[]) => ({ name, domains, routes: [{ match: { prefix: '/' }, ...to(name) }] });
  const table = tableOf({
    virtualHosts: [
      host('all', ['*']),
      host('exact', ['reviews', 'reviews:9080', 'reviews.default']),
      host('suffix', ['*.example.com']),
      host('long-suffix', ['*.b.example.com']),
      host('prefix', ['api.*']),
      host('dash', ['*-x.test']),
    ],
  });
  for (const [authority, expected] of [
    ['reviews', 'exact'],
    ['REVIEWS:9080', 'exact'],
    ['reviews:9081', 'all'],
    ['a.example.com', 'suffix'],
    ['a.b.example.com', 'long-suffix'],
    ['.example.com', 'all'],
    ['example.com', 'all'],
    ['api.foo', 'prefix'],
    ['api.', 'all'],
    ['foo-x.test', 'dash'],
    ['-x.test', 'all'],
  ] as const) {
    assert.equal(go(table, { host: authority }), expected, authority);
  }
});

test('ignore_port_in_host_matching drops the port', () => {
  const table = tableOf({
    ignorePortInHostMatching: true,
    virtualHosts: [{ name: 'v', domains: ['a.test', '[::1]'], routes: [{ match: { prefix: '/' }, ...to('c') }] }],
  });
  assert.equal(go(table, { host: 'a.test:8080' }), 'c');
  assert.equal(go(table, { host: '[::1]:80' }), 'c');
  assert.equal(go(table, { host: 'b.test' }), 'no_virtual_host');
});

const HEADER = (specifier: object) => ({ prefix: '/', headers: [{ name: 'X-A', ...specifier }] });
const QUERY = (specifier: object) => ({ prefix: '/', queryParameters: [{ name: 'q', ...specifier }] });
const COOKIE = (matcher: object) => ({ prefix: '/', cookies: [{ name: 'k', ...matcher }] });
const cases: [string, JsonValue, Request, boolean][] = [
  ['prefix ignores the query', { prefix: '/a' }, { path: '/ab?x' }, true],
  ['prefix is case sensitive', { prefix: '/a' }, { path: '/A' }, false],
  ['case_sensitive false', { prefix: '/a', caseSensitive: false }, { path: '/A' }, true],
  ['path is exact without the query', { path: '/a' }, { path: '/a?b=c' }, true],
  ['path is not a prefix', { path: '/a' }, { path: '/a/' }, false],
  ['regex matches the whole path', { safeRegex: { regex: '/b[io]t' } }, { path: '/bit?q' }, true],
  ['regex is not partial', { safeRegex: { regex: '/b[io]t' } }, { path: '/bits' }, false],
  ['separated prefix takes the path itself', { pathSeparatedPrefix: '/api' }, { path: '/api' }, true],
  ['separated prefix takes children', { pathSeparatedPrefix: '/api' }, { path: '/api/x' }, true],
  ['separated prefix stops at the segment', { pathSeparatedPrefix: '/api' }, { path: '/apix' }, false],
  ['header exact', HEADER({ exactMatch: 'jason' }), { headers: { 'x-a': 'jason' } }, true],
  ['header exact differs', HEADER({ exactMatch: 'jason' }), { headers: { 'x-a': 'Jason' } }, false],
  [
    'header string_match ignoring case',
    HEADER({ stringMatch: { exact: 'jason', ignoreCase: true } }),
    { headers: { 'x-a': 'JASON' } },
    true,
  ],
  ['header prefix', HEADER({ prefixMatch: 'ja' }), { headers: { 'x-a': 'jason' } }, true],
  ['header suffix', HEADER({ suffixMatch: 'on' }), { headers: { 'x-a': 'jason' } }, true],
  ['header contains', HEADER({ containsMatch: 'as' }), { headers: { 'x-a': 'jason' } }, true],
  ['header regex', HEADER({ safeRegexMatch: { regex: 'j.*n' } }), { headers: { 'x-a': 'jason' } }, true],
  ['header range takes its start', HEADER({ rangeMatch: { start: '10', end: '20' } }), { headers: { 'x-a': '10' } }, true],
  ['header range excludes its end', HEADER({ rangeMatch: { start: '10', end: '20' } }), { headers: { 'x-a': '20' } }, false],
  ['header range needs a number', HEADER({ rangeMatch: { start: '10', end: '20' } }), { headers: { 'x-a': '15x' } }, false],
  ['header present', HEADER({ presentMatch: true }), { headers: { 'x-a': '' } }, true],
  ['header absent', HEADER({ presentMatch: false }), {}, true],
  ['inverted presence', HEADER({ presentMatch: true, invertMatch: true }), {}, true],
  ['inverted exact on a missing header', HEADER({ exactMatch: 'x', invertMatch: true }), {}, false],
  [
    'inverted exact on a missing header, missing as empty',
    HEADER({ exactMatch: 'x', invertMatch: true, treatMissingHeaderAsEmpty: true }),
    {},
    true,
  ],
  ['present, missing as empty', HEADER({ presentMatch: true, treatMissingHeaderAsEmpty: true }), {}, true],
  ['path template', TEMPLATE('/o/{a}/x/{b=**}'), { path: '/o/1/x/2/3?q' }, true],
  ['path template, one segment only', TEMPLATE('/o/*'), { path: '/o/1/2' }, false],
  ['cookie', COOKIE({ stringMatch: { exact: 'v' } }), { headers: { cookie: 'a=b; k="v"' } }, true],
  ['inverted cookie that is not there', COOKIE({ stringMatch: { exact: 'v' }, invertMatch: true }), {}, true],
  ['TLS certificate presented, on plaintext', { prefix: '/', tlsContext: { presented: true } }, {}, false],
  ['no path, prefix', { prefix: '' }, { method: 'CONNECT', path: '' }, false],
  ['inverted exact on an equal header', HEADER({ exactMatch: 'x', invertMatch: true }), { headers: { 'x-a': 'x' } }, false],
  ['missing as empty', HEADER({ stringMatch: { exact: '' }, treatMissingHeaderAsEmpty: true }), {}, true],
  ['pseudo header :method', { prefix: '/', headers: [{ name: ':method', exactMatch: 'PUT' }] }, { method: 'PUT' }, true],
  ['pseudo header :authority', { prefix: '/', headers: [{ name: ':authority', prefixMatch: 'a.' }] }, { host: 'a.test' }, true],
  ['query exact', QUERY({ stringMatch: { exact: '1' } }), { path: '/?p=0&q=1#f' }, true],
  ['query first value counts', QUERY({ stringMatch: { exact: '1' } }), { path: '/?q=0&q=1' }, false],
  ['query missing', QUERY({ stringMatch: { prefix: 'x' } }), { path: '/' }, false],
  ['query present without value', QUERY({ presentMatch: true }), { path: '/?q' }, true],
  ['gRPC', { prefix: '/', grpc: {} }, { headers: { 'content-type': 'application/grpc+proto' } }, true],
  ['not gRPC', { prefix: '/', grpc: {} }, { headers: { 'content-type': 'application/grpc-web' } }, false],
  ['CONNECT', { connectMatcher: {} }, { method: 'CONNECT', path: '' }, true],
];
for (const [name, match, request, expected] of cases) {
  test(`route match: ${name}`, () => assert.equal(go(one(match), request), expected ? 'yes' : 'no_route'));
}

test('the first matching rule wins, also through the index of a large virtual host', () => {
  const routes = [
    ...Array.from({ length: 20 }, (_, i) => ({ match: { path: `/item/${i}` }, ...to(`item-${i}`) })),
    { match: { prefix: '/item/', headers: [{ name: 'x-v2', presentMatch: true }] }, ...to('v2') },
    { match: { path: '/item/3' }, ...to('shadowed') },
    { match: { safeRegex: { regex: '/item/9.*' } }, ...to('regex') },
    { match: { prefix: '/item' }, ...to('prefix') },
    { match: { path: '/late' }, ...to('late') },
    { match: { prefix: '/' }, ...to('default') },
  ];
  const table = tableOf({ virtualHosts: [{ name: 'v', domains: ['*'], routes }] });
  assert.equal(go(table, { path: '/item/3?x=1' }), 'item-3');
  assert.equal(go(table, { path: '/item/77', headers: { 'x-v2': '' } }), 'v2');
  assert.equal(go(table, { path: '/item/99' }), 'regex');
  assert.equal(go(table, { path: '/items' }), 'prefix');
  assert.equal(go(table, { path: '/late' }), 'late');
  assert.equal(go(table, { path: '/other' }), 'default');
});

test('runtime_fraction lets only its share through', () => {
  const table = one({ prefix: '/', runtimeFraction: { defaultValue: { numerator: 25 } } });
  assert.equal(go(table, {}, 0.24), 'yes');
  assert.equal(go(table, {}, 0.25), 'no_route');
});

test('weighted clusters divide the random value; a weight of 0 is never picked', () => {
  const table = one(
    { prefix: '/' },
    {
      route: {
        weightedClusters: {
          clusters: [
            { name: 'none', weight: 0 },
            { name: 'v1', weight: 90 },
            { name: 'v2', weight: 10 },
            { name: 'never', weight: 0 },
          ],
        },
      },
    },
  );
  assert.deepEqual(
    [0, 0.89, 0.9, 0.9999999].map((random) => go(table, {}, random)),
    ['v1', 'v1', 'v2', 'v2'],
  );
});

test('cluster_header names the cluster', () => {
  assert.equal(go(one({ prefix: '/' }, { route: { clusterHeader: 'X-To' } }), { headers: { 'x-to': 'outbound|80||a' } }), 'outbound|80||a');
});

test('header mutations come from the most specific level up, and the table may reverse that', () => {
  const add = (value: string) => ({ requestHeadersToAdd: [{ header: { key: 'X-Level', value }, append: true }] });
  const config = {
    ...add('table'),
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        ...add('host'),
        routes: [
          {
            match: { prefix: '/' },
            ...add('route'),
            route: { weightedClusters: { clusters: [{ name: 'c', weight: 1, ...add('cluster') }] } },
          },
        ],
      },
    ],
  };
  const values = (table: RouteTable) => {
    const decision = table.match(viewOf({}), () => 0);
    assert.ok(decision.kind === 'forward');
    return decision.requestHeaders.map((mutation) =>
      mutation.kind === 'set' ? `${mutation.name}=${mutation.value} ${mutation.action}` : '',
    );
  };
  const expected = ['cluster', 'route', 'host', 'table'].map((level) => `x-level=${level} append_if_exists_or_add`);
  assert.deepEqual(values(tableOf(config)), expected);
  assert.deepEqual(values(tableOf({ ...config, mostSpecificHeaderMutationsWins: true })), expected.reverse());
});

test('decisions are shared objects, so that handles can be kept on them', () => {
  const table = one({ prefix: '/' });
  assert.equal(
    table.match(viewOf({}), () => 0),
    table.match(viewOf({ path: '/x' }), () => 0),
  );
});

const rewrites: [string, JsonValue, object, string, string][] = [
  ['a prefix is replaced and the query kept', { prefix: '/old/' }, { prefixRewrite: '/new/' }, '/old/a?b=/old/', '/new/a?b=/old/'],
  ['an exact path is replaced whole', { path: '/old' }, { prefixRewrite: '/new' }, '/old?q', '/new?q'],
  ['a separated prefix', { pathSeparatedPrefix: '/old' }, { prefixRewrite: '/new' }, '/old/a', '/new/a'],
  ['a regex match replaces the whole path', { safeRegex: { regex: '/o.*' } }, { prefixRewrite: '/new' }, '/old/a?x', '/new?x'],
  [
    'regex_rewrite with groups',
    { prefix: '/' },
    { regexRewrite: { pattern: { regex: '^/service/([^/]+)(/.*)$' }, substitution: '\\2/instance/\\1' } },
    '/service/foo/v1/api?q=1',
    '/v1/api/instance/foo?q=1',
  ],
];
for (const [name, match, fields, path, expected] of rewrites) {
  test(`path rewrite: ${name}`, () => {
    const decision = one(match, { route: { cluster: 'c', ...fields } }).match(viewOf({ path }), () => 0);
    assert.ok(decision.kind === 'forward');
    assert.equal(decision.action.rewrite?.apply(path), expected);
  });
}

const redirects: [string, object, Request, string][] = [
  ['default status, host and path kept', { httpsRedirect: true }, { path: '/a?b' }, '301 https://a.test/a?b'],
  ['the default port goes with the scheme', { httpsRedirect: true }, { host: 'a.test:80' }, '301 https://a.test/'],
  ['another port stays', { httpsRedirect: true }, { host: 'a.test:8080' }, '301 https://a.test:8080/'],
  ['port_redirect', { portRedirect: 8443 }, { host: 'a.test:80' }, '301 http://a.test:8443/'],
  ['host_redirect', { hostRedirect: 'b.test' }, { host: 'a.test:80' }, '301 http://b.test/'],
  ['path_redirect keeps the query', { pathRedirect: '/new' }, { path: '/old?q=1' }, '301 http://a.test/new?q=1'],
  ['path_redirect with its own query', { pathRedirect: '/new?x=2' }, { path: '/old?q=1' }, '301 http://a.test/new?x=2'],
  ['strip_query', { pathRedirect: '/new', stripQuery: true }, { path: '/old?q=1' }, '301 http://a.test/new'],
  ['prefix_rewrite', { prefixRewrite: '/n/' }, { path: '/a' }, '301 http://a.test/n/a'],
  ['response_code', { hostRedirect: 'b', responseCode: 'PERMANENT_REDIRECT' }, {}, '308 http://b/'],
];
for (const [name, redirect, request, expected] of redirects) {
  test(`redirect: ${name}`, () => assert.equal(go(one({ prefix: '/' }, { redirect }), request), expected));
}

test('require_tls redirects plain requests before any rule', () => {
  const table = tableOf({
    virtualHosts: [{ name: 'v', domains: ['*'], requireTls: 'ALL', routes: [{ match: { prefix: '/' }, ...to('c') }] }],
  });
  assert.equal(go(table, { path: '/x' }), '301 https://a.test/x');
  assert.equal(go(table, { scheme: 'https' }), 'c');
});

test('defaults and overrides of a forwarding action', () => {
  const table = one(
    { prefix: '/' },
    {
      route: {
        cluster: 'c',
        timeout: '0s',
        retryPolicy: {
          retryOn: 'connect-failure,refused-stream,retriable-status-codes',
          numRetries: 2,
          retriableStatusCodes: [503],
          perTryTimeout: '0.25s',
        },
        requestMirrorPolicies: [
          {
            cluster: 'm',
            runtimeFraction: { defaultValue: { numerator: 5000, denominator: 'TEN_THOUSAND' } },
            disableShadowHostSuffixAppend: true,
          },
        ],
      },
    },
  );
  const decision = table.match(viewOf({}), () => 0);
  assert.ok(decision.kind === 'forward');
  const { timeoutMs, retry, mirrors } = decision.action;
  assert.equal(timeoutMs, 0);
  assert.deepEqual([...(retry?.on ?? [])], ['connect-failure', 'refused-stream', 'retriable-status-codes']);
  assert.deepEqual([retry?.numRetries, retry?.perTryTimeoutMs, retry?.backoffBaseMs, retry?.backoffMaxMs], [2, 250, 25, 250]);
  assert.partialDeepStrictEqual(mirrors, [{ cluster: 'm', share: { fraction: 0.5, runtimeKey: '' }, appendShadowSuffix: false }]);
});

test('vhost_header names the virtual host; without it there is none', () => {
  const host = (name: string, domain: string) => ({ name, domains: [domain], routes: [{ match: { prefix: '/' }, ...to(name) }] });
  const table = tableOf({ vhostHeader: 'X-Tenant', virtualHosts: [host('one', 'one'), host('rest', '*')] });
  assert.equal(go(table, { headers: { 'x-tenant': 'ONE' } }), 'one');
  assert.equal(go(table, { headers: { 'x-tenant': 'other' } }), 'rest');
  assert.equal(go(table, { host: 'one' }), 'no_virtual_host');
});

test('explain names each rule tried and why it did not take the request', () => {
  const table = tableOf({
    virtualHosts: [
      {
        name: 'reviews',
        domains: ['*.default'],
        routes: [
          { match: { prefix: '/', headers: [{ name: 'end-user', exactMatch: 'jason' }] }, ...to('v2') },
          {
            name: 'rest',
            match: { prefix: '/' },
            metadata: { filterMetadata: { istio: { config: '/apis/x/virtual-service/reviews' } } },
            ...to('v1'),
          },
        ],
      },
    ],
  });
  const { domain, steps, decision } = table.explain(viewOf({ host: 'reviews.default' }), () => 0);
  assert.equal(domain, '*.default');
  assert.deepEqual(
    steps.map(({ matched, reason }) => [matched, reason]),
    [
      [false, 'header end-user exact "jason" does not hold'],
      [true, 'path prefix "/"'],
    ],
  );
  assert.equal(decision.route?.name, 'rest');
  assert.equal(decision.route?.istioConfig, '/apis/x/virtual-service/reviews');
});

test('every reason of a refusal is reported with its field path', () => {
  const compiled = compileRouteTable(
    fromJson(RouteConfigurationSchema, {
      name: '9080',
      virtualHosts: [
        {
          name: 'a',
          domains: ['x', 'X'],
          routes: [
            { match: { safeRegex: { regex: '(' } }, ...to('c') },
            {
              match: { prefix: '/' },
              route: { cluster: 'c', retryPolicy: { retryOn: 'sometimes' }, hedgePolicy: {} },
            },
            { match: { prefix: '/' } },
            { match: { prefix: '/' }, ...to('c'), requestHeadersToAdd: [{ header: { key: 'a', value: '%NOPE%' } }] },
          ],
        },
      ],
    }),
  );
  assert.ok(!compiled.ok);
  assert.deepEqual(compiled.error, [
    'route configuration "9080": virtual_hosts[0].routes[2]: one of route, redirect, direct_response, filter_action, non_forwarding_action is required',
    'route configuration "9080": virtual_hosts[0].routes[0].match.safe_regex.regex: error parsing regexp: missing closing ): `(`',
    'route configuration "9080": virtual_hosts[0].routes[1].route.hedge_policy: is not supported',
    'route configuration "9080": virtual_hosts[0].routes[1].route.retry_policy.retry_on: unknown condition "sometimes"',
    'route configuration "9080": virtual_hosts[0].routes[3].request_headers_to_add[0].header.value: unknown operator %NOPE%',
    'route configuration "9080": virtual_hosts[0].domains[1]: "X" is already the domain of another virtual host',
  ]);
});
