// HTTP rules of a VirtualService -> routes, in order, first match wins.

import { create } from '@bufbuild/protobuf';
import {
  RedirectAction_RedirectResponseCode,
  type Route,
  type RouteAction_RequestMirrorPolicy,
  RouteAction_RequestMirrorPolicySchema,
  type RouteMatch,
  RouteSchema,
} from '@lateen/xds/messages/config';
import {
  configPathOf,
  type Destination,
  type HttpMatchRequest,
  type HttpRedirect,
  type HttpRoute,
  type HttpRouteDestination,
  type MeshService,
  resolveHost,
} from '../model/index.ts';
import { hashPolicies } from './hash-policy.ts';
import { authorityOverride, headerFields, joinHeaders } from './header-operations.ts';
import { DEFAULT_ROUTE_NAME, outboundCluster } from './names.ts';
import { durationOf, fractionalPercent, goDuration, istioMetadata } from './pack.ts';
import { routeHeaders } from './proxy-headers.ts';
import { retryPolicy } from './retry-policy.ts';
import { perRouteFilters } from './route-filters.ts';
import { isCatchAll, isInstalledAt, type RoutePlace, routeMatch } from './route-match.ts';
import { policyForPort, policyForSubset } from './traffic-policy.ts';
import { destinationPort, type View } from './view.ts';
import type { HttpRule, ResolvedVirtualService } from './virtual-service-rules.ts';

/** The routes a VirtualService gives at this place; empty when none of its rules is installed here. */
export function httpRoutes(view: View, rules: ResolvedVirtualService, place: RoutePlace): Route[] {
  const routes: Route[] = [];
  for (const rule of rules.http) {
    const matches = rule.route.match?.length ? rule.route.match : [undefined];
    for (const [index, match] of matches.entries()) {
      if (match && !isInstalledAt(match, place, { scope: view.scope, ruleNamespace: rule.source.namespace })) continue;
      const route = httpRoute(view, rule, { match, matchIndex: index, place });
      routes.push(route);
      if (isCatchAll(route.match as RouteMatch)) return routes;
    }
  }
  return routes;
}

type Placed = { match: HttpMatchRequest | undefined; matchIndex: number; place: RoutePlace };

function httpRoute(view: View, rule: HttpRule, { match, matchIndex, place }: Placed): Route {
  const { route, source, path } = rule;
  const name = [route.name, match?.name].filter(Boolean).join('.');
  const single = route.route?.length === 1 ? route.route[0] : undefined;
  return create(RouteSchema, {
    name,
    match: routeMatch(match),
    action: routeAction(view, rule, { match, matchIndex, place }),
    statPrefix: match?.statPrefix ?? '',
    metadata: istioMetadata({ config: configPathOf(source), rule: match ? `${path}.match[${matchIndex}]` : path }),
    ...(route.route?.length && { decorator: { operation: operationOf(view, rule, { match, matchIndex, place }) } }),
    typedPerFilterConfig: perRouteFilters(route),
    ...(single ? joinHeaders(route.headers, single.headers) : headerFields(route.headers)),
  });
}

function routeAction(view: View, rule: HttpRule, placed: Placed) {
  const { route } = rule;
  if (route.redirect) return { case: 'redirect' as const, value: redirectAction(route.redirect, placed.place) };
  if (route.directResponse) {
    const { status, body } = route.directResponse;
    const specifier =
      body?.string !== undefined
        ? { case: 'inlineString' as const, value: body.string }
        : body?.bytes !== undefined
          ? { case: 'inlineBytes' as const, value: Uint8Array.from(atob(body.bytes), (c) => c.charCodeAt(0)) }
          : undefined;
    return { case: 'directResponse' as const, value: { status, ...(specifier && { body: { specifier } }) } };
  }
  return { case: 'route' as const, value: forwardAction(view, rule, placed) };
}

function forwardAction(view: View, rule: HttpRule, { match, place }: Placed) {
  const { route } = rule;
  const targets = (route.route ?? []).map((destination) => targetOf(view, destination, { rule, place }));
  const hashing = targets.flatMap((target) => target.hashPolicy);
  const retry = retryPolicy(route.retries ?? view.snapshot.mesh.defaultHttpRetryPolicy, { usesConsistentHash: hashing.length > 0 });
  const authority =
    route.rewrite?.authority ??
    authorityOverride(route.headers) ??
    (targets.length === 1 ? authorityOverride(targets[0]?.destination.headers) : undefined);
  return {
    clusterSpecifier: clusterSpecifier(targets),
    ...rewriteFields(route, match),
    ...(authority !== undefined && { hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: authority } }),
    timeout: goDuration(route.timeout) ?? durationOf(0),
    ...routeHeaders(view.proxyHeaders),
    ...(retry && { retryPolicy: retry }),
    requestMirrorPolicies: mirrorPolicies(view, route, { rule, place }),
    hashPolicy: hashing.slice(0, 1),
  };
}

type Target = { destination: HttpRouteDestination; cluster: string; hashPolicy: ReturnType<typeof hashPolicies> };

function targetOf(view: View, destination: HttpRouteDestination, at: { rule: HttpRule; place: RoutePlace }): Target {
  const { service, port, cluster } = clusterOf(view, destination.destination, at);
  const rules = service && view.destinationRuleFor(service);
  const subset = rules?.subsets.find((one) => one.name === destination.destination.subset);
  const policy = policyForPort(policyForSubset(rules?.trafficPolicy, subset?.trafficPolicy), port);
  return { destination, cluster, hashPolicy: hashPolicies(policy.loadBalancer) };
}

