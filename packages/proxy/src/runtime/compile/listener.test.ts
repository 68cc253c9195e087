import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRegistry, fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import {
  corsHttpFilter,
  DownstreamTlsContextSchema,
  faultHttpFilter,
  fileAccessLogger,
  HttpConnectionManagerSchema,
  httpInspectorListenerFilter,
  istioStats,
  ListenerSchema,
  originalDstListenerFilter,
  rbacHttpFilter,
  routerHttpFilter,
  TcpProxySchema,
} from '@lateen/xds/messages';
import type { ConnectionView, ListenerRuntime } from '../model.ts';
import { compileListener } from './compile.ts';

const registry = createRegistry(
  HttpConnectionManagerSchema,
  TcpProxySchema,
  DownstreamTlsContextSchema,
  routerHttpFilter.RouterSchema,
  corsHttpFilter.CorsSchema,
  faultHttpFilter.HTTPFaultSchema,
  rbacHttpFilter.RBACSchema,
  istioStats.PluginConfigSchema,
  fileAccessLogger.FileAccessLogSchema,
  originalDstListenerFilter.OriginalDstSchema,
  httpInspectorListenerFilter.HttpInspectorSchema,
);
const any = (name: string, fields: JsonObject = {}) => ({ '@type': `type.googleapis.com/${name}`, ...fields });
const compiled = (json: JsonValue) => compileListener(fromJson(ListenerSchema, json, { registry }));
const listenerOf = (json: JsonValue): ListenerRuntime => {
  const result = compiled(json);
  assert.ok(result.ok, result.ok ? '' : result.error.join('\n'));
  return result.value;
};

const ADDRESS = { socketAddress: { address: '0.0.0.0', portValue: 15006 } };
const tcp = (cluster: string) => ({
  name: 'tcp',
  typedConfig: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: cluster, cluster }),
});
const chain = (name: string, filterChainMatch: JsonObject) => ({ name, filterChainMatch, filters: [tcp(name)] });
const ROUTER = { name: 'router', typedConfig: any('envoy.extensions.filters.http.router.v3.Router') };
const hcm = (fields: JsonObject) => ({
  name: 'hcm',
  typedConfig: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: 'p',
    rds: { routeConfigName: '9080', configSource: { ads: {} } },
    httpFilters: [ROUTER],
    ...fields,
  }),
});

const connection = (fields: Partial<ConnectionView> & { port?: number } = {}): ConnectionView => ({
  destination: { host: '10.0.0.1', port: fields.port ?? 80 },
  source: { host: '10.0.0.9', port: 40000 },
  serverName: undefined,
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
  ...fields,
});

test("filter chains are narrowed in Envoy's order, and a named port excludes the rest", () => {
  const listener = listenerOf({
    name: 'virtualInbound',
    address: ADDRESS,
    filterChains: [
      chain('any-http', { applicationProtocols: ['http/1.1', 'h2c'] }),
      chain('any', {}),
      chain('port-tls', { destinationPort: 9080, transportProtocol: 'tls' }),
      chain('port-http', { destinationPort: 9080, applicationProtocols: ['http/1.1'] }),
      chain('sni', { destinationPort: 443, serverNames: ['*.example.com'] }),
      chain('sni-exact', { destinationPort: 443, serverNames: ['a.example.com'] }),
      chain('cidr', { prefixRanges: [{ addressPrefix: '10.1.0.0', prefixLen: 16 }] }),
      chain('cidr-longer', { prefixRanges: [{ addressPrefix: '10.1.2.0', prefixLen: 24 }] }),
      chain('local', { destinationPort: 7, sourceType: 'SAME_IP_OR_LOOPBACK' }),
    ],
    defaultFilterChain: { name: 'default', filters: [tcp('default')] },
  });
  const chosen = (fields: Parameters<typeof connection>[0]) => listener.matchChain(connection(fields))?.name;
  assert.equal(chosen({}), 'any');
  assert.equal(chosen({ applicationProtocols: ['h2c'] }), 'any-http');
  assert.equal(chosen({ port: 9080, transportProtocol: 'tls' }), 'port-tls');
  assert.equal(chosen({ port: 9080, applicationProtocols: ['http/1.1'] }), 'port-http');
  assert.equal(chosen({ port: 9080 }), 'default');
  assert.equal(chosen({ port: 443, serverName: 'b.example.com' }), 'sni');
  assert.equal(chosen({ port: 443, serverName: 'a.example.com' }), 'sni-exact');
  assert.equal(chosen({ port: 443, serverName: 'example.com' }), 'default');
  assert.equal(chosen({ destination: { host: '10.1.9.9', port: 80 } }), 'cidr');
  assert.equal(chosen({ destination: { host: '10.1.2.9', port: 80 } }), 'cidr-longer');
  assert.equal(chosen({ port: 7 }), 'default');
  assert.equal(chosen({ port: 7, source: { host: '127.0.0.1', port: 1 } }), 'local');
});

