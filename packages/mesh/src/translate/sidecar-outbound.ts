// Outbound listeners: virtualOutbound takes every captured connection and hands it to the listener of its original
// destination: IP:PORT for TCP services, 0.0.0.0:PORT for HTTP, where the Host header tells services apart.

import { create } from '@bufbuild/protobuf';
import {
  type FilterChain,
  FilterChainSchema,
  httpInspectorListenerFilter,
  type Listener,
  ListenerSchema,
  TrafficDirection,
  tlsInspectorListenerFilter,
} from '@lateen/xds/messages/config';
import { isHttp, isTls, type MeshService, type Protocol, type ServicePortModel, serviceKey } from '../model/index.ts';
import { httpConnectionManager } from './connection-manager.ts';
import { compareServiceAge } from './inbound-ports.ts';
import { cidrRange, l4FilterChains } from './l4-rules.ts';
import { BLACK_HOLE_CLUSTER, OUTBOUND_PORT, outboundCluster, PASSTHROUGH_CLUSTER, VIRTUAL_OUTBOUND, WILDCARD_ADDRESS } from './names.ts';
import { durationOf, extension, goDuration, socketAddress } from './pack.ts';
import { HTTP_APPLICATION_PROTOCOLS } from './sidecar-inbound.ts';
import { tcpFilters } from './tcp-filters.ts';
import { type View, virtualServiceForHost } from './view.ts';
import { MESH_GATEWAY } from './virtual-service-rules.ts';

/** The listeners, and the names of the route configurations that those of HTTP and sniffed ports ask for. */
export function sidecarOutbound(view: View): { listeners: Listener[]; routeNames: string[] } {
  const slots = [...collectSlots(view).values()].sort((a, b) => a.port - b.port || (a.bind < b.bind ? -1 : 1));
  return {
    listeners: [virtualOutbound(view), ...slots.map((slot) => slotListener(view, slot))],
    routeNames: [...new Set(slots.flatMap((slot) => slot.routes ?? []))].sort(),
  };
}

/** What listens at one address and port. */
type Slot = {
  bind: string;
  port: number;
  /** Route configuration; present when HTTP is spoken here. */
  routes: string | undefined;
  /** Of the oldest service that speaks HTTP here. */
  protocol: Protocol | undefined;
  chains: FilterChain[];
  /** Takes what no chain matches. */
  fallback: FilterChain | undefined;
  owner: MeshService;
};

function collectSlots(view: View): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  for (const service of [...view.services].sort(compareServiceAge)) {
    for (const port of service.ports) if (port.protocol !== 'UDP') addPort(view, slots, { service, port });
  }
  return slots;
}

type Served = { service: MeshService; port: ServicePortModel };

function addPort(view: View, slots: Map<string, Slot>, served: Served): void {
  const { service, port } = served;
  if (isHttp(port.protocol)) {
    const slot = slotAt(slots, WILDCARD_ADDRESS, served);
    if (slot.routes === undefined) slot.protocol = port.protocol;
    slot.routes ??= String(port.port);
    return;
  }
  const hosts = service.addresses
    .filter((address) => !address.includes('/') || isSingleHost(address))
    .map((address) => address.split('/', 1)[0] as string);
  const binds = hosts.length > 0 ? hosts : service.isHeadless ? instanceAddresses(view, service) : [];
  for (const bind of binds) {
    const slot = slotAt(slots, bind, served);
    if (port.protocol === 'Sniffed') slot.routes ??= `${service.hostname}:${port.port}`;
    slot.chains.push(...ruleChains(view, served));
    slot.fallback ??= serviceChain(view, served);
  }
  if (binds.length === 0 && !service.isHeadless) addWildcard(view, slots, served);
}

// No address of its own: told apart by SNI or by destination range, else the first service has the port.
function addWildcard(view: View, slots: Map<string, Slot>, served: Served): void {
  const { service, port } = served;
  const slot = slotAt(slots, WILDCARD_ADDRESS, served);
  const chains = ruleChains(view, served);
  slot.chains.push(...chains);
  const prefixRanges = service.addresses.flatMap(cidrRange);
  if (isTls(port.protocol)) {
    if (service.hostname !== '*') slot.chains.push(serviceChain(view, served, { serverNames: [service.hostname], prefixRanges }));
  } else if (prefixRanges.length > 0) slot.chains.push(serviceChain(view, served, { prefixRanges }));
  else {
    if (port.protocol === 'Sniffed') slot.routes ??= String(port.port);
    if (slot.fallback && slot.owner !== service) reportConflict(view, slot, served);
    else slot.fallback = serviceChain(view, served);
  }
}

function slotAt(slots: Map<string, Slot>, bind: string, { service, port }: Served): Slot {
  const key = `${bind}_${port.port}`;
  const slot = slots.get(key) ?? {
    bind,
    port: port.port,
    routes: undefined,
    protocol: undefined,
    chains: [],
    fallback: undefined,
    owner: service,
  };
  slots.set(key, slot);
  return slot;
}

