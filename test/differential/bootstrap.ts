// Scenes to one Envoy bootstrap, in JSON.

import type { Scene } from './model.ts';

export const UPSTREAMS = ['a', 'b', 'c'] as const;

export type Ports = {
  /** By upstream name. */
  upstreams: ReadonlyMap<string, number>;
  /** By scene name. */
  listeners: ReadonlyMap<string, number>;
};

const TYPES = 'type.googleapis.com/envoy.extensions';

/** A type URL below envoy.extensions. */
export const type = (name: string) => `${TYPES}.${name}`;

/** A port of an upstream, as configurations of scenes write it: replaced by its number. */
export const portOf = (upstream: string) => `@port:${upstream}`;

/** An endpoint of a load assignment. `@port:NAME` stands for the port of an upstream; nothing listens on that of `nobody`. */
export const endpoint = (upstream: string, fields: object = {}) => ({
  endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: portOf(upstream) } } },
  ...fields,
});

/** Fields of a static cluster with these endpoints. */
export const withEndpoints = (...upstreams: readonly string[]) => ({
  load_assignment: { cluster_name: 'x', endpoints: [{ lb_endpoints: upstreams.map((name) => endpoint(name)) }] },
});

export const LOG_FORMAT = [
  'REQ(X-CASE)',
  'RESPONSE_CODE',
  'RESPONSE_FLAGS',
  'RESPONSE_CODE_DETAILS',
  'UPSTREAM_CLUSTER',
  'ROUTE_NAME',
  'VIRTUAL_CLUSTER_NAME',
  'PROTOCOL',
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
]
  .map((operator) => `%${operator}%`)
  .join('|');

/** The bootstrap of these scenes. `logFolder/SCENE.log` gets a line of LOG_FORMAT for each request. */
export function bootstrapOf(scenes: readonly Scene[], options: { ports: Ports; http2Upstream: boolean; logFolder: string }): string {
  const { ports, http2Upstream, logFolder } = options;
  const clusters = new Map<string, object>(UPSTREAMS.map((name) => [name, withEndpoints(name)]));
  for (const scene of scenes) for (const [name, fields] of Object.entries(scene.clusters ?? {})) clusters.set(name, fields);
  const runtime = Object.assign({}, ...scenes.map((scene) => scene.runtime ?? {})) as object;
  const bootstrap = {
    node: { id: 'differential', cluster: 'differential' },
    ...(Object.keys(runtime).length > 0 && { layered_runtime: { layers: [{ name: 'keys', static_layer: runtime }] } }),
    static_resources: {
      listeners: scenes.map((scene) =>
        listenerOf(scene, { port: ports.listeners.get(scene.name)!, log: `${logFolder}/${scene.name}.log` }),
      ),
      clusters: [...clusters].map(([name, fields]) => clusterOf(name, fields, http2Upstream)),
    },
  };
  return JSON.stringify(bootstrap, (_key, value: unknown) => {
    const upstream = typeof value === 'string' ? /^@port:(\w+)$/.exec(value)?.[1] : undefined;
    return upstream ? ports.upstreams.get(upstream) : value;
  });
}

/** `http_options` and `http1_options` of a scene's cluster go into its HttpProtocolOptions. */
function clusterOf(name: string, fields: object, http2Upstream: boolean): object {
  const assignment = (fields as { load_assignment?: object }).load_assignment;
  const {
    http_options: httpOptions = {},
    http1_options: http1 = {},
    ...others
  } = fields as { http_options?: object; http1_options?: object };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    ...others,
    ...(assignment && { load_assignment: { ...assignment, cluster_name: name } }),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': type('upstreams.http.v3.HttpProtocolOptions'),
        explicit_http_config: http2Upstream ? { http2_protocol_options: {} } : { http_protocol_options: http1 },
        ...httpOptions,
      },
    },
  };
}

function listenerOf(scene: Scene, { port, log }: { port: number; log: string }): object {
  const manager = {
    '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: scene.name,
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': type('access_loggers.file.v3.FileAccessLog'),
          path: log,
          log_format: { text_format_source: { inline_string: `${LOG_FORMAT}\n` } },
        },
      },
    ],
    route_config: {
      name: 'routes',
      virtual_hosts: scene.virtualHosts ?? [{ name: 'all', domains: ['*'], routes: scene.routes ?? [] }],
      ...scene.routeConfig,
    },
    http_filters: [
      ...(scene.filters ?? []),
      { name: 'envoy.filters.http.router', typed_config: { '@type': type('filters.http.router.v3.Router') } },
    ],
    ...scene.manager,
  };
  return {
    name: scene.name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    // Two programs on one port would share its connections.
    enable_reuse_port: false,
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
  };
}