type Row = [name: string, chains: JsonObject[], connection: Parameters<typeof connection>[0], chosen: string | undefined];
const [H, LOCAL] = [
  { host: '10.0.0.9', port: 40000 },
  { host: '127.0.0.1', port: 1 },
];
// Envoy asks in this order, takes the best answer at each step, and never goes back.
const precedence: Row[] = [
  [
    'the port comes before the address',
    [{ destinationPort: 80 }, { prefixRanges: [{ addressPrefix: '10.0.0.1', prefixLen: 32 }] }],
    {},
    '0',
  ],
  [
    'the address before the server name',
    [{ prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] }, { serverNames: ['a.test'] }],
    { serverName: 'a.test' },
    '0',
  ],
  [
    'the server name before the transport protocol',
    [{ transportProtocol: 'tls' }, { serverNames: ['*.test'] }],
    { serverName: 'a.test', transportProtocol: 'tls' },
    '1',
  ],
  ['a longer wildcard before a shorter one', [{ serverNames: ['*.test'] }, { serverNames: ['*.b.test'] }], { serverName: 'a.b.test' }, '1'],
  ['a wildcard has several labels in it', [{ serverNames: ['*.test'] }], { serverName: 'a.b.test' }, '0'],
  ['a wildcard is not its own bare domain', [{ serverNames: ['*.test'] }], { serverName: 'test' }, undefined],
  [
    'the transport protocol before the application protocol',
    [{ applicationProtocols: ['h2'] }, { transportProtocol: 'tls' }],
    { transportProtocol: 'tls', applicationProtocols: ['h2'] },
    '1',
  ],
  [
    'the client prefers among application protocols',
    [{ applicationProtocols: ['http/1.1'] }, { applicationProtocols: ['h2'] }],
    { applicationProtocols: ['h2', 'http/1.1'] },
    '1',
  ],
  [
    'the application protocol before the direct source',
    [{ directSourcePrefixRanges: [{ addressPrefix: '10.0.0.9', prefixLen: 32 }] }, { applicationProtocols: ['h2'] }],
    { applicationProtocols: ['h2'] },
    '1',
  ],
  [
    'the direct source is the socket, not what a header says',
    [{ directSourcePrefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] }, {}],
    { source: { host: '192.0.2.1', port: 1 }, directSource: H },
    '0',
  ],
  [
    'the direct source before the source type',
    [{ sourceType: 'EXTERNAL' }, { directSourcePrefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] }],
    {},
    '1',
  ],
  [
    'the source type before the source',
    [{ sourcePrefixRanges: [{ addressPrefix: '127.0.0.1', prefixLen: 32 }] }, { sourceType: 'SAME_IP_OR_LOOPBACK' }],
    { source: LOCAL },
    '1',
  ],
  [
    'the source before the source port',
    [{ sourcePorts: [40000] }, { sourcePrefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 24 }] }],
    {},
    '1',
  ],
  ['no way back: the better port leads to no chain', [{ destinationPort: 80, serverNames: ['a.test'] }, {}], {}, undefined],
  [
    'no way back: the longer prefix leads to no chain',
    [
      { prefixRanges: [{ addressPrefix: '10.0.0.1', prefixLen: 32 }], sourcePorts: [1] },
      { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] },
    ],
    {},
    undefined,
  ],
];
for (const [name, matches, from, chosen] of precedence) {
  test(`filter chain match: ${name}`, () => {
    const listener = listenerOf({ name: 'x', address: ADDRESS, filterChains: matches.map((match, i) => chain(String(i), match)) });
    assert.equal(listener.matchChain(connection(from))?.name, chosen);
  });
}

test('chains that nothing tells apart are refused, also when only one of their values is the same', () => {
  const overlapping: [JsonObject, JsonObject][] = [
    [{}, {}],
    [{ serverNames: ['a.test', 'b.test'] }, { serverNames: ['B.test', 'c.test'] }],
    [{ prefixRanges: [{ addressPrefix: '10.1.2.3', prefixLen: 8 }] }, { prefixRanges: [{ addressPrefix: '10.9.9.9', prefixLen: 8 }] }],
  ];
  for (const [a, b] of overlapping) {
    assert.deepEqual(compiled({ name: 'x', address: ADDRESS, filterChains: [chain('a', a), chain('b', b)] }), {
      ok: false,
      error: ['listener "x": filter_chains[1]: cannot be told from filter_chains[0] by its filter_chain_match'],
    });
  }
  listenerOf({
    name: 'x',
    address: ADDRESS,
    filterChains: [chain('a', { serverNames: ['a.test'] }), chain('b', { serverNames: ['a.test'], destinationPort: 1 })],
  });
});

