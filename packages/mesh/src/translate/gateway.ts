// Gateways: a listener for each port that Gateway servers ask for, and the routes of the VirtualServices bound to them.

import { create } from '@bufbuild/protobuf';
import {
  type FilterChain,
  FilterChainSchema,
  type Listener,
  ListenerSchema,
  proxyProtocolListenerFilter,
  type Route,
  type RouteConfiguration,
  type RouteMatch,
  TrafficDirection,
  tlsInspectorListenerFilter,
  type VirtualHost,
  VirtualHost_TlsRequirementType,
  VirtualHostSchema,
} from '@lateen/xds/messages/config';
import { isHttp } from '../model/index.ts';
import { httpConnectionManager } from './connection-manager.ts';
import { type GatewayPort, gatewayPorts, type ServerBinding, sharedHosts } from './gateway-servers.ts';
import { httpRoutes } from './http-routes.ts';
import { l4FilterChains } from './l4-rules.ts';
import { BLACK_HOLE_CLUSTER, WILDCARD_ADDRESS } from './names.ts';
import { extension, socketAddress } from './pack.ts';
import { hostHeaders } from './proxy-headers.ts';
import { isCatchAll } from './route-match.ts';
import { routeConfigurationOf } from './sidecar-routes.ts';
import { tcpFilters } from './tcp-filters.ts';
import type { View } from './view.ts';

const routeNameOf = (port: number): string => `http.${port}`;

export function gatewayListeners(view: View): Listener[] {
  return gatewayPorts(view).flatMap((port) => {
    const chains = filterChains(view, port);
    if (chains.length === 0) return [];
    const needsSni = chains.some((chain) => (chain.filterChainMatch?.serverNames.length ?? 0) > 0);
    return create(ListenerSchema, {
      name: `${WILDCARD_ADDRESS}_${port.port}`,
      address: socketAddress(WILDCARD_ADDRESS, port.port),
      filterChains: chains,
      listenerFilters: [
        ...(view.gatewayTopology.proxyProtocol
          ? [extension('envoy.filters.listener.proxy_protocol', proxyProtocolListenerFilter.ProxyProtocolSchema)]
          : []),
        ...(needsSni ? [extension('envoy.filters.listener.tls_inspector', tlsInspectorListenerFilter.TlsInspectorSchema)] : []),
      ],
      trafficDirection: TrafficDirection.OUTBOUND,
    });
  });
}

export function gatewayRoutes(view: View): RouteConfiguration[] {
  return gatewayPorts(view)
    .filter(({ servers }) => servers.some(isPlainHttp))
    .map((port) => routeConfigurationOf(routeNameOf(port.port), virtualHosts(view, port)));
}

const isPlainHttp = ({ protocol, server }: ServerBinding): boolean => isHttp(protocol) && !terminatesTls(server.tls?.mode);
const terminatesTls = (mode: string | undefined): boolean => mode !== undefined && mode !== 'PASSTHROUGH' && mode !== 'AUTO_PASSTHROUGH';

function filterChains(view: View, { port, servers }: GatewayPort): FilterChain[] {
  const chains: FilterChain[] = [];
  const plain = servers.find(isPlainHttp);
  if (plain) {
    chains.push(
      create(FilterChainSchema, {
        filters: [
          httpConnectionManager(view, {
            place: 'gateway',
            statPrefix: `outbound_${WILDCARD_ADDRESS}_${port}`,
            routes: routeNameOf(port),
            protocol: plain.protocol,
          }),
        ],
      }),
    );
  }
  for (const binding of servers) {
    if (isPlainHttp(binding)) continue;
    if (isPassthrough(binding)) chains.push(...ruleChains(view, binding, { port, kind: 'tls' }));
    else if (binding.protocol === 'TCP' || binding.protocol === 'Mongo' || binding.protocol === 'Sniffed') {
      // One port can be HTTP or raw TCP, not both; HTTP came first.
      if (chains.length > 0 && !chains.some((chain) => chain.filterChainMatch)) reportConflict(view, binding, port);
      else chains.push(...ruleChains(view, binding, { port, kind: 'tcp' }));
    } else reportUnsupported(view, binding);
  }
  return chains;
}

