// Runtimes for tests, written as Envoy writes its configuration (JSON) and compiled by the real compiler.

import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema, ClusterSchema, ListenerSchema, RouteConfigurationSchema } from '@lateen/xds/messages/proxy';
import { messageRegistry } from '../ads/registry.ts';
import { type Compiled, compileCluster, compileEndpoints, compileListener, compileRouteTable } from '../runtime/index.ts';
import type { Runtime } from '../runtime/model.ts';

const registry = messageRegistry();

/** A typed configuration. */
export const any = (name: string, fields: JsonObject = {}): JsonObject => ({ '@type': `type.googleapis.com/${name}`, ...fields });

const CORE = 'envoy.extensions.filters';
export const ROUTER: JsonObject = { name: 'envoy.filters.http.router', typed_config: any(`${CORE}.http.router.v3.Router`) };

export type Resources = {
  listeners?: readonly JsonValue[];
  routes?: readonly JsonValue[];
  clusters?: readonly JsonValue[];
  endpoints?: readonly JsonValue[];
};

function unwrap<T>(compiled: Compiled<T>): T {
  if (!compiled.ok) throw new Error(compiled.error.join('\n'));
  return compiled.value;
}

const byName = <T extends { readonly name: string }>(values: readonly T[]): ReadonlyMap<string, T> =>
  new Map(values.map((one) => [one.name, one]));

export function runtimeOf({ listeners = [], routes = [], clusters = [], endpoints = [] }: Resources): Runtime {
  const assignments = endpoints.map((json) => unwrap(compileEndpoints(fromJson(ClusterLoadAssignmentSchema, json, { registry }))));
  return {
    listeners: byName(listeners.map((json) => unwrap(compileListener(fromJson(ListenerSchema, json, { registry }))))),
    routes: byName(routes.map((json) => unwrap(compileRouteTable(fromJson(RouteConfigurationSchema, json, { registry }))))),
    clusters: byName(clusters.map((json) => unwrap(compileCluster(fromJson(ClusterSchema, json, { registry }))))),
    endpoints: new Map(assignments.map((one) => [one.clusterName, one])),
    secrets: new Map(),
  };
}

/** An HTTP listener on a free loopback port. `routes` go into one virtual host for every domain; `hcm` overrides settings. */
export function httpListener(
  name: string,
  routes: readonly JsonValue[] | string,
  hcm: JsonObject = {},
  listener: JsonObject = {},
): JsonObject {
  const source: JsonObject =
    typeof routes === 'string'
      ? { rds: { route_config_name: routes, config_source: { ads: {} } } }
      : { route_config: { name: 'inline', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [...routes] }] } };
  const config = any(`${CORE}.network.http_connection_manager.v3.HttpConnectionManager`, {
    stat_prefix: name,
    server_name: 'istio-envoy',
    http_filters: [ROUTER],
    ...source,
    ...hcm,
  });
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: config }] }],
    ...listener,
  };
}

/** A TCP proxy listener on a free loopback port. */
export function tcpListener(name: string, tcp: JsonObject): JsonObject {
  const config = any(`${CORE}.network.tcp_proxy.v3.TcpProxy`, { stat_prefix: name, ...tcp });
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: config }] }],
  };
}

/** A listener on a free loopback port that gives back what it gets. */
export function echoListener(name: string, fields: JsonObject = {}): JsonObject {
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'echo', typed_config: any(`${CORE}.network.echo.v3.Echo`) }] }],
    ...fields,
  };
}

/** A static cluster of loopback ports. */
export function cluster(name: string, ports: readonly number[], fields: JsonObject = {}): JsonObject {
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment: assignment(name, ports), ...fields };
}

export function assignment(name: string, ports: readonly number[]): JsonObject {
  const endpoint = (port: number) => ({ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } });
  return { cluster_name: name, endpoints: [{ lb_endpoints: ports.map(endpoint) }] };
}

/** A rule that sends every path below `prefix` to a cluster. */
export const routeTo = (clusterName: string, fields: JsonObject = {}, prefix = '/'): JsonObject => ({
  match: { prefix },
  route: { cluster: clusterName, ...fields },
});