test("connection manager settings and Envoy's defaults", () => {
  const listener = listenerOf({
    name: 'x',
    address: ADDRESS,
    trafficDirection: 'OUTBOUND',
    useOriginalDst: true,
    bindToPort: false,
    listenerFilters: [
      { name: 'o', typedConfig: any('envoy.extensions.filters.listener.original_dst.v3.OriginalDst') },
      {
        name: 'h',
        typedConfig: any('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector'),
        filterDisabled: {
          orMatch: { rules: [{ destinationPortRange: { start: 25, end: 26 } }, { destinationPortRange: { start: 53, end: 54 } }] },
        },
      },
    ],
    filterChains: [
      {
        filters: [
          { name: 'istio.stats', typedConfig: any('stats.PluginConfig') },
          hcm({
            normalizePath: true,
            mergeSlashes: true,
            pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD',
            useRemoteAddress: false,
            serverName: 'istio-envoy',
            streamIdleTimeout: '0s',
            upgradeConfigs: [{ upgradeType: 'websocket' }],
            httpProtocolOptions: { acceptHttp10: true },
            accessLog: [
              {
                name: 'f',
                typedConfig: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
                  path: '/dev/stdout',
                  logFormat: { textFormatSource: { inlineString: '%RESPONSE_CODE%\n' } },
                }),
              },
            ],
            httpFilters: [
              { name: 'fault', typedConfig: any('envoy.extensions.filters.http.fault.v3.HTTPFault') },
              { name: 'cors', typedConfig: any('envoy.extensions.filters.http.cors.v3.Cors') },
              {
                name: 'stats',
                typedConfig: any('stats.PluginConfig', {
                  metrics: [{ name: 'requests_total', dimensions: { team: '"blue"' }, tagsToRemove: ['x'] }],
                }),
              },
              ROUTER,
            ],
          }),
        ],
      },
    ],
  });
  assert.deepEqual([listener.trafficDirection, listener.useOriginalDst, listener.bindToPort], ['outbound', true, false]);
  const inspector = listener.listenerFilters[1];
  assert.deepEqual(
    [25, 26, 53].map((port) => inspector?.isDisabled(port)),
    [true, false, true],
  );
  const filterChain = listener.matchChain(connection());
  assert.ok(filterChain?.terminal.kind === 'http');
  const settings = filterChain.terminal.hcm;
  assert.deepEqual(
    settings.filters.map((filter) => filter.kind),
    ['fault', 'cors', 'istio_stats', 'router'],
  );
  assert.deepEqual([settings.routes.kind, 'name' in settings.routes && settings.routes.name], ['rds', '9080']);
  assert.equal(settings.escapedSlashes, 'unescape_and_forward');
  assert.equal(settings.http1.acceptHttp10, true);
  assert.equal(settings.upgrades.get('websocket'), true);
  assert.deepEqual(
    [settings.streamIdleTimeoutMs, settings.idleTimeoutMs, settings.requestTimeoutMs, settings.maxHeadersCount],
    [0, 3_600_000, 0, 100],
  );
  assert.deepEqual(settings.accessLogs[0]?.format, {
    kind: 'text',
    omitEmpty: false,
    text: [{ operator: 'RESPONSE_CODE', argument: undefined, maxLength: undefined }, '\n'],
  });
});

test('keepalive of connections is set by socket options of Linux', () => {
  const options = (...given: [level: number, name: number, intValue: number][]) =>
    listenerOf({
      name: 'x',
      address: ADDRESS,
      filterChains: [chain('a', {})],
      socketOptions: given.map(([level, name, intValue]) => ({ level, name, intValue })),
    }).keepalive;
  assert.equal(options(), undefined);
  assert.equal(options([6, 4, 60]), undefined);
  assert.deepEqual(options([1, 9, 1], [6, 4, 60], [6, 5, 10]), { idleMs: 60_000, intervalMs: 10_000, probes: 9 });
  const own = listenerOf({
    name: 'x',
    address: ADDRESS,
    filterChains: [chain('a', {})],
    tcpKeepalive: { keepaliveTime: 30, keepaliveProbes: 3 },
  });
  assert.deepEqual(own.keepalive, { idleMs: 30_000, intervalMs: 75_000, probes: 3 });
});

