// The only place that dials for a cluster: pools, the TCP proxy and health checks come here, so that transport sockets (TLS, PROXY
// protocol) are chosen and laid on in one way.

import { isIP } from 'node:net';
import { type Json, stableStringify, type Transport } from '@lateen/base';
import type { ConnectionInfo } from '../http/request-view.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { dial } from '../io/dial.ts';
import { upstreamHeader } from '../proxy-protocol/upstream.ts';
import type { UpstreamTransport } from '../runtime/model.ts';
import { tlsStatsOf } from '../tls/tls-stats.ts';
import { secureUpstream } from '../tls/upstream-tls.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Host } from './host.ts';

export type ConnectOptions = {
  /** ALPN protocols to offer where the transport socket names none. */
  readonly applicationProtocols?: readonly string[];
  /** To offer whatever the transport socket names. */
  readonly alpnOverride?: readonly string[];
  /** SNI for transport sockets that take it from the request. */
  readonly serverName?: string;
  /** The peer's certificate must have `serverName`, in place of the names that the transport socket asks for. */
  readonly expectsServerName?: boolean;
  /** For whom the connection is made, where it carries one downstream connection only; the PROXY protocol tells it. */
  readonly downstream?: ConnectionInfo;
  /** Of a health check: the cluster's statistics are about requests. */
  readonly isProbe?: boolean;
  /** Chooses the transport socket in place of the endpoint's metadata. */
  readonly transportCriteria?: Labels | undefined;
};

type Events = { readonly handler: ConnectionHandler; readonly onConnect: () => void };

/**
 * Starts connecting to `host`. `onConnect` follows once bytes may be written (with TLS: after the handshake), or the handler's
 * `onClose` with the error's code. The connect timeout is the caller's.
 */
export function connectUpstream(cluster: ClusterState, host: Host, options: ConnectOptions, events: Events): Connection {
  if (options.isProbe) return startConnecting(cluster, host, options, events);
  const connection = startConnecting(cluster, host, options, { handler: events.handler, onConnect });
  const { clock } = cluster.context;
  const { stats } = cluster;
  const startedMs = clock.monotonicMs();
  let openedMs = -1;
  cluster.bytes.add(connection);
  connection.onceClosed(() => {
    cluster.bytes.end(connection);
    if (openedMs >= 0) stats.upstream_cx_length_ms.record(clock.monotonicMs() - openedMs);
  });
  return connection;

  function onConnect(): void {
    openedMs = clock.monotonicMs();
    stats.upstream_cx_connect_ms.record(openedMs - startedMs);
    events.onConnect();
  }
}

function startConnecting(cluster: ClusterState, host: Host, options: ConnectOptions, events: Events): Connection {
  const { clock, secret } = cluster.context;
  const transport = keepingAlive(cluster);
  const localAddress = localAddressFor(cluster.runtime.bindAddresses, host.ip);
  // A source address has one version of IP.
  const alternatives = localAddress === undefined ? host.endpoint.additionalAddresses : undefined;
  const target = { host: host.ip, port: host.port, localAddress, alternatives };
  const chosen = transportOf(cluster, host, options.transportCriteria);
  const { proxyProtocol } = chosen;
  if (chosen.kind === 'raw_buffer') {
    const connection = dial(transport, target, events.handler, () => {
      if (proxyProtocol) connection.write(upstreamHeader(proxyProtocol, options.downstream));
      events.onConnect();
    });
    return connection;
  }
  const raw = transport.dial({
    host: host.ip,
    port: host.port,
    ...(localAddress !== undefined && { localAddress }),
    ...(alternatives && { alternatives }),
  });
  // Before the handshake's own listener, so that the header is the first on the wire.
  if (proxyProtocol) raw.once('connect', () => raw.write(upstreamHeader(proxyProtocol, options.downstream)));
  const { endpoint } = host;
  const tlsOptions = {
    applicationProtocols: options.applicationProtocols,
    alpnOverride: options.alpnOverride,
    serverName: options.serverName,
    expectsServerName: options.expectsServerName ?? false,
    hostAddress: host.address,
    hostname: endpoint.hostname || (isIP(endpoint.host) ? '' : endpoint.host),
    secret: secret ?? (() => undefined),
    stats: tlsStatsOf(cluster),
    now: () => clock.now(),
  };
  return secureUpstream(raw, chosen.tls, tlsOptions, events);
}

/** Linux's. */
const DEFAULT_KEEPALIVE_INTERVAL_SECONDS = 75;
const DEFAULT_PROBES = 9;

/** The transport, with TCP keepalive where the cluster wants it. */
function keepingAlive({ context: { transport }, runtime: { tcpKeepalive } }: ClusterState): Transport {
  if (!tcpKeepalive) return transport;
  return {
    ...transport,
    dial(options) {
      const socket = transport.dial(options);
      const { timeSeconds = 0, intervalSeconds, probes } = tcpKeepalive;
      // Without a time it is the kernel's.
      socket.once('connect', () =>
        socket.setKeepAlive(
          true,
          timeSeconds * 1000,
          (intervalSeconds ?? DEFAULT_KEEPALIVE_INTERVAL_SECONDS) * 1000,
          probes ?? DEFAULT_PROBES,
        ),
      );
      return socket;
    },
  };
}

/** Of the host's version of IP; the first where there is none. */
function localAddressFor(addresses: readonly string[], ip: string): string | undefined {
  const isV6 = ip.includes(':');
  return addresses.length < 2 ? addresses[0] : (addresses.find((one) => one.includes(':') === isV6) ?? addresses[0]);
}

const MATCH_NAMESPACE = 'envoy.transport_socket_match';

/** The first transport socket match whose criteria the endpoint's metadata (or `instead`) has, else the cluster's transport socket. */
export function transportOf(cluster: ClusterState, host: Host, instead?: Labels): UpstreamTransport {
  const { transportMatches, transport } = cluster.runtime;
  if (transportMatches.length === 0) return transport;
  const labels = instead ?? host.endpoint.metadata.get(MATCH_NAMESPACE);
  return transportMatches.find(({ criteria }) => hasAll(labels, criteria))?.transport ?? transport;
}

type Labels = { readonly [key: string]: Json };

function hasAll(labels: Labels | undefined, criteria: Labels): boolean {
  return Object.entries(criteria).every(
    ([key, wanted]) =>
      labels !== undefined && Object.hasOwn(labels, key) && stableStringify(labels[key] as Json) === stableStringify(wanted),
  );
}