const isPassthrough = ({ protocol, server }: ServerBinding): boolean =>
  (protocol === 'TLS' || protocol === 'HTTPS') && server.tls?.mode === 'PASSTHROUGH';

function ruleChains(view: View, binding: ServerBinding, { port, kind }: { port: number; kind: 'tcp' | 'tls' }): FilterChain[] {
  const at = { port: binding.server.port.number, gateways: new Set([binding.name]) };
  const chains = boundRules(view, binding).flatMap(({ rules }) =>
    l4FilterChains(view, rules, { place: 'gateway', at, statPrefix: `outbound_${port}`, kind }),
  );
  if (chains.length > 0 || kind === 'tls') return chains;
  // The port is open but leads nowhere.
  return [
    create(FilterChainSchema, {
      filters: tcpFilters(view, { place: 'gateway', statPrefix: BLACK_HOLE_CLUSTER, clusters: [{ name: BLACK_HOLE_CLUSTER, weight: 1 }] }),
    }),
  ];
}

/** The VirtualServices bound to this server, with the hosts on which they answer there. */
function boundRules(view: View, binding: ServerBinding) {
  return view.virtualServices
    .filter((rules) => rules.gateways.includes(binding.name))
    .map((rules) => ({ rules, hosts: sharedHosts(binding.hosts, rules) }))
    .filter(({ hosts }) => hosts.length > 0);
}

type HostRoutes = { routes: Route[]; requiresTls: boolean };

function virtualHosts(view: View, { port, servers }: GatewayPort): VirtualHost[] {
  const byHost = new Map<string, HostRoutes>();
  const entry = (host: string): HostRoutes => {
    const known = byHost.get(host) ?? { routes: [], requiresTls: false };
    byHost.set(host, known);
    return known;
  };
  for (const binding of servers.filter(isPlainHttp)) {
    const at = { port: binding.server.port.number, gateways: new Set([binding.name]) };
    for (const { rules, hosts } of boundRules(view, binding)) {
      const routes = httpRoutes(view, rules, at);
      for (const host of hosts) {
        entry(host).routes.push(...routes);
        if (binding.server.tls?.httpsRedirect) entry(host).requiresTls = true;
      }
    }
    if (binding.server.tls?.httpsRedirect) for (const { host } of binding.hosts) entry(host).requiresTls = true;
  }
  const hosts = [...byHost]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([host, { routes, requiresTls }]) =>
      create(VirtualHostSchema, {
        name: `${host}:${port}`,
        domains: [host],
        routes: catchAllsLast(routes),
        requireTls: requiresTls ? VirtualHost_TlsRequirementType.ALL : VirtualHost_TlsRequirementType.NONE,
        ...hostHeaders(view.proxyHeaders),
      }),
    );
  return hosts.length > 0 ? hosts : [create(VirtualHostSchema, { name: `blackhole:${port}`, domains: ['*'] })];
}

// Several VirtualServices may share a host; one's catch-all must not hide another's paths.
function catchAllsLast(routes: readonly Route[]): Route[] {
  const last = (route: Route) => isCatchAll(route.match as RouteMatch);
  return [...routes.filter((route) => !last(route)), ...routes.filter(last)];
}

function reportUnsupported(view: View, binding: ServerBinding): void {
  const { mode } = binding.server.tls ?? {};
  const what = mode ? `protocol ${binding.server.port.protocol} with TLS mode ${mode}` : `protocol ${binding.server.port.protocol}`;
  view.report({
    code: 'LAT0213',
    level: 'warning',
    resource: binding.source,
    path: binding.path,
    message: `a Gateway server of ${what} is not supported yet: its port stays closed`,
  });
}

function reportConflict(view: View, binding: ServerBinding, port: number): void {
  const message = `port ${port} already serves HTTP for another Gateway server: this ${binding.protocol} server has no effect`;
  view.report({ code: 'LAT0204', level: 'warning', resource: binding.source, path: binding.path, message });
}
