// What a proxy at the edge does with a request before it is routed, and what it says of itself.

import { type } from '../bootstrap.ts';
import type { Case, Scene } from '../model.ts';
import { ANY, ask, exact, GRPC, get, prefix, raw, to } from './build.ts';

const ROUTES = [to(exact('/exact'), 'b'), to(prefix('/a/'), 'c'), to(ANY, 'a')];
const PATHS = [
  '/exact',
  '/./exact',
  '/a/../exact',
  '/a/./b',
  '/a//b',
  '//exact',
  '/a/%2e%2e/exact',
  '/a/%2E%2e/exact',
  '/%65xact',
  '/ex%61ct',
  '/a%2fb',
  '/a%2Fb',
  '/a%5Cb',
  '/a%5cb',
  '/a\\b',
  '/a\\..\\exact',
  '/../exact',
  '/a/..',
  '/a/.',
  '/..',
  '/a/b/../../exact',
  '/%2e',
  '/a%00b',
  '/a%zz',
  '/a%',
  '/a%25b',
  '/a;x=1',
  '/a b',
  '/a?x=../y',
  '/a?x=//y',
  '/a?x=%2f',
  '/a///b//c',
  '/%7Euser',
  '/a%20b',
  '/A%2FB',
  '/a/%2f..%2fexact',
];
const paths = (normalizes: boolean): Case[] =>
  PATHS.filter((path) => !path.includes(' ')).map((path) =>
    get(
      path,
      {},
      path.includes('%00') && !normalizes ? { differs: 'an escaped NUL is refused always, not only where paths are normalized' } : {},
    ),
  );

const REFERERS = [
  'https://example.test/a?b',
  '/a/b',
  'page.html',
  'android-app+1.0://example.test/',
  'http://[::1]:80/',
  'https://example.test/#fragment',
  '/a#fragment',
  'https://user:secret@example.test/',
  'https://example.test/  /a',
  'a\\b',
  'about:blank',
  'a:b/c',
  'http://example.test:65536/',
  'http://ex_ample.test/',
  '1http://example.test/',
  'http://',
];

const network = (address: string) => ({ address_prefix: address, prefix_len: 8 });

