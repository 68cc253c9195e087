// One bootstrap for Envoy and for Lateen's proxy: they are asked for exactly the same.

import { ADDED_RESPONSE_HEADER, REMOVED_RESPONSE_HEADER, type Setup, type TlsFiles } from './setup.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';

/** As an object; both programs read JSON. */
export function bootstrapOf(setup: Setup, port: number): object {
  const names = Array.from({ length: setup.idleClusters ?? 0 }, (_, i) => `service-${i}.test`);
  return {
    static_resources: {
      listeners: [listenerOf(setup, port, names)],
      clusters: [clusterOf('app', setup), ...names.map((name) => clusterOf(name, setup))],
    },
  };
}

/** The same listener, with the idle clusters from ADS. */
export function dynamicBootstrapOf(setup: Setup, { port, xdsPort }: { port: number; xdsPort: number }): object {
  const names = Array.from({ length: setup.idleClusters ?? 0 }, (_, i) => `service-${i}.test`);
  const xds = clusterOf('xds', { downstream: 'http1', upstream: 'http2', upstreamPort: xdsPort, prefixes: [] });
  return {
    node: { id: 'bench', cluster: 'bench' },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: { listeners: [listenerOf(setup, port, names)], clusters: [clusterOf('app', setup), xds] },
  };
}

export function clusterOf(name: string, setup: Setup): object {
  const { tls, upstreamPort } = setup;
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }] },
    ...(setup.upstream === 'http2' && {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    }),
    ...(tls && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
          sni: 'bench.test',
          common_tls_context: commonTls(tls, { verifies: true, alpn: setup.upstream }),
        },
      },
    }),
  };
}

function listenerOf(setup: Setup, port: number, names: readonly string[]): object {
  const { tls, serverTls } = setup;
  const own = tls ?? serverTls;
  const filter = setup.downstream === 'tcp' ? tcpProxy() : connectionManager(setup, names);
  return {
    name: 'bench',
    address: address(port),
    filter_chains: [
      {
        filters: [filter],
        ...(own && {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
              require_client_certificate: tls !== undefined,
              common_tls_context: commonTls(own, { verifies: tls !== undefined, alpn: setup.downstream }),
            },
          },
        }),
      },
    ],
  };
}

function commonTls({ ca, certificate, key }: TlsFiles, { verifies, alpn }: { verifies: boolean; alpn: Setup['downstream'] }): object {
  return {
    tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    ...(verifies && { validation_context: { trusted_ca: { filename: ca } } }),
    ...(alpn === 'http2' && { alpn_protocols: ['h2'] }),
  };
}

function tcpProxy(): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: { '@type': `${TYPES}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'bench', cluster: 'app' },
  };
}

function connectionManager(setup: Setup, names: readonly string[]): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'bench',
      use_remote_address: true,
      route_config: {
        name: 'bench',
        validate_clusters: false,
        response_headers_to_remove: [REMOVED_RESPONSE_HEADER],
        response_headers_to_add: [{ header: { key: ADDED_RESPONSE_HEADER, value: 'proxy' } }],
        virtual_hosts: [
          ...names.map((name) => ({ name, domains: [name], routes: [{ match: { prefix: '/' }, route: { cluster: name } }] })),
          {
            name: 'all',
            domains: ['*'],
            routes: setup.prefixes.map((prefix) => ({ match: { prefix }, route: { cluster: 'app', timeout: '0s' } })),
          },
        ],
      },
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } }],
    },
  };
}

const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
