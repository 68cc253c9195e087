// Bootstraps for tests of a whole proxy.

import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type BootstrapSettings, parseBootstrap } from '../ads/bootstrap.ts';
import { any } from './runtime.ts';

/** Static resources of a proxy whose admin interface is on a free loopback port. `sections` are further fields of the bootstrap. */
export function bootstrapOf(
  { listeners = [], clusters = [] }: { listeners?: readonly JsonValue[]; clusters?: readonly JsonValue[] },
  sections: JsonObject = {},
): BootstrapSettings {
  const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
  return parseBootstrap(JSON.stringify({ admin, static_resources: { listeners, clusters }, ...sections }), 'test');
}

/** The section that limits the connections of all listeners together. */
export function connectionLimit(limit: number): JsonObject {
  const monitor = any('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig', {
    max_active_downstream_connections: limit,
  });
  return { overload_manager: { resource_monitors: [{ name: 'connections', typed_config: monitor }] } };
}
