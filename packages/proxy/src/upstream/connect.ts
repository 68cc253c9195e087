// The only place that dials for a cluster: pools, the TCP proxy and health checks come here, so that transport sockets (TLS, PROXY
// protocol) are chosen and laid on in one way.

import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { dial } from '../io/dial.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Host } from './host.ts';

export type ConnectOptions = {
  /** ALPN protocols to offer instead of the configured ones. */
  readonly applicationProtocols?: readonly string[];
  /** SNI for transport sockets that take it from the request. */
  readonly serverName?: string;
};

/**
 * Starts connecting to `host`. `onConnect` follows once bytes may be written (with TLS: after the handshake), or the handler's
 * `onClose` with the error's code. The connect timeout is the caller's.
 */
export function connectUpstream(
  cluster: ClusterState,
  host: Host,
  _options: ConnectOptions,
  events: { readonly handler: ConnectionHandler; readonly onConnect: () => void },
): Connection {
  const { transport } = cluster.context;
  const target = { host: host.ip, port: host.port, localAddress: cluster.runtime.bindAddress };
  return dial(transport, target, events.handler, events.onConnect);
}
