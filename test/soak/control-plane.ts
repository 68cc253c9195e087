// A control plane that never rests: endpoints, routes and listeners change while the load runs.

import { createRegistry, type DescMessage, fromJson, type JsonObject } from '@bufbuild/protobuf';
import {
  ClusterLoadAssignmentSchema,
  ClusterSchema,
  DownstreamTlsContextSchema,
  HttpConnectionManagerSchema,
  ListenerSchema,
  RouteConfigurationSchema,
  routerHttpFilter,
  SecretSchema,
  TcpProxySchema,
  upstreamHttp,
} from '@lateen/xds/messages/proxy';
import {
  CLUSTER_TYPE,
  createAdsServer,
  ENDPOINT_TYPE,
  type EncodedResource,
  encodeResource,
  LISTENER_TYPE,
  ROUTE_TYPE,
} from '@lateen/xds/server';
import type { Upstreams } from './upstreams.ts';

const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
const TYPES = 'type.googleapis.com/envoy.extensions';

const registry = createRegistry(
  HttpConnectionManagerSchema,
  TcpProxySchema,
  routerHttpFilter.RouterSchema,
  upstreamHttp.HttpProtocolOptionsSchema,
  DownstreamTlsContextSchema,
);

export type Ports = { readonly http: number; readonly tls: number; readonly tcp: number };
export type KeyPair = { readonly certificatePem: string; readonly keyPem: string };

export type ControlPlane = {
  readonly port: number;
  /** Makes the next change: most are endpoints, some routes, few listeners and certificates. */
  change(): void;
  readonly changes: number;
  close(): Promise<void>;
};

/** Serves until closed. `nextCertificate` makes a new certificate for the TLS listener. */
export async function startControlPlane(ports: Ports, upstreams: Upstreams, nextCertificate: () => KeyPair): Promise<ControlPlane> {
  let changes = 0;
  let certificate = nextCertificate();
  let resources = resourcesOf({ ports, upstreams, changes, certificate });
  const server = createAdsServer({ resources: () => resources, version: () => String(changes) });
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    port,
    change() {
      changes++;
      if (changes % 30 === 0) certificate = nextCertificate();
      resources = resourcesOf({ ports, upstreams, changes, certificate });
      server.push();
    },
    get changes() {
      return changes;
    },
    close: async () => server.close(),
  };
}

type State = { ports: Ports; upstreams: Upstreams; changes: number; certificate: KeyPair };

function resourcesOf(state: State) {
  const { upstreams, changes } = state;
  return new Map([
    of(CLUSTER_TYPE, ClusterSchema, [edsCluster('http1', false), edsCluster('http2', true), tcpCluster(upstreams.tcp)]),
    of(ENDPOINT_TYPE, ClusterLoadAssignmentSchema, [
      assignment('http1', someOf(upstreams.http1, changes)),
      assignment('http2', someOf(upstreams.http2, changes)),
    ]),
    of(LISTENER_TYPE, ListenerSchema, listeners(state)),
    of(ROUTE_TYPE, RouteConfigurationSchema, [routes(Math.floor(changes / 5))]),
    of(SECRET_TYPE, SecretSchema, [
      {
        name: 'server',
        tls_certificate: {
          certificate_chain: { inline_string: state.certificate.certificatePem },
          private_key: { inline_string: state.certificate.keyPem },
        },
      },
    ]),
  ]);
}

function of(typeUrl: string, schema: DescMessage, resources: readonly JsonObject[]): [string, Map<string, EncodedResource>] {
  const encoded = resources.map((json): [string, EncodedResource] => {
    const name = String(json['name'] ?? json['cluster_name']);
    return [name, encodeResource(name, schema, fromJson(schema, json, { registry }))];
  });
  return [typeUrl, new Map(encoded)];
}

/** All but one, a different one each time. */
const someOf = (ports: readonly number[], changes: number): number[] => ports.filter((_, i) => i !== changes % ports.length);

const address = (port: number): JsonObject => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const assignment = (name: string, ports: readonly number[]): JsonObject => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }],
});

const edsCluster = (name: string, isHttp2: boolean): JsonObject => ({
  name,
  type: 'EDS',
  eds_cluster_config: { eds_config: { ads: {} } },
  connect_timeout: '5s',
  ...(isHttp2 && {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  }),
});

const tcpCluster = (port: number): JsonObject => ({
  name: 'tcp',
  type: 'STATIC',
  connect_timeout: '5s',
  load_assignment: assignment('tcp', [port]),
});

function routes(generation: number): JsonObject {
  return {
    name: 'routes',
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          { match: { prefix: '/h2' }, route: { cluster: 'http2' } },
          { match: { prefix: '/' }, route: { cluster: 'http1', upgrade_configs: [{ upgrade_type: 'websocket' }] } },
        ],
        response_headers_to_add: [{ header: { key: 'x-generation', value: String(generation) } }],
      },
    ],
  };
}

function listeners({ ports, changes }: State): JsonObject[] {
  // Another idle timeout makes another filter chain: connections of the old one drain.
  const manager = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'soak',
      rds: { route_config_name: 'routes', config_source: { ads: {} } },
      common_http_protocol_options: { idle_timeout: `${3600 + Math.floor(changes / 60)}s` },
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } }],
    },
  };
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificate_sds_secret_configs: [{ name: 'server', sds_config: { ads: {} } }],
      },
    },
  };
  const tcp = {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: { '@type': `${TYPES}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', cluster: 'tcp' },
  };
  return [
    { name: 'http', address: address(ports.http), filter_chains: [{ filters: [manager] }] },
    { name: 'tls', address: address(ports.tls), filter_chains: [{ filters: [manager], transport_socket: tls }] },
    { name: 'tcp', address: address(ports.tcp), filter_chains: [{ filters: [tcp] }] },
  ];
}
