// The two profiles that hostile input is tried against, as Envoy's bootstrap in JSON, so that Envoy can run the same.
// gateway: the hardened edge (reliability-security.md section 3). inbound: a sidecar's inbound side as Istio configures it.

export type JsonObject = { [key: string]: unknown };

const TYPE = 'type.googleapis.com/envoy.extensions';

export const PROFILES = ['gateway', 'inbound'] as const;
export type Profile = (typeof PROFILES)[number];

const WEBSOCKET = [{ upgrade_type: 'websocket' }];

const GATEWAY: JsonObject = {
  use_remote_address: true,
  normalize_path: true,
  merge_slashes: true,
  path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
  common_http_protocol_options: { idle_timeout: '3600s', headers_with_underscores_action: 'REJECT_REQUEST' },
  http2_protocol_options: { max_concurrent_streams: 100, initial_stream_window_size: 65536, initial_connection_window_size: 1048576 },
  stream_idle_timeout: '300s',
  request_timeout: '300s',
  request_headers_timeout: '60s',
  forward_client_cert_details: 'SANITIZE_SET',
  server_name: 'istio-envoy',
  upgrade_configs: WEBSOCKET,
};

const INBOUND: JsonObject = {
  use_remote_address: false,
  normalize_path: true,
  forward_client_cert_details: 'APPEND_FORWARD',
  set_current_client_cert_details: { subject: true, dns: true, uri: true },
  server_name: 'istio-envoy',
  server_header_transformation: 'PASS_THROUGH',
  upgrade_configs: WEBSOCKET,
};

export type ListenerOptions = {
  name: string;
  /** 0 = any free one (Lateen only). */
  port: number;
  profile: Profile;
  /** Overrides settings of the HTTP connection manager. */
  hcm?: JsonObject;
  listener?: JsonObject;
  transportSocket?: JsonObject;
  /** Default: every path to the cluster "up". */
  routes?: readonly JsonObject[];
};

export function listenerOf({ name, port, profile, hcm = {}, listener = {}, routes, transportSocket }: ListenerOptions): JsonObject {
  const manager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    route_config: {
      name: 'routes',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: routes ?? [{ match: { prefix: '/' }, route: { cluster: 'up' } }] }],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
    ...(profile === 'gateway' ? GATEWAY : INBOUND),
    ...hcm,
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    ...(profile === 'inbound' && { traffic_direction: 'INBOUND' }),
    per_connection_buffer_limit_bytes: 32768,
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        ...(transportSocket && { transport_socket: transportSocket }),
      },
    ],
    ...listener,
  };
}

/** An access log whose lines a Lateen target keeps in `log`. */
export const accessLogOf = (format: string): JsonObject => ({
  name: 'envoy.access_loggers.file',
  typed_config: {
    '@type': `${TYPE}.access_loggers.file.v3.FileAccessLog`,
    path: '/dev/stdout',
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  },
});

export type ClusterOptions = { http2?: boolean; fields?: JsonObject };

export function clusterOf(name: string, port: number, { http2 = false, fields = {} }: ClusterOptions = {}): JsonObject {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const options = {
    '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    ...(http2 && { typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options } }),
    ...fields,
  };
}

/** TLS with this certificate on a listener, offering these protocols. */
export function downstreamTls({ cert, key }: { cert: string; key: string }, alpn: readonly string[] = ['h2', 'http/1.1']): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        alpn_protocols: alpn,
        tls_certificates: [{ certificate_chain: { inline_string: cert }, private_key: { inline_string: key } }],
      },
    },
  };
}

/** A bootstrap with these; JSON is YAML. */
export const bootstrapOf = (listeners: readonly JsonObject[], clusters: readonly JsonObject[], more: JsonObject = {}): string =>
  JSON.stringify({ node: { id: 'test', cluster: 'test' }, static_resources: { listeners, clusters }, ...more });