export const edge: readonly Scene[] = [
  {
    name: 'referers',
    routes: [to(ANY, 'a')],
    legs: ['h1-h1', 'h2-h1'],
    cases: REFERERS.map((referer) => get('/', { headers: { referer } })),
  },
  { name: 'paths-as-they-are', routes: ROUTES, cases: paths(false), legs: ['h1-h1', 'h2-h2'] },
  { name: 'paths-normalized', routes: ROUTES, manager: { normalize_path: true }, cases: paths(true), legs: ['h1-h1', 'h2-h2'] },
  { name: 'paths-merged', routes: ROUTES, manager: { merge_slashes: true }, cases: paths(false), legs: ['h1-h1'] },
  {
    name: 'paths-normalized-and-merged',
    routes: ROUTES,
    manager: { normalize_path: true, merge_slashes: true },
    cases: paths(true),
    legs: ['h1-h1', 'h2-h1'],
  },
  ...['KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'].map(
    (action): Scene => ({
      name: `escaped-slashes-${action.toLowerCase().replaceAll('_', '-')}`,
      routes: ROUTES,
      manager: { normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: action },
      cases: ['/a%2fb', '/a%2Fb?x=%2f', '/a%5Cb', '/a%5cb', '/exact', '/a/%2f..%2fexact', '/a%252fb', '/a%2f%2fb'].map((path) => get(path)),
      legs: ['h1-h1', 'h2-h1'],
    }),
  ),
  {
    name: 'client-certificates-told',
    legs: ['h1-h1'],
    manager: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' },
    routes: ROUTES,
    cases: [
      get('/', { headers: { 'x-forwarded-client-cert': 'By=a' } }),
      get('/', { headers: { 'x-forwarded-client-cert': ['By=a', 'By=b'] } }),
    ],
  },
  {
    name: 'host-ports',
    manager: { strip_any_host_port: true },
    virtualHosts: [
      { name: 'shop', domains: ['shop.test'], routes: [to(ANY, 'b')] },
      { name: 'any', domains: ['*'], routes: [to(ANY, 'a')] },
    ],
    cases: ['shop.test', 'shop.test:80', 'shop.test:8080', 'shop.test:', '[::1]:80', '[::1]', 'shop.test:abc'].map((host) =>
      get('/', { host }, host.endsWith('abc') ? { differs: 'a port that is no number is refused' } : {}),
    ),
  },
  {
    name: 'host-trailing-dot',
    manager: { strip_trailing_host_dot: true },
    virtualHosts: [
      { name: 'shop', domains: ['shop.test', 'shop.test:80'], routes: [to(ANY, 'b')] },
      { name: 'any', domains: ['*'], routes: [to(ANY, 'a')] },
    ],
    cases: ['shop.test.', 'shop.test', 'shop.test.:80', 'shop.test..'].map((host) =>
      get('/', { host }, host.endsWith('abc') ? { differs: 'a port that is no number is refused' } : {}),
    ),
  },
  ...(
    [
      ['count', {}],
      ['count-append', { xff_num_trusted_hops: 1, skip_xff_append: false }],
      ['proxies', { xff_trusted_cidrs: { cidrs: ['127.0.0.0', '9.0.0.0'].map(network) } }],
      ['strangers', { xff_trusted_cidrs: { cidrs: ['9.0.0.0'].map(network) } }],
    ] as const
  ).map(
    ([name, fields]): Scene => ({
      name: `xff-detection-${name}`,
      legs: ['h1-h1'],
      manager: {
        original_ip_detection_extensions: [
          { name: 'xff', typed_config: { '@type': type('http.original_ip_detection.xff.v3.XffConfig'), ...fields } },
        ],
      },
      routes: [
        to(ANY, 'a', {}, { request_headers_to_add: [{ header: { key: 'x-remote', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }] }),
      ],
      cases: [
        get('/'),
        ...['1.2.3.4', '1.2.3.4, 9.9.9.9', '9.1.1.1, 9.2.2.2', '9.1.1.1,nobody,9.2.2.2', '1.1.1.1,2.2.2.2,9.9.9.9', ''].map((list) =>
          get('/', { headers: { 'x-forwarded-for': list } }),
        ),
      ],
    }),
  ),
  ...(
    [
      ['plain', {}],
      ['edge', { use_remote_address: true }],
      ['edge-one-hop', { use_remote_address: true, xff_num_trusted_hops: 1 }],
      ['edge-skip-append', { use_remote_address: true, skip_xff_append: true }],
      ['inner-one-hop', { xff_num_trusted_hops: 1 }],
      ['inner-two-hops', { xff_num_trusted_hops: 2 }],
      ['internal-none', { use_remote_address: true, internal_address_config: { unix_sockets: false } }],
      ['internal-cidr', { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } }],
      ['keep-request-id', { use_remote_address: true, preserve_external_request_id: true }],
      ['always-request-id', { always_set_request_id_in_response: true }],
      ['no-request-id', { generate_request_id: false }],
      ['forwarded-scheme', { use_remote_address: true, scheme_header_transformation: { scheme_to_overwrite: 'https' } }],
    ] as const
  ).map(
    ([name, manager]): Scene => ({
      name: `client-${name}`,
      manager,
      routes: [
        to(
          ANY,
          'a',
          {},
          {
            request_headers_to_add: [
              { header: { key: 'x-remote', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
              { header: { key: 'x-direct', value: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%' } },
            ],
          },
        ),
      ],
      cases: [
        get('/'),
        get('/', { headers: { 'x-forwarded-for': '1.2.3.4' } }),
        get('/', { headers: { 'x-forwarded-for': '9.9.9.9, 1.2.3.4' } }),
        get('/', { headers: { 'x-forwarded-for': '8.8.8.8,9.9.9.9,1.2.3.4' } }),
        get('/', { headers: { 'x-forwarded-for': '10.1.2.3' } }),
        get('/', { headers: { 'x-forwarded-for': ['1.2.3.4', '5.6.7.8'] } }),
        get('/', { headers: { 'x-forwarded-for': 'not an address' } }),
        get('/', { headers: { 'x-forwarded-for': '2001:db8::1' } }),
        get('/', { headers: { 'x-forwarded-proto': 'https' } }),
        get('/', { headers: { 'x-forwarded-proto': 'ftp' } }),
        get('/', { headers: { 'x-forwarded-host': 'f.test', 'x-forwarded-port': '99' } }),
        get('/', { headers: { 'x-request-id': 'mine' } }),
        get('/', { headers: { 'x-request-id': '11111111-2222-4333-8444-555555555555' } }),
        get('/', { headers: { 'x-envoy-internal': 'true', 'x-envoy-external-address': '7.7.7.7' } }),
        get('/', {
          headers: {
            'x-envoy-retry-on': '5xx',
            'x-envoy-max-retries': '3',
            'x-envoy-upstream-rq-timeout-ms': '5000',
            'x-envoy-decorator-operation': 'x',
            'x-envoy-original-host': 'h',
            'x-envoy-original-url': 'http://h/',
            'x-envoy-attempt-count': '7',
            'x-envoy-upstream-stream-duration-ms': '9000',
            'x-envoy-expected-rq-timeout-ms': '9',
          },
        }),
        get('/', { headers: { forwarded: 'for=1.2.3.4', 'x-real-ip': '4.4.4.4', 'x-client-trace-id': 'trace' } }),
      ],
      legs: ['h1-h1', 'h2-h2'],
    }),
  ),
  ...(
    [
      ['overwrite', {}],
      ['overwrite-named', { server_name: 'lateen-test' }],
      ['append-if-absent', { server_header_transformation: 'APPEND_IF_ABSENT', server_name: 'named' }],
      ['pass-through', { server_header_transformation: 'PASS_THROUGH' }],
      ['via', { via: 'proxy-1' }],
    ] as const
  ).map(
    ([name, manager]): Scene => ({
      name: `server-${name}`,
      manager,
      routes: [{ match: { path: '/own' }, direct_response: { status: 200 } }, to(ANY, 'a')],
      cases: [
        get('/'),
        get('/own'),
        ask('upstream names itself', { upstream: { headers: { server: 'upstream/1', via: '1.1 up' } } }),
        get('/', { headers: { via: '1.0 earlier' } }),
      ],
    }),
  ),
  ...['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER'].map(
    (action): Scene => ({
      name: `underscores-${action.toLowerCase().replaceAll('_', '-')}`,
      manager: { common_http_protocol_options: { headers_with_underscores_action: action } },
      routes: [to(ANY, 'a')],
      cases: [
        get('/', { headers: { x_under: '1', 'x-fine': '2' } }),
        get('/'),
        ask('of the answer', { upstream: { headers: { x_up: '1' } } }),
      ],
    }),
  ),
  {
    name: 'header-limits',
    manager: { max_request_headers_kb: 4, common_http_protocol_options: { max_headers_count: 20 } },
    routes: [to(ANY, 'a')],
    cases: [
      get('/', { headers: { 'x-long': 'l'.repeat(3000) } }, { name: '3000 bytes' }),
      get('/', { headers: { 'x-long': 'l'.repeat(5000) } }, { name: '5000 bytes' }),
      get(`/${'p'.repeat(5000)}`, {}, { name: 'a target of 5000 bytes' }),
      ask('15 headers', { headers: numbered(15) }),
      ask('30 headers', { headers: numbered(30) }),
      ask('30 values of one name', { headers: { 'x-many': Array.from({ length: 30 }, (_, i) => String(i)) } }),
    ],
  },
  {
    name: 'stream-limits',
    manager: { common_http_protocol_options: { max_requests_per_connection: 2 } },
    routes: [to(ANY, 'a')],
    cases: [
      ask('two requests on one connection', {}, { request: [{ path: '/1' }, { path: '/2' }], seesClose: true }),
      ask('one request', { path: '/1' }, { request: [{ path: '/1' }] }),
    ],
    legs: ['h1-h1'],
  },
  {
    name: 'local-replies',
    manager: {
      local_reply_config: {
        mappers: [
          {
            filter: { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 404, runtime_key: 'x' } } } },
            status_code: 410,
            body: { inline_string: 'nothing at %REQ(:PATH)%' },
            headers_to_add: [{ header: { key: 'x-local', value: 'mapped' } }],
          },
          {
            filter: { header_filter: { header: { name: 'x-format', string_match: { exact: 'json' } } } },
            body_format_override: { json_format: { code: '%RESPONSE_CODE%', text: '%LOCAL_REPLY_BODY%', path: '%REQ(:PATH)%' } },
          },
        ],
        body_format: { text_format_source: { inline_string: '<%RESPONSE_CODE%> %LOCAL_REPLY_BODY%\n' }, content_type: 'text/x-custom' },
      },
    },
    routes: [
      { match: { path: '/own' }, direct_response: { status: 403, body: { inline_string: 'own text' } } },
      to(exact('/dead'), 'dead'),
      to(exact('/up'), 'a'),
      { match: { path: '/redirect' }, redirect: { path_redirect: '/x' } },
    ],
    clusters: { dead: { load_assignment: { cluster_name: 'dead', endpoints: [] } } },
    cases: [
      get('/nothing'),
      get('/own'),
      get('/dead'),
      get('/redirect'),
      get('/own', { headers: { 'x-format': 'json' } }),
      get('/dead', { headers: { 'x-format': 'json' } }),
      get('/dead?a="b"', { headers: { 'x-format': 'json' } }),
      ask('404 of the upstream stays', { path: '/up', upstream: { status: 404 } }),
      get('/nothing', { method: 'HEAD' }),
      get('/nothing', GRPC),
      raw('what is no request', 'GET / HTTP/1.1\r\nhost: h\r\nnothing\r\n\r\n', { seesClose: true }),
    ],
  },
  {
    name: 'upgrades',
    manager: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
    routes: [
      to(exact('/off'), 'a', { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] }),
      to(exact('/other'), 'a', { upgrade_configs: [{ upgrade_type: 'other' }] }),
      to(exact('/timeout'), 'a', { timeout: '0.2s' }),
      to(ANY, 'a'),
    ],
    legs: ['h1-h1'],
    cases: [
      raw('websocket', ['GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n']),
      raw('WebSocket in other letters', ['GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: upgrade\r\nUpgrade: WebSocket\r\n\r\n']),
      raw('refused by the route', ['GET /off HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n']),
      raw('another kind, not allowed', ['GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\nUpgrade: other\r\n\r\n']),
      raw('another kind, allowed by the route', ['GET /other HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\nUpgrade: other\r\n\r\n']),
      raw('Upgrade without Connection', ['GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Upgrade: websocket\r\n\r\n']),
      raw('Connection without Upgrade', ['GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\n\r\n']),
      raw('POST', ['POST /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n']),
      raw('h2c', [
        'GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
      ]),
    ],
  },
  {
    name: 'no-upgrades',
    routes: [to(ANY, 'a')],
    legs: ['h1-h1'],
    cases: [
      raw('websocket', ['GET /ws HTTP/1.1\r\nHost: h\r\n{tag}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n']),
      raw('CONNECT', ['CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n{tag}\r\n']),
      raw('TRACE', ['TRACE / HTTP/1.1\r\nHost: h\r\n{tag}\r\n']),
    ],
  },
  {
    name: 'http-1.0',
    manager: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'old.test' } },
    routes: [to(ANY, 'a')],
    legs: ['h1-h1'],
    cases: [
      raw('no host', 'GET /x HTTP/1.0\r\n{tag}\r\n', { seesClose: true }),
      raw('with host', 'GET /x HTTP/1.0\r\nHost: h.test\r\n{tag}\r\n', { seesClose: true }),
      raw('keep-alive', 'GET /x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n{tag}\r\n', { seesClose: true }),
      raw('POST', 'POST /x HTTP/1.0\r\nHost: h\r\nContent-Length: 2\r\n{tag}\r\nhi'),
    ],
  },
];

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-n${i}`, String(i)]));
}
