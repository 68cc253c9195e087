import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderTable } from '../output/table.ts';
import { CLUSTER_HEADER, clusterRows, selectClusters } from './clusters.ts';
import { parseConfigDump } from './dump.ts';
import { ENDPOINT_HEADER, endpointRows, selectEndpoints } from './endpoints.ts';
import { LISTENER_HEADER, listenerRows, selectListeners } from './listeners.ts';
import { ROUTE_HEADER, routeRows, selectRoutes } from './routes.ts';

const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });
const managed = (kind: string, name: string) => ({
  filter_metadata: { istio: { config: `/apis/networking.istio.io/v1/namespaces/default/${kind}/${name}` } },
});

const dump = parseConfigDump({
  configs: [
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
      dynamic_listeners: [
        {
          active_state: {
            listener: {
              address: address('0.0.0.0', 15001),
              filter_chains: [
                {
                  filter_chain_match: { destination_port: 15001 },
                  filters: [{ typed_config: { '@type': TCP, cluster: 'BlackHoleCluster' } }],
                },
              ],
              default_filter_chain: { filters: [{ typed_config: { '@type': TCP, cluster: 'PassthroughCluster' } }] },
            },
          },
        },
        {
          active_state: {
            listener: {
              address: address('0.0.0.0', 9080),
              filter_chains: [
                {
                  filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.0', 'http/1.1', 'h2c'] },
                  filters: [{ typed_config: { '@type': HCM, rds: { route_config_name: '9080' } } }],
                },
              ],
            },
          },
        },
      ],
      // The other spelling, as protobuf's JSON mapping writes it.
      staticListeners: [
        {
          listener: {
            address: { socketAddress: { address: '0.0.0.0', portValue: 15021 } },
            filterChains: [
              {
                filters: [
                  {
                    typedConfig: {
                      '@type': HCM,
                      routeConfig: {
                        virtualHosts: [{ domains: ['*'], routes: [{ match: { prefix: '/healthz/ready' }, route: { cluster: 'agent' } }] }],
                      },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
      dynamic_active_clusters: [
        {
          cluster: {
            name: 'outbound|9080|v1|reviews.default.svc.cluster.local',
            type: 'EDS',
            metadata: managed('destination-rule', 'reviews'),
          },
        },
        { cluster: { name: 'BlackHoleCluster', type: 'STATIC' } },
      ],
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump',
      dynamic_route_configs: [
        {
          route_config: {
            name: '9080',
            virtual_hosts: [
              {
                name: 'reviews.default.svc.cluster.local:9080',
                domains: ['reviews.default.svc.cluster.local', 'reviews', 'reviews.default'],
                routes: [{ match: { prefix: '/' }, metadata: managed('virtual-service', 'reviews') }],
              },
            ],
          },
        },
        {
          route_config: {
            name: 'inbound|9080||',
            virtual_hosts: [{ name: 'inbound|http|9080', domains: ['*'], routes: [{ match: { prefix: '/' } }] }],
          },
        },
        { route_config: { name: '80', virtual_hosts: [] } },
      ],
    },
    {
      '@type': 'type.googleapis.com/envoy.admin.v3.EndpointsConfigDump',
      dynamic_endpoint_configs: [
        {
          endpoint_config: {
            cluster_name: 'outbound|9080||reviews.default.svc.cluster.local',
            endpoints: [
              {
                locality: { region: 'r', zone: 'z' },
                lb_endpoints: [
                  { health_status: 'HEALTHY', endpoint: { address: address('10.244.0.5', 9080) } },
                  { health_status: 'DRAINING', endpoint: { address: address('10.244.0.6', 9080) } },
                ],
              },
            ],
          },
        },
      ],
    },
  ],
});

test('listeners are listed a row per filter chain, with what takes the traffic', () => {
  assert.equal(
    renderTable(LISTENER_HEADER, listenerRows(selectListeners(dump, {}))),
    [
      'ADDRESSES   PORT    MATCH                          DESTINATION',
      '0.0.0.0     9080    Trans: raw_buffer; App: HTTP   Route: 9080',
      '0.0.0.0     15001   ALL                            PassthroughCluster',
      '0.0.0.0     15001   Addr: *:15001                  Non-HTTP/Non-TCP',
      '0.0.0.0     15021   ALL                            Inline Route: /healthz/ready*',
      '',
    ].join('\n'),
  );
  const cases: { filter: Parameters<typeof selectListeners>[1]; expected: number }[] = [
    { filter: { port: 9080 }, expected: 1 },
    { filter: { type: 'http' }, expected: 2 },
    { filter: { type: 'TCP' }, expected: 1 },
    { filter: { address: '10.0.0.1' }, expected: 0 },
  ];
  for (const { filter, expected } of cases) assert.equal(selectListeners(dump, filter).length, expected, JSON.stringify(filter));
});

test('clusters show the parts of their name and the rule behind them', () => {
  assert.deepEqual(clusterRows(selectClusters(dump, {})), [
    ['BlackHoleCluster', '-', '-', '-', 'STATIC', ''],
    ['reviews.default.svc.cluster.local', '9080', 'v1', 'outbound', 'EDS', 'reviews.default'],
  ]);
  assert.equal(CLUSTER_HEADER.length, 6);
  assert.equal(selectClusters(dump, { fqdn: 'reviews', port: 9080, subset: 'v1', direction: 'outbound' }).length, 1);
  assert.equal(selectClusters(dump, { direction: 'inbound' }).length, 0);
});

test('routes come numbered first, one row each, and an empty table is a 404', () => {
  assert.deepEqual(routeRows(selectRoutes(dump, {})), [
    ['80', '', '', '', '404'],
    ['9080', 'reviews.default.svc.cluster.local:9080', 'reviews, reviews.default + 1 more...', '/*', 'reviews.default'],
    ['inbound|9080||', 'inbound|http|9080', '*', '/*', ''],
  ]);
  assert.equal(ROUTE_HEADER.length, 5);
  assert.equal(selectRoutes(dump, { name: '9080' }).length, 1);
});

test('endpoints show address, health, locality and cluster', () => {
  const cluster = 'outbound|9080||reviews.default.svc.cluster.local';
  assert.deepEqual(endpointRows(selectEndpoints(dump, {})), [
    ['10.244.0.5:9080', 'HEALTHY', 'r/z', cluster],
    ['10.244.0.6:9080', 'DRAINING', 'r/z', cluster],
  ]);
  assert.equal(ENDPOINT_HEADER.length, 4);
  assert.equal(endpointRows(selectEndpoints(dump, { status: 'healthy' })).length, 1);
  assert.equal(selectEndpoints(dump, { cluster: 'other' }).length, 0);
});

test('what is not a config dump is refused with the reason', () => {
  for (const value of [undefined, null, {}, { configs: 'x' }, []]) assert.throws(() => parseConfigDump(value), /not a config dump/);
});
