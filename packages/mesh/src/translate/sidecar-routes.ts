// Route configurations of a sidecar: one for each HTTP port, with a virtual host for each service.

import { create } from '@bufbuild/protobuf';
import {
  type Route,
  type RouteConfiguration,
  RouteConfigurationSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '@lateen/xds/messages/config';
import { isHttp, type MeshService } from '../model/index.ts';
import { defaultRoute, httpRoutes } from './http-routes.ts';
import { PASSTHROUGH_CLUSTER } from './names.ts';
import { durationOf } from './pack.ts';
import { hostHeaders, routeHeaders } from './proxy-headers.ts';
import { routeMatch } from './route-match.ts';
import { type View, virtualServiceForHost } from './view.ts';
import { MESH_GATEWAY, type ResolvedVirtualService } from './virtual-service-rules.ts';

const MAX_DIRECT_RESPONSE_BYTES = 1_048_576;

export function sidecarRoutes(view: View, names: readonly string[]): RouteConfiguration[] {
  return names.map((name) => routeConfiguration(view, name));
}

/** A route configuration with the settings Istio gives all of them. */
export function routeConfigurationOf(name: string, virtualHosts: VirtualHost[]): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts,
    // A route to a cluster that does not exist answers 503 instead of failing the whole table.
    validateClusters: false,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE_BYTES,
    ignorePortInHostMatching: true,
  });
}

// The name is a port, or "hostname:port" for a sniffed port, whose listener belongs to one service alone.
function routeConfiguration(view: View, name: string): RouteConfiguration {
  const colon = name.lastIndexOf(':');
  const port = Number(name.slice(colon + 1));
  const only = colon < 0 ? undefined : name.slice(0, colon);
  const services = view.services.filter((service) =>
    service.ports.some(
      (one) => one.port === port && (only ? service.hostname === only : isHttp(one.protocol) || one.protocol === 'Sniffed'),
    ),
  );
  const rules = view.virtualServices.filter((rule) => rule.gateways.includes(MESH_GATEWAY));
  const taken = new Set<string>();
  const hosts = services.map((service) => serviceVirtualHost(view, { service, port, rules, taken }));
  const extra = only ? [] : rules.flatMap((rule) => ruleOnlyHosts(view, { rule, port, taken }));
  return routeConfigurationOf(
    name,
    [...hosts, ...extra].filter((host) => host.domains.length > 0).concat(view.allowsAny ? allowAny(view) : blockAll(view)),
  );
}

type ServiceHost = { service: MeshService; port: number; rules: readonly ResolvedVirtualService[]; taken: Set<string> };

function serviceVirtualHost(view: View, { service, port, rules, taken }: ServiceHost): VirtualHost {
  const rule = virtualServiceForHost(rules, service.hostname);
  const routes = rule ? httpRoutes(view, rule, { port, gateways: new Set([MESH_GATEWAY]) }) : [];
  // A VirtualService without any http rule (tcp only) leaves HTTP to the default; one with rules that match nothing leaves 404.
  const hasHttpRules = (rule?.http.length ?? 0) > 0;
  return virtualHost(view, `${service.hostname}:${port}`, {
    domains: domainsOf(view, service, port),
    routes: hasHttpRules ? routes : [defaultRoute(view, service, port)],
    taken,
  });
}

// Hosts of VirtualServices that are no service: any name a client may put in Host. Istio serves them on port 80 only.
function ruleOnlyHosts(
  view: View,
  { rule, port, taken }: { rule: ResolvedVirtualService; port: number; taken: Set<string> },
): VirtualHost[] {
  if (port !== 80) return [];
  return rule.hosts.flatMap((host) => {
    if (view.serviceByHost(host) || (host.startsWith('*') && view.services.some((service) => service.hostname.endsWith(host.slice(1)))))
      return [];
    const routes = httpRoutes(view, rule, { port, gateways: new Set([MESH_GATEWAY]) });
    return routes.length > 0 ? [virtualHost(view, `${host}:${port}`, { domains: [host], routes, taken })] : [];
  });
}

// Two virtual hosts must not claim one domain: the first keeps it.
function virtualHost(
  { proxyHeaders }: View,
  name: string,
  { domains, routes, taken }: { domains: readonly string[]; routes: Route[]; taken: Set<string> },
): VirtualHost {
  const own = domains.filter((domain) => !taken.has(domain.toLowerCase()));
  for (const domain of own) taken.add(domain.toLowerCase());
  return create(VirtualHostSchema, { name, domains: own, routes, ...hostHeaders(proxyHeaders) });
}

/** Every spelling by which this client may call the service, without and with the port. */
function domainsOf(view: View, service: MeshService, port: number): string[] {
  const names = [service.hostname];
  const suffix = `.${service.namespace}.svc.${view.snapshot.mesh.clusterDomain}`;
  if (service.registry === 'Kubernetes' && service.hostname.endsWith(suffix)) {
    const short = service.hostname.slice(0, -suffix.length);
    if (service.namespace === view.scope.namespace) names.push(short);
    names.push(`${short}.${service.namespace}.svc`, `${short}.${service.namespace}`);
    // Pods of a headless service are called by name, too.
    if (service.isHeadless) names.push(...names.map((name) => `*.${name}`));
  }
  names.push(
    ...service.addresses.filter((address) => !address.includes('/')).map((address) => (address.includes(':') ? `[${address}]` : address)),
  );
  return names.flatMap((name) => [name, `${name}:${port}`]);
}

const allowAny = ({ proxyHeaders }: View): VirtualHost =>
  create(VirtualHostSchema, {
    name: 'allow_any',
    domains: ['*'],
    routes: [
      {
        name: 'allow_any',
        match: routeMatch(undefined),
        action: {
          case: 'route',
          value: {
            clusterSpecifier: { case: 'cluster', value: PASSTHROUGH_CLUSTER },
            timeout: durationOf(0),
            ...routeHeaders(proxyHeaders),
          },
        },
      },
    ],
    ...hostHeaders(proxyHeaders),
  });

const blockAll = ({ proxyHeaders }: View): VirtualHost =>
  create(VirtualHostSchema, {
    name: 'block_all',
    domains: ['*'],
    routes: [{ name: 'block_all', match: routeMatch(undefined), action: { case: 'directResponse', value: { status: 502 } } }],
    ...hostHeaders(proxyHeaders),
  });
