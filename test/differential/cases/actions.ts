// What a route does with a request: redirects, answers of its own, rewrites, weighted clusters, hashing, mirrors.

import { endpoint, type } from '../bootstrap.ts';
import type { Scene } from '../model.ts';
import { ANY, add, ask, exact, GRPC, get, prefix, says, to } from './build.ts';

const redirect = (match: object, fields: object, route: object = {}) => ({ match, redirect: fields, ...route });
const templateMatch = (value: string) => ({
  path_match_policy: {
    name: 'envoy.path.match.uri_template.uri_template_matcher',
    typed_config: { '@type': type('path.match.uri_template.v3.UriTemplateMatchConfig'), path_template: value },
  },
});
const templateRewrite = (value: string) => ({
  path_rewrite_policy: {
    name: 'envoy.path.rewrite.uri_template.uri_template_rewriter',
    typed_config: { '@type': type('path.rewrite.uri_template.v3.UriTemplateRewriteConfig'), path_template_rewrite: value },
  },
});
const regexRewrite = (regex: string, substitution: string) => ({ regex_rewrite: { pattern: { regex }, substitution } });
const byHash = (name: string, policy: 'RING_HASH' | 'MAGLEV') => ({
  lb_policy: policy,
  load_assignment: {
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: ['a', 'b', 'c'].map((key) =>
          endpoint(key, { metadata: { filter_metadata: { 'envoy.lb': { hash_key: `host-${key}` } } } }),
        ),
      },
    ],
  },
});

const UNREAD = 'the rest of the request is read and the connection kept; Envoy closes it';

