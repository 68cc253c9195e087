// virtualInbound: everything that reaches the workload, by destination port.

import { create } from '@bufbuild/protobuf';
import {
  type FilterChain,
  FilterChainSchema,
  httpInspectorListenerFilter,
  type Listener,
  ListenerSchema,
  originalDstListenerFilter,
  RouteConfigurationSchema,
  TrafficDirection,
  tlsInspectorListenerFilter,
} from '@lateen/xds/messages/config';
import { isHttp } from '../model/index.ts';
import { httpConnectionManager } from './connection-manager.ts';
import { type InboundPort, inboundPorts } from './inbound-ports.ts';
import {
  BLACK_HOLE_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
  INBOUND_PORT,
  inboundCluster,
  VIRTUAL_INBOUND,
  WILDCARD_ADDRESS,
} from './names.ts';
import { durationOf, extension, goDuration, socketAddress } from './pack.ts';
import { inboundRetryPolicy } from './retry-policy.ts';
import { routeMatch } from './route-match.ts';
import { tcpFilters } from './tcp-filters.ts';
import type { View } from './view.ts';

/** What the HTTP inspector and a protocol-blind client both call HTTP in the clear. */
export const HTTP_APPLICATION_PROTOCOLS = ['http/1.1', 'h2c'];

export function virtualInbound(view: View): Listener {
  const ports = inboundPorts(view);
  return create(ListenerSchema, {
    name: VIRTUAL_INBOUND,
    address: socketAddress(WILDCARD_ADDRESS, INBOUND_PORT),
    filterChains: [blackHole(view), ...ports.flatMap((port) => portChains(view, port)), ...passthroughChains(view)],
    listenerFilters: [
      extension('envoy.filters.listener.original_dst', originalDstListenerFilter.OriginalDstSchema),
      extension('envoy.filters.listener.tls_inspector', tlsInspectorListenerFilter.TlsInspectorSchema),
      extension('envoy.filters.listener.http_inspector', httpInspectorListenerFilter.HttpInspectorSchema),
    ].map((filter) => (filter.name.endsWith('_inspector') ? { ...filter, ...noSniffing(ports) } : filter)),
    listenerFiltersTimeout: goDuration(view.snapshot.mesh.protocolDetectionTimeout) ?? durationOf(0),
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.INBOUND,
  });
}

// Waiting for a client's first bytes would hang server-first protocols, so ports whose protocol is known are not sniffed.
function noSniffing(ports: readonly InboundPort[]) {
  const known = ports.filter(({ port }) => port.protocol !== 'Sniffed').map(({ targetPort }) => targetPort);
  if (known.length === 0) return {};
  const rules = known.map((port) => ({ rule: { case: 'destinationPortRange' as const, value: { start: port, end: port + 1 } } }));
  const [only] = rules;
  return { filterDisabled: rules.length === 1 && only ? only : { rule: { case: 'orMatch' as const, value: { rules } } } };
}

function portChains(view: View, inbound: InboundPort): FilterChain[] {
  const { targetPort, port } = inbound;
  const name = `${WILDCARD_ADDRESS}_${targetPort}`;
  const http = httpChain(view, { name, cluster: inboundCluster(targetPort), inbound });
  const tcp = tcpChain(view, { name, destinationPort: targetPort, cluster: inboundCluster(targetPort) });
  if (isHttp(port.protocol)) return [http];
  return port.protocol === 'Sniffed' ? [http, tcp] : [tcp];
}

type HttpChain = { name: string; cluster: string; inbound: InboundPort | undefined };

function httpChain(view: View, { name, cluster, inbound }: HttpChain): FilterChain {
  const isSniffed = !inbound || inbound.port.protocol === 'Sniffed';
  const service = inbound?.services[0];
  return create(FilterChainSchema, {
    name,
    filterChainMatch: {
      ...(inbound && { destinationPort: inbound.targetPort }),
      ...(isSniffed && { transportProtocol: 'raw_buffer', applicationProtocols: HTTP_APPLICATION_PROTOCOLS }),
    },
    filters: [
      httpConnectionManager(view, {
        place: 'inbound',
        statPrefix: `inbound_${name}`,
        protocol: inbound?.port.protocol,
        routes: create(RouteConfigurationSchema, {
          name: cluster,
          validateClusters: false,
          virtualHosts: [
            {
              name: inbound ? `inbound|http|${inbound.port.port}` : 'inbound|http|0',
              domains: ['*'],
              routes: [
                {
                  name: 'default',
                  match: routeMatch(undefined),
                  action: {
                    case: 'route',
                    value: {
                      clusterSpecifier: { case: 'cluster', value: cluster },
                      timeout: durationOf(0),
                      ...(inbound && { retryPolicy: inboundRetryPolicy() }),
                    },
                  },
                  decorator: { operation: service ? `${service.hostname}:${inbound?.port.port}/*` : ':0/*' },
                },
              ],
            },
          ],
        }),
      }),
    ],
  });
}

function tcpChain(view: View, { name, destinationPort, cluster }: { name: string; destinationPort: number; cluster: string }): FilterChain {
  return create(FilterChainSchema, {
    name,
    filterChainMatch: { destinationPort },
    filters: tcpFilters(view, { place: 'inbound', statPrefix: cluster, clusters: [{ name: cluster, weight: 1 }] }),
  });
}

// A connection to the capture port itself would forward to itself for ever.
const blackHole = (view: View): FilterChain =>
  create(FilterChainSchema, {
    name: `${VIRTUAL_INBOUND}-blackhole`,
    filterChainMatch: { destinationPort: INBOUND_PORT },
    filters: tcpFilters(view, { place: 'inbound', statPrefix: BLACK_HOLE_CLUSTER, clusters: [{ name: BLACK_HOLE_CLUSTER, weight: 1 }] }),
  });

// Ports that no Service names.
const passthroughChains = (view: View): FilterChain[] => [
  httpChain(view, { name: `${VIRTUAL_INBOUND}-catchall-http`, cluster: INBOUND_PASSTHROUGH_CLUSTER, inbound: undefined }),
  create(FilterChainSchema, {
    name: VIRTUAL_INBOUND,
    filterChainMatch: {},
    filters: tcpFilters(view, {
      place: 'inbound',
      statPrefix: INBOUND_PASSTHROUGH_CLUSTER,
      clusters: [{ name: INBOUND_PASSTHROUGH_CLUSTER, weight: 1 }],
    }),
  }),
];