/** The cluster a destination names; it need not exist: an unknown subset or host answers 503 NC, as with Istio. */
export function clusterOf(
  view: View,
  destination: Destination,
  { rule, place }: { rule: Pick<HttpRule, 'source'>; place: { port: number } },
) {
  const hostname = resolveHost(destination.host, rule.source.namespace, view.snapshot.mesh.clusterDomain);
  const service: MeshService | undefined = view.serviceByHost(hostname);
  const port = destinationPort(service, destination.port?.number, place.port);
  return { service, port, cluster: outboundCluster(hostname, port, destination.subset ?? '') };
}

function clusterSpecifier(targets: readonly Target[]) {
  const first = targets[0];
  if (!first) return { case: 'cluster' as const, value: '' };
  if (targets.length === 1) return { case: 'cluster' as const, value: first.cluster };
  const clusters = targets
    .filter(({ destination }) => (destination.weight ?? 0) > 0)
    .map(({ destination, cluster }) => {
      const authority = authorityOverride(destination.headers);
      return {
        name: cluster,
        weight: destination.weight as number,
        ...headerFields(destination.headers),
        ...(authority !== undefined && { hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: authority } }),
      };
    });
  return clusters.length === 0
    ? { case: 'cluster' as const, value: first.cluster }
    : { case: 'weightedClusters' as const, value: { clusters } };
}

function rewriteFields(route: HttpRoute, match: HttpMatchRequest | undefined) {
  const { uri, uriRegexRewrite } = route.rewrite ?? {};
  if (uriRegexRewrite) {
    return { regexRewrite: { pattern: { regex: uriRegexRewrite.match ?? '' }, substitution: uriRegexRewrite.rewrite ?? '' } };
  }
  if (uri === undefined || uri === '') return {};
  // Envoy's prefix rewrite replaces the whole path of an exact match, but is refused beside a regex match.
  if (match?.uri?.regex !== undefined) return { regexRewrite: { pattern: { regex: match.uri.regex }, substitution: uri } };
  return { prefixRewrite: uri };
}

function mirrorPolicies(view: View, route: HttpRoute, at: { rule: HttpRule; place: RoutePlace }): RouteAction_RequestMirrorPolicy[] {
  const single = route.mirror ? [{ destination: route.mirror, percent: route.mirrorPercentage?.value ?? route.mirrorPercent ?? 100 }] : [];
  const several = (route.mirrors ?? []).map(({ destination, percentage }) => ({ destination, percent: percentage?.value ?? 100 }));
  return [...several, ...single]
    .filter(({ percent }) => percent > 0)
    .map(({ destination, percent }) =>
      create(RouteAction_RequestMirrorPolicySchema, {
        cluster: clusterOf(view, destination, at).cluster,
        runtimeFraction: { defaultValue: fractionalPercent(percent) },
        traceSampled: false,
        disableShadowHostSuffixAppend: true,
      }),
    );
}

const REDIRECT_CODES: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

function redirectAction(redirect: HttpRedirect, place: RoutePlace) {
  const scheme = redirect.scheme ? { case: 'schemeRedirect' as const, value: redirect.scheme } : undefined;
  const path = redirect.uri ? { case: 'pathRedirect' as const, value: redirect.uri } : undefined;
  const derived =
    redirect.derivePort === 'FROM_REQUEST_PORT' ? place.port : redirect.derivePort ? (redirect.scheme === 'https' ? 443 : 80) : 0;
  return {
    hostRedirect: redirect.authority ?? '',
    portRedirect: redirect.port ?? derived,
    responseCode: REDIRECT_CODES[redirect.redirectCode ?? 301] ?? RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
    ...(scheme && { schemeRewriteSpecifier: scheme }),
    ...(path && { pathRewriteSpecifier: path }),
  };
}

// "host:port/path*", the span name Istio uses.
function operationOf(view: View, rule: HttpRule, { match, place }: Placed): string {
  const first = rule.route.route?.[0];
  if (!first) return '';
  const { port, service } = clusterOf(view, first.destination, { rule, place });
  const host = service?.hostname ?? resolveHost(first.destination.host, rule.source.namespace, view.snapshot.mesh.clusterDomain);
  const { uri } = match ?? {};
  return `${host}:${port}${uri?.exact ?? uri?.regex ?? (uri?.prefix ? `${uri.prefix}*` : '/*')}`;
}

/** The route of a service that no rule speaks for. */
export function defaultRoute(view: View, service: MeshService, port: number): Route {
  const policy = policyForPort(view.destinationRuleFor(service)?.trafficPolicy, port);
  const hashPolicy = hashPolicies(policy.loadBalancer);
  const retry = retryPolicy(view.snapshot.mesh.defaultHttpRetryPolicy, { usesConsistentHash: hashPolicy.length > 0 });
  return create(RouteSchema, {
    name: DEFAULT_ROUTE_NAME,
    match: routeMatch(undefined),
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'cluster', value: outboundCluster(service.hostname, port) },
        timeout: durationOf(0),
        ...routeHeaders(view.proxyHeaders),
        ...(retry && { retryPolicy: retry }),
        hashPolicy,
      },
    },
    decorator: { operation: `${service.hostname}:${port}/*` },
  });
}