const refusals: [string, object, string[]][] = [
  ['an unknown field', { filterChains: [chain('a', {})], transparent: true }, ['listener "x": transparent: is not supported']],
  [
    'a host name',
    { filterChains: [chain('a', {})], address: { socketAddress: { address: 'localhost', portValue: 1 } } },
    ['listener "x": address.socket_address.address: malformed IP address: localhost'],
  ],
  [
    'IPv4 on one IPv6 address',
    { filterChains: [chain('a', {})], address: { socketAddress: { address: '::1', portValue: 1, ipv4Compat: true } } },
    ['listener "x": address.socket_address.ipv4_compat: only "::" and IPv4-mapped addresses have it'],
  ],
  [
    'a socket without a name in the file system',
    { filterChains: [chain('a', {})], address: { pipe: { path: '@x' } } },
    ['listener "x": address.pipe.path: abstract sockets are not supported'],
  ],
  [
    'a socket option that is not about keepalive',
    { filterChains: [chain('a', {})], socketOptions: [{ level: 0, name: 1, intValue: 1 }] },
    ['listener "x": socket_options[0]: only SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT and TCP_NODELAY are supported'],
  ],
  ['no chain', {}, ['listener "x": filter_chains: must not be empty']],
  [
    'settings of a connection manager that contradict each other',
    {
      filterChains: [
        {
          filters: [
            hcm({
              stripMatchingHostPort: true,
              stripAnyHostPort: true,
              upgradeConfigs: [{ upgradeType: 'websocket' }, { upgradeType: 'WebSocket' }],
            }),
          ],
        },
      ],
    },
    [
      'listener "x": filter_chains[0].filters[0].typed_config.upgrade_configs[1]: duplicate upgrade "websocket"',
      'listener "x": filter_chains[0].filters[0].typed_config.strip_any_host_port: excludes strip_matching_host_port',
    ],
  ],
  [
    'a filter that is not known, with its type',
    {
      filterChains: [
        { filters: [hcm({ httpFilters: [{ name: 'rbac', typedConfig: any('envoy.extensions.filters.http.rbac.v3.RBAC') }, ROUTER] })] },
      ],
    },
    [
      'listener "x": filter_chains[0].filters[0].typed_config.http_filters[0].typed_config: type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC is not supported here',
    ],
  ],
  [
    'the router not last, and a chain without end',
    { filterChains: [{ filters: [hcm({ httpFilters: [] })] }, { filterChainMatch: { destinationPort: 1 }, filters: [] }] },
    ['listener "x": filter_chains[0].filters[0].typed_config.http_filters: the router must be there once, as the last filter'],
  ],
  [
    'the same match twice',
    { filterChains: [chain('a', { destinationPort: 80 }), chain('b', { destinationPort: 80 })] },
    ['listener "x": filter_chains[1]: cannot be told from filter_chains[0] by its filter_chain_match'],
  ],
  [
    'a formatter of names that is not known, or none at all',
    {
      filterChains: [any('envoy.extensions.filters.http.cors.v3.Cors'), undefined].map((typedConfig, i) => ({
        filterChainMatch: { destinationPort: i + 1 },
        filters: [
          hcm({
            httpFilters: [ROUTER],
            httpProtocolOptions: { headerKeyFormat: { statefulFormatter: { name: 'x', ...(typedConfig && { typedConfig }) } } },
          }),
        ],
      })),
    },
    [
      'listener "x": filter_chains[0].filters[0].typed_config.http_protocol_options.header_key_format.stateful_formatter.typed_config: type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors is not supported here',
      'listener "x": filter_chains[1].filters[0].typed_config.http_protocol_options.header_key_format.stateful_formatter.typed_config: is required',
    ],
  ],
  [
    'a log operator that does not exist',
    {
      filterChains: [chain('a', {})],
      accessLog: [
        {
          typedConfig: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
            path: '/x',
            logFormat: { textFormatSource: { inlineString: '%RESPONSE_COLOUR%' } },
          }),
        },
      ],
    },
    ['listener "x": access_log[0].typed_config.log_format.text_format_source: unknown operator %RESPONSE_COLOUR%'],
  ],
];
for (const [name, fields, reasons] of refusals) {
  test(`refused: ${name}`, () => {
    const result = compiled({ name: 'x', address: ADDRESS, ...fields } as JsonValue);
    assert.ok(!result.ok);
    assert.deepEqual(result.error, reasons);
  });
}