export const actions: readonly Scene[] = [
  {
    name: 'redirects',
    routes: [
      redirect(exact('/host'), { host_redirect: 'new.test' }),
      redirect(exact('/host-port'), { host_redirect: 'new.test:8443' }),
      redirect(exact('/path'), { path_redirect: '/other' }),
      redirect(exact('/path-query'), { path_redirect: '/other?fixed=1' }),
      redirect(exact('/strip'), { path_redirect: '/other', strip_query: true }),
      redirect(exact('/strip-only'), { strip_query: true, host_redirect: 'new.test' }),
      redirect(prefix('/prefix'), { prefix_rewrite: '/new' }),
      redirect(prefix('/trail/'), { prefix_rewrite: '/' }),
      redirect({ path_separated_prefix: '/sep' }, { prefix_rewrite: '/' }),
      redirect(prefix('/regex/'), regexRewrite('^/regex/([^/]+)/(.*)$', '/\\2/of/\\1')),
      redirect(exact('/https'), { https_redirect: true }),
      redirect(exact('/scheme'), { scheme_redirect: 'ftp' }),
      redirect(exact('/port'), { port_redirect: 8080 }),
      redirect(exact('/all'), { https_redirect: true, host_redirect: 'new.test', port_redirect: 444, path_redirect: '/x' }),
      ...['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'].map((code) =>
        redirect(exact(`/${code.toLowerCase()}`), { host_redirect: 'code.test', response_code: code }),
      ),
      redirect(
        exact('/headers'),
        { host_redirect: 'new.test' },
        {
          response_headers_to_add: [add('x-added', 'yes'), add('x-code', '%RESPONSE_CODE%')],
          response_headers_to_remove: ['date'],
        },
      ),
    ],
    cases: [
      '/host',
      '/host?q=1',
      '/host-port?q',
      '/path',
      '/path?q=1',
      '/path-query',
      '/path-query?q=1',
      '/strip?q=1',
      '/strip-only?q=1',
      '/strip-only',
      '/prefix',
      '/prefix/a/b?q=1',
      '/prefixed',
      '/trail/x?y',
      '/sep',
      '/sep/x',
      '/regex/one/two/three?q=1',
      '/regex/one',
      '/https',
      '/https?q=%20',
      '/scheme',
      '/port',
      '/all?q=1',
      '/moved_permanently',
      '/found',
      '/see_other',
      '/temporary_redirect',
      '/permanent_redirect',
      '/headers',
    ]
      .map((path) => get(path))
      .concat([
        get('/https', { host: 'example.test:8080' }),
        get('/https', { host: 'example.test:80' }),
        get('/https', { host: '[::1]:80' }),
        get('/port', { host: 'example.test:80' }),
        get('/scheme', { host: 'example.test:80' }),
        get('/path', { host: 'example.test:1234' }),
        get('/path', { method: 'POST', body: 'data' }, { differs: UNREAD }),
        get('/host', { headers: { 'x-forwarded-proto': 'https' } }),
        get('/https', { headers: { 'x-forwarded-proto': 'https' } }),
        get('/https', { method: 'HEAD' }),
      ]),
  },
  {
    name: 'direct-responses',
    routes: [
      says(exact('/200'), 200, 'hello'),
      says(exact('/empty'), 200),
      says(exact('/503'), 503, 'gone fishing'),
      says(exact('/204'), 204),
      says(exact('/304'), 304),
      says(exact('/typed'), 200, '{"a":1}', {
        response_headers_to_add: [add('content-type', 'application/json', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })],
      }),
      says(exact('/base64'), 200, undefined, { direct_response: { status: 200, body: { inline_bytes: 'aGVsbG8=' } } }),
      says(exact('/headers'), 418, 'teapot', {
        response_headers_to_add: [add('x-one', '1'), add('x-req', '%REQ(X-ASK)%'), add('x-route', '%ROUTE_NAME%')],
        name: 'tea',
      }),
      says(exact('/599'), 599, 'odd'),
      says(exact('/location'), 302, undefined, { response_headers_to_add: [add('location', 'https://there.test/')] }),
    ],
    cases: [
      ...['/200', '/empty', '/503', '/204', '/304', '/typed', '/base64', '/headers', '/599', '/location', '/nothing'].map((path) =>
        get(path),
      ),
      get('/200', { method: 'HEAD' }),
      get('/200', { method: 'POST', body: 'data' }, { differs: UNREAD }),
      get('/200', { method: 'POST', chunks: ['da', 'ta'] }, { differs: UNREAD }),
      get('/headers', { headers: { 'x-ask': 'me' } }),
      get('/200', GRPC),
      get('/503', GRPC),
      get('/nothing', GRPC),
      ask('two on one connection', { path: '/200' }, { request: [{ path: '/200' }, { path: '/503' }] }),
    ],
  },
  {
    name: 'rewrites',
    routes: [
      to(prefix('/prefix'), 'a', { prefix_rewrite: '/new' }),
      to(prefix('/slash/'), 'a', { prefix_rewrite: '/' }),
      to({ path_separated_prefix: '/sep' }, 'a', { prefix_rewrite: '/new' }),
      to({ path_separated_prefix: '/root' }, 'a', { prefix_rewrite: '/' }),
      to(exact('/exact'), 'a', { prefix_rewrite: '/other' }),
      to(exact('/fold', { case_sensitive: false }), 'a', { prefix_rewrite: '/folded' }),
      to(prefix('/FoldP', { case_sensitive: false }), 'a', { prefix_rewrite: '/f' }),
      to({ safe_regex: { regex: '/re/.*' } }, 'a', { prefix_rewrite: '/all' }),
      to(prefix('/swap/'), 'a', regexRewrite('/swap/([^/]+)/([^/]+)', '/\\2/\\1')),
      to(prefix('/every'), 'a', regexRewrite('o', '0')),
      to(prefix('/whole'), 'a', regexRewrite('^/whole(.*)$', '/got/\\0')),
      to(prefix('/none'), 'a', regexRewrite('zzz', 'y')),
      to(prefix('/case'), 'a', regexRewrite('(?i)CASE', 'done')),
      to(prefix('/empty'), 'a', regexRewrite('/empty', '')),
      to(prefix('/query'), 'a', regexRewrite('q', 'Q')),
    ],
    cases: [
      '/prefix',
      '/prefix/a?q=1',
      '/prefixed',
      '/prefix?q',
      '/slash/',
      '/slash/x',
      '/slash/x?y',
      '/sep',
      '/sep/x',
      '/sep/',
      '/sep?q',
      '/root',
      '/root/x',
      '/root?q',
      '/exact',
      '/exact?q=1',
      '/fold',
      '/FOLD?q',
      '/foldpx/y',
      '/FOLDP',
      '/re/x/y?q=1',
      '/swap/a/b',
      '/swap/a/b/c?q=/swap/x/y',
      '/swap/a',
      '/every/foo/bool?o=o',
      '/whole/x',
      '/none/x',
      '/CASE',
      '/case/x',
      '/empty',
      '/empty/x',
      '/query?q=q',
    ].map((path) => get(path, {}, path === '/empty' ? { legs: ['h1-h1', 'h2-h1'] } : {})),
  },
  {
    name: 'template-rewrites',
    routes: [
      to(templateMatch('/v/{id}/name'), 'a', templateRewrite('/names/{id}')),
      to(templateMatch('/two/{x}/{y}'), 'b', templateRewrite('/{y}/and/{x}')),
      to(templateMatch('/rest/{all=**}'), 'c', templateRewrite('/r/{all}')),
    ],
    cases: ['/v/7/name', '/v/7/name?q=1', '/two/1/2', '/rest/a/b/c?d', '/rest/'].map((path) => get(path)),
  },
  {
    name: 'host-rewrites',
    clusters: {
      named: {
        load_assignment: {
          cluster_name: 'named',
          endpoints: [{ lb_endpoints: [{ endpoint: { ...endpoint('a').endpoint, hostname: 'endpoint.test' } }] }],
        },
      },
    },
    routes: [
      to(exact('/literal'), 'a', { host_rewrite_literal: 'literal.test' }),
      to(exact('/forwarded'), 'a', { host_rewrite_literal: 'literal.test', append_x_forwarded_host: true }),
      to(exact('/header'), 'a', { host_rewrite_header: 'x-host' }),
      to(prefix('/regex/'), 'a', { host_rewrite_path_regex: { pattern: { regex: '^/regex/([a-z]+).*$' }, substitution: '\\1.test' } }),
      to(exact('/auto'), 'named', { auto_host_rewrite: true }),
      to(exact('/auto-forwarded'), 'named', { auto_host_rewrite: true, append_x_forwarded_host: true }),
      to(exact('/auto-unnamed'), 'a', { auto_host_rewrite: true }),
    ],
    cases: [
      ...['/literal', '/forwarded', '/header', '/regex/shop/x?q', '/auto', '/auto-forwarded', '/auto-unnamed'].map((path) => get(path)),
      get(
        '/regex/9',
        {},
        { differs: 'a path that does not match leaves the host alone; Envoy makes the path the host', legs: ['h1-h1', 'h2-h1'] },
      ),
      get('/header', { headers: { 'x-host': 'from-header.test' } }),
      get('/header', { headers: { 'x-host': '' } }, { legs: ['h1-h1', 'h2-h1'] }),
      get('/forwarded', { headers: { 'x-forwarded-host': 'earlier.test' } }),
      get('/literal', { host: 'example.test:8080' }),
    ],
  },
  {
    name: 'weighted-clusters',
    routes: [
      {
        match: exact('/one'),
        route: {
          weighted_clusters: {
            clusters: [
              { name: 'a', weight: 0 },
              {
                name: 'b',
                weight: 100,
                request_headers_to_add: [add('x-weighted', 'b'), add('x-cluster', '%UPSTREAM_CLUSTER%')],
                request_headers_to_remove: ['x-gone'],
                response_headers_to_add: [add('x-from', 'weighted')],
                response_headers_to_remove: ['x-upstream'],
              },
            ],
          },
        },
        request_headers_to_add: [add('x-weighted', 'route')],
        response_headers_to_add: [add('x-from', 'route')],
      },
      {
        match: exact('/host'),
        route: { weighted_clusters: { clusters: [{ name: 'c', weight: 1, host_rewrite_literal: 'weighted.test' }] } },
      },
      {
        match: exact('/host-both'),
        route: {
          host_rewrite_literal: 'route.test',
          weighted_clusters: { clusters: [{ name: 'c', weight: 1, host_rewrite_literal: 'weighted.test' }] },
        },
      },
      { match: exact('/by-header'), route: { cluster_header: 'x-cluster' } },
      { match: exact('/unknown'), route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1 }], total_weight: 1 } } },
      {
        match: exact('/random-header'),
        route: {
          weighted_clusters: {
            header_name: 'x-random',
            clusters: [
              { name: 'a', weight: 30 },
              { name: 'b', weight: 70 },
            ],
          },
        },
      },
    ],
    cases: [
      get('/one', { headers: { 'x-gone': '1' } }),
      get('/host'),
      get('/host-both'),
      get('/by-header', { headers: { 'x-cluster': 'b' } }),
      get('/by-header', { headers: { 'x-cluster': 'nope' } }),
      get('/by-header'),
      get('/unknown'),
      ...['0', '29', '30', '99', '130', '4000000000'].map((value) => get('/random-header', { headers: { 'x-random': value } })),
    ],
  },
  {
    name: 'unknown-clusters',
    routeConfig: { validate_clusters: false },
    routes: [
      to(exact('/503'), 'nowhere'),
      to(exact('/404'), 'nowhere', { cluster_not_found_response_code: 'NOT_FOUND' }),
      to(exact('/500'), 'nowhere', { cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' }),
    ],
    cases: [get('/503'), get('/404'), get('/500'), get('/503', GRPC)],
  },
  {
    name: 'hash-policies',
    clusters: { ring: byHash('ring', 'RING_HASH'), maglev: byHash('maglev', 'MAGLEV') },
    routes: ['ring', 'maglev'].flatMap((cluster) => [
      to(exact(`/${cluster}/header`), cluster, { hash_policy: [{ header: { header_name: 'x-user' } }] }),
      to(exact(`/${cluster}/regex`), cluster, {
        hash_policy: [{ header: { header_name: 'x-user', regex_rewrite: { pattern: { regex: '^user-' }, substitution: '' } } }],
      }),
      to(exact(`/${cluster}/cookie`), cluster, { hash_policy: [{ cookie: { name: 'session' } }] }),
      to(exact(`/${cluster}/query`), cluster, { hash_policy: [{ query_parameter: { name: 'k' } }] }),
      to(exact(`/${cluster}/source`), cluster, { hash_policy: [{ connection_properties: { source_ip: true } }] }),
      to(exact(`/${cluster}/two`), cluster, { hash_policy: [{ header: { header_name: 'x-user' } }, { query_parameter: { name: 'k' } }] }),
      to(exact(`/${cluster}/terminal`), cluster, {
        hash_policy: [{ header: { header_name: 'x-user' }, terminal: true }, { query_parameter: { name: 'k' } }],
      }),
    ]),
    cases: ['ring', 'maglev'].flatMap((cluster) => [
      ...['anna', 'bob', 'carol', 'dave', 'user-anna', 'user-7'].flatMap((user) => [
        get(`/${cluster}/header`, { headers: { 'x-user': user } }),
        get(`/${cluster}/regex`, { headers: { 'x-user': user } }),
        get(`/${cluster}/terminal?k=1`, { headers: { 'x-user': user } }),
      ]),
      get(`/${cluster}/header`, { headers: { 'x-user': ['b', 'a'] } }),
      get(`/${cluster}/header`, { headers: { 'x-user': ['a', 'b'] } }),
      ...['s1', 's2', 's3'].map((value) => get(`/${cluster}/cookie`, { headers: { cookie: `x=1; session=${value}; y=2` } })),
      ...['1', '2', '3', '1&k=2'].map((value) => get(`/${cluster}/query?a=b&k=${value}`)),
      get(`/${cluster}/source`),
      get(`/${cluster}/two?k=9`, { headers: { 'x-user': 'anna' } }),
      get(`/${cluster}/two?k=9`),
      get(`/${cluster}/terminal?k=3`),
    ]),
    legs: ['h1-h1', 'h2-h2'],
  },
  {
    name: 'generated-cookie',
    clusters: { 'cookie-ring': byHash('cookie-ring', 'RING_HASH') },
    routes: [to(exact('/have'), 'cookie-ring', { hash_policy: [{ cookie: { name: 'session', ttl: '60s', path: '/p' } }] })],
    cases: [get('/have', { headers: { cookie: 'session=abc' } })],
  },
  {
    name: 'mirrors',
    sortsSeen: true,
    routes: [
      to(exact('/one'), 'a', { request_mirror_policies: [{ cluster: 'b', runtime_fraction: { default_value: { numerator: 100 } } }] }),
      to(exact('/host'), 'a', { request_mirror_policies: [{ cluster: 'b', disable_shadow_host_suffix_append: true }] }),
      to(exact('/none'), 'a', { request_mirror_policies: [{ cluster: 'b', runtime_fraction: { default_value: { numerator: 0 } } }] }),
      to(exact('/rewritten'), 'a', {
        prefix_rewrite: '/new',
        host_rewrite_literal: 'new.test',
        request_mirror_policies: [{ cluster: 'b' }],
      }),
    ],
    isSequential: true,
    cases: [
      get('/one', { upstream: { delayMs: [60, 0] } }),
      get('/none'),
      get('/host', { upstream: { delayMs: [60, 0] } }),
      get('/rewritten', { upstream: { delayMs: [60, 0] } }),
      get('/one', { method: 'POST', body: 'data', upstream: { delayMs: [60, 0] } }),
      get('/one', { host: 'shop.test:8080', upstream: { delayMs: [60, 0] } }),
    ],
  },
  {
    name: 'internal-redirects',
    routes: [
      to(exact('/follow'), 'a', { internal_redirect_policy: {} }),
      to(exact('/codes'), 'a', { internal_redirect_policy: { redirect_response_codes: [307, 308] } }),
      to(exact('/twice'), 'a', { internal_redirect_policy: { max_internal_redirects: 2 } }),
      to(exact('/copied'), 'a', { internal_redirect_policy: { response_headers_to_copy: ['x-copy'] } }),
      to(exact('/off'), 'a'),
      to(prefix('/target'), 'b', {}, { name: 'target' }),
      to(exact('/again'), 'a', { internal_redirect_policy: { max_internal_redirects: 2 } }),
    ],
    isSequential: true,
    cases: [
      ...[301, 302, 303, 307, 308].map((status) =>
        ask(`follows ${status}`, {
          path: '/follow',
          upstream: { status: [status, 200], headers: { location: 'http://example.test/target?q=1' } },
        }),
      ),
      ask('asked code', { path: '/codes', upstream: { status: [307, 200], headers: { location: 'http://example.test/target' } } }),
      ask('other code', { path: '/codes', upstream: { status: [302, 200], headers: { location: 'http://example.test/target' } } }),
      ask('not asked', { path: '/off', upstream: { status: [302, 200], headers: { location: 'http://example.test/target' } } }),
      ask('relative', { path: '/follow', upstream: { status: [302, 200], headers: { location: '/target' } } }),
      ask('another scheme', { path: '/follow', upstream: { status: [302, 200], headers: { location: 'https://example.test/target' } } }),
      ask('another host', { path: '/follow', upstream: { status: [302, 200], headers: { location: 'http://other.test/target' } } }),
      ask('no location', { path: '/follow', upstream: { status: [302, 200] } }),
      ask('no route', { path: '/follow', upstream: { status: [302, 200], headers: { location: 'http://example.test/nowhere' } } }),
      ask('too many', { path: '/follow', upstream: { status: [302, 302, 200], headers: { location: 'http://example.test/again' } } }),
      ask('two', { path: '/twice', upstream: { status: [302, 302, 200], headers: { location: 'http://example.test/again' } } }),
      ask('headers copied', {
        path: '/copied',
        upstream: { status: [302, 200], headers: { location: 'http://example.test/target', 'x-copy': 'me' } },
      }),
      ask('POST by 302', {
        path: '/follow',
        method: 'POST',
        body: 'data',
        upstream: { status: [302, 200], headers: { location: 'http://example.test/target' } },
      }),
      ask('POST by 307', {
        path: '/follow',
        method: 'POST',
        body: 'data',
        upstream: { status: [307, 200], headers: { location: 'http://example.test/target' } },
      }),
    ],
  },
  {
    name: 'virtual-clusters',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        virtual_clusters: [
          { name: 'posts', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
          { name: 'x', headers: [{ name: ':path', string_match: { prefix: '/x' } }] },
        ],
        routes: [to(ANY, 'a', {}, { name: 'r' })],
      },
    ],
    cases: [get('/'), get('/', { method: 'POST', body: '' }), get('/x')],
  },
];