function serviceChain(
  view: View,
  { service, port }: Served,
  match?: { serverNames?: string[]; prefixRanges?: { addressPrefix: string; prefixLen: number }[] },
): FilterChain {
  const cluster = outboundCluster(service.hostname, port.port);
  return create(FilterChainSchema, {
    ...(match && { filterChainMatch: match }),
    filters: tcpFilters(view, { place: 'outbound', statPrefix: cluster, clusters: [{ name: cluster, weight: 1 }] }),
  });
}

function ruleChains(view: View, { service, port }: Served): FilterChain[] {
  const rules = virtualServiceForHost(
    view.virtualServices.filter((rule) => rule.gateways.includes(MESH_GATEWAY)),
    service.hostname,
  );
  if (!rules) return [];
  const at = { port: port.port, gateways: new Set([MESH_GATEWAY]) };
  const statPrefix = outboundCluster(service.hostname, port.port);
  return l4FilterChains(view, rules, { place: 'outbound', at, statPrefix, kind: isTls(port.protocol) ? 'tls' : 'tcp' });
}

function slotListener(view: View, slot: Slot): Listener {
  const name = `${slot.bind}_${slot.port}`;
  const http =
    slot.routes !== undefined &&
    create(FilterChainSchema, {
      filterChainMatch: { transportProtocol: 'raw_buffer', applicationProtocols: HTTP_APPLICATION_PROTOCOLS },
      filters: [
        httpConnectionManager(view, {
          place: 'outbound',
          statPrefix: `outbound_${name}`,
          routes: slot.routes,
          protocol: slot.protocol,
        }),
      ],
    });
  const unconditional = slot.chains.find((chain) => !chain.filterChainMatch);
  const conditional = slot.chains.filter((chain) => chain.filterChainMatch);
  const fallback = unconditional ?? slot.fallback ?? passthroughChain(view);
  const needsSni = conditional.some((chain) => (chain.filterChainMatch?.serverNames.length ?? 0) > 0);
  return create(ListenerSchema, {
    name,
    address: socketAddress(slot.bind, slot.port),
    filterChains: [...(http ? [http] : []), ...dedupe(conditional)],
    defaultFilterChain: fallback,
    listenerFilters: [
      ...(http || needsSni ? [extension('envoy.filters.listener.tls_inspector', tlsInspectorListenerFilter.TlsInspectorSchema)] : []),
      ...(http ? [extension('envoy.filters.listener.http_inspector', httpInspectorListenerFilter.HttpInspectorSchema)] : []),
    ],
    listenerFiltersTimeout: goDuration(view.snapshot.mesh.protocolDetectionTimeout) ?? durationOf(0),
    continueOnListenerFiltersTimeout: true,
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
  });
}

// Envoy refuses a listener in which two chains have the same match; the first one wins, as rules do.
function dedupe(chains: readonly FilterChain[]): FilterChain[] {
  const seen = new Map<string, FilterChain>();
  for (const chain of chains) {
    const { serverNames = [], prefixRanges = [] } = chain.filterChainMatch ?? {};
    const key = JSON.stringify([[...serverNames].sort(), prefixRanges.map((range) => `${range.addressPrefix}/${range.prefixLen}`).sort()]);
    if (!seen.has(key)) seen.set(key, chain);
  }
  return [...seen.values()];
}

function virtualOutbound(view: View): Listener {
  const blackHole = tcpFilters(view, {
    place: 'outbound',
    statPrefix: BLACK_HOLE_CLUSTER,
    clusters: [{ name: BLACK_HOLE_CLUSTER, weight: 1 }],
  });
  return create(ListenerSchema, {
    name: VIRTUAL_OUTBOUND,
    address: socketAddress(WILDCARD_ADDRESS, OUTBOUND_PORT),
    filterChains: [
      // A connection to the capture port itself would forward to itself for ever.
      { name: `${VIRTUAL_OUTBOUND}-blackhole`, filterChainMatch: { destinationPort: OUTBOUND_PORT }, filters: blackHole },
      { name: `${VIRTUAL_OUTBOUND}-catchall-tcp`, filters: passthroughChain(view).filters },
    ],
    useOriginalDst: true,
    trafficDirection: TrafficDirection.OUTBOUND,
  });
}

function passthroughChain(view: View): FilterChain {
  const name = view.allowsAny ? PASSTHROUGH_CLUSTER : BLACK_HOLE_CLUSTER;
  return create(FilterChainSchema, {
    name: 'PassthroughFilterChain',
    filters: tcpFilters(view, { place: 'outbound', statPrefix: name, clusters: [{ name, weight: 1 }] }),
  });
}

const isSingleHost = (cidr: string): boolean => cidr.endsWith('/32') || cidr.endsWith('/128');

const instanceAddresses = (view: View, service: MeshService): string[] => [
  ...new Set((view.snapshot.endpoints.get(serviceKey(service)) ?? []).map((endpoint) => endpoint.address)),
];

function reportConflict(view: View, slot: Slot, { service, port }: Served): void {
  view.report({
    code: 'LAT0203',
    level: 'warning',
    resource: service.source,
    path: 'spec.ports',
    message: `port ${port.port} of ${service.hostname} has no address of its own and is already taken by ${slot.owner.hostname}: give the service an address, or name the protocol (http, tls)`,
  });
}
