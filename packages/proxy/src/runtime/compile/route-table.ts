// A route configuration: domains to virtual hosts by maps, then the rules of one host in their order.

import {
  type RouteConfiguration,
  RouteConfigurationSchema,
  VirtualHost_TlsRequirementType as TlsRequirement,
  type VirtualCluster,
  type VirtualHost,
  VirtualHostSchema,
} from '@lateen/xds/messages/proxy';
import {
  fractionOfShare,
  type Random,
  type RedirectDecision,
  type RequestView,
  type RouteDecision,
  type RouteExplanation,
  type RouteRuntime,
  type RouteTable,
  selects,
  type VirtualHostRuntime,
} from '../model.ts';
import { compileDomains, type DomainMap, hostWithoutPort } from './domains.ts';
import { mergeOverrides } from './filter-overrides.ts';
import { compileHeaderMatcher, headerReader } from './match.ts';
import { pathOf } from './path-match.ts';
import { compileRateLimits } from './rate-limit-actions.ts';
import { HTTPS_REDIRECT } from './redirect.ts';
import { honours, type Report } from './report.ts';
import { type CompiledRoute, compileRoute, ownLevel } from './route.ts';
import { createRuleIndex, type RuleIndex } from './rule-index.ts';
import { metadataOf } from './values.ts';

const checkTable = honours(RouteConfigurationSchema, [
  'name',
  'virtualHosts',
  'internalOnlyHeaders',
  'responseHeadersToAdd',
  'responseHeadersToRemove',
  'requestHeadersToAdd',
  'requestHeadersToRemove',
  'mostSpecificHeaderMutationsWins',
  'validateClusters',
  'maxDirectResponseBodySizeBytes',
  'requestMirrorPolicies',
  'ignorePortInHostMatching',
  'ignorePathParametersInPathMatching',
  'typedPerFilterConfig',
  'metadata',
  'vhostHeader',
]);
const checkHost = honours(VirtualHostSchema, [
  'name',
  'domains',
  'routes',
  'requireTls',
  'virtualClusters',
  'rateLimits',
  'requestHeadersToAdd',
  'requestHeadersToRemove',
  'responseHeadersToAdd',
  'responseHeadersToRemove',
  'cors',
  'typedPerFilterConfig',
  'includeRequestAttemptCount',
  'includeAttemptCountInResponse',
  'includeIsTimeoutRetryHeader',
  'retryPolicy',
  'requestMirrorPolicies',
  'perRequestBufferLimitBytes',
  'requestBodyBufferLimit',
  'metadata',
]);

type CompiledHost = { readonly runtime: VirtualHostRuntime; readonly rules: RuleIndex; readonly httpsRedirect: RedirectDecision };

const NO_VIRTUAL_HOST: RouteDecision = { kind: 'not_found', reason: 'no_virtual_host', virtualHost: undefined, route: undefined };

export function compileRouteTable(config: RouteConfiguration, report: Report): RouteTable {
  checkTable(config, report);
  const hosts = compileHosts(config, report);
  const domains = compileDomains(
    hosts.map((value) => ({ domains: value.runtime.domains, value })),
    report,
  );
  const hostOf = compileHostOf(config);
  const matchedPath = config.ignorePathParametersInPathMatching ? pathWithoutParameters : pathOf;
  return {
    name: config.name,
    virtualHosts: hosts.map((host) => host.runtime),
    internalOnlyHeaders: config.internalOnlyHeaders.map((name) => name.toLowerCase()),
    clusterNames: clusterNamesOf(config),
    validatesClusters: config.validateClusters,
    match(view, random) {
      const name = hostOf(view);
      const host = name === undefined ? undefined : domains.find(name);
      return host ? matchHost(host, { path: matchedPath(view.path), view, random }) : NO_VIRTUAL_HOST;
    },
    explain: (view, random) => explain(domains, { path: matchedPath(view.path), view, random, name: hostOf(view) ?? '' }),
  };
}

/** Of routes that forward; those that headers name are not known. */
function clusterNamesOf({ virtualHosts, requestMirrorPolicies }: RouteConfiguration): ReadonlySet<string> {
  const names = new Set<string>();
  for (const host of virtualHosts) {
    for (const { action } of host.routes) {
      if (action.case !== 'route') continue;
      const { clusterSpecifier: specifier, requestMirrorPolicies: own } = action.value;
      if (specifier.case === 'cluster') names.add(specifier.value);
      if (specifier.case === 'weightedClusters') for (const { name } of specifier.value.clusters) names.add(name);
      // The most specific level that has copies says where they go.
      const mirrors = [own, host.requestMirrorPolicies, requestMirrorPolicies].find((policies) => policies.length > 0) ?? [];
      for (const { cluster } of mirrors) names.add(cluster);
    }
  }
  names.delete('');
  return names;
}

// Apart from the table, whose closures would keep the messages alive.
function compileHosts(config: RouteConfiguration, report: Report): CompiledHost[] {
  const level = ownLevel(config, report);
  return config.virtualHosts.map((message, i) => compileHost(message, { config, level }, report.at('virtual_hosts', i)));
}

/** The name that virtual hosts are found by: the host, or what a header says instead; without the header there is none. */
function compileHostOf({ ignorePortInHostMatching, vhostHeader }: RouteConfiguration): (view: RequestView) => string | undefined {
  const read = vhostHeader === '' ? (view: RequestView) => view.authority : headerReader(vhostHeader.toLowerCase());
  return (view) => {
    const host = read(view)?.toLowerCase();
    return host !== undefined && ignorePortInHostMatching ? hostWithoutPort(host) : host;
  };
}

/** "/a;b=c/d" -> "/a", as Envoy. */
const pathWithoutParameters = (pathWithQuery: string): string => pathOf(pathWithQuery).split(';', 1)[0] as string;

/** `path` is what path conditions look at. */
type Routed = { path: string; view: RequestView; random: Random };

function matchHost(host: CompiledHost, { path, view, random }: Routed): RouteDecision {
  if (needsHttps(host.runtime, view)) return host.httpsRedirect;
  const rule = host.rules.find(path, view, random);
  return rule ? rule.decide(view, random) : { kind: 'not_found', reason: 'no_route', virtualHost: host.runtime, route: undefined };
}

function needsHttps(host: VirtualHostRuntime, view: RequestView): boolean {
  if (host.requireTls === 'none' || view.scheme === 'https') return false;
  return host.requireTls === 'all' || view.header('x-envoy-internal') !== 'true';
}

type TableScope = { config: RouteConfiguration; level: ReturnType<typeof ownLevel> };

const REQUIRE_TLS: Partial<Record<number, VirtualHostRuntime['requireTls']>> = {
  [TlsRequirement.NONE]: 'none',
  [TlsRequirement.EXTERNAL_ONLY]: 'external_only',
  [TlsRequirement.ALL]: 'all',
};

function compileHost(message: VirtualHost, { config, level }: TableScope, report: Report): CompiledHost {
  checkHost(message, report);
  const own = ownLevel(message, report);
  const routes: RouteRuntime[] = [];
  const overrides = mergeOverrides([own.overrides, level.overrides]);
  const runtime: VirtualHostRuntime = {
    name: message.name,
    domains: message.domains,
    routes,
    requireTls: REQUIRE_TLS[message.requireTls] ?? 'none',
    includeRequestAttemptCount: message.includeRequestAttemptCount,
    includeAttemptCountInResponse: message.includeAttemptCountInResponse,
    includeIsTimeoutRetryHeader: message.includeIsTimeoutRetryHeader,
    filterOverrides: overrides,
    virtualClusters: message.virtualClusters.map((each, i) => compileVirtualCluster(each, report.at('virtual_clusters', i))),
    rateLimits: compileRateLimits(message.rateLimits, report),
    metadata: metadataOf(message.metadata),
  };
  const scope = {
    message,
    virtualHost: runtime,
    headers: [own.headers, level.headers],
    overrides: [overrides],
    maxDirectBodyBytes: config.maxDirectResponseBodySizeBytes ?? DEFAULT_DIRECT_BODY_BYTES,
    mostSpecificWins: config.mostSpecificHeaderMutationsWins,
    tableMirrors: config.requestMirrorPolicies,
  };
  const rules: CompiledRoute[] = [];
  message.routes.forEach((route, i) => {
    const rule = compileRoute(route, i, scope, report.at('routes', i));
    if (!rule) return;
    rules.push(rule);
    routes.push(rule.route);
  });
  return { runtime, rules: createRuleIndex(rules), httpsRedirect: httpsRedirectOf(runtime) };
}

/** Envoy's limit of a direct response's body. */
const DEFAULT_DIRECT_BODY_BYTES = 4096;

function compileVirtualCluster({ name, headers }: VirtualCluster, report: Report): VirtualHostRuntime['virtualClusters'][number] {
  if (headers.length === 0) report.at('headers').refuse('must not be empty');
  const matchers = headers.map((matcher, i) => compileHeaderMatcher(matcher, report.at('headers', i)));
  return { name, matches: (view) => matchers.every((matcher) => matcher.test(view)) };
}

function httpsRedirectOf(virtualHost: VirtualHostRuntime): RedirectDecision {
  const route: RouteRuntime = {
    name: '',
    index: -1,
    virtualHost,
    condition: `scheme is not https and virtual host requires TLS (${virtualHost.requireTls})`,
    istioConfig: undefined,
    metadata: new Map(),
    statPrefix: '',
  };
  return {
    kind: 'redirect',
    ...HTTPS_REDIRECT,
    virtualHost,
    route,
    requestHeaders: [],
    responseHeaders: [],
    filterOverrides: virtualHost.filterOverrides,
    decorator: undefined,
  };
}

function explain(domains: DomainMap<CompiledHost>, { path, view, random, name }: Routed & { name: string }): RouteExplanation {
  const found = domains.explain(name);
  if (!found) return { decision: NO_VIRTUAL_HOST, host: name, domain: undefined, steps: [] };
  const host = found.value;
  const explanation = { host: name, domain: found.domain };
  if (needsHttps(host.runtime, view)) {
    const { httpsRedirect } = host;
    return {
      ...explanation,
      decision: httpsRedirect,
      steps: [{ route: httpsRedirect.route, matched: true, reason: httpsRedirect.route.condition }],
    };
  }
  const steps: RouteExplanation['steps'] = [];
  for (const rule of host.rules.rules) {
    const failed = whyNot(rule, { path, view, random });
    steps.push({ route: rule.route, matched: failed === undefined, reason: failed ?? rule.route.condition });
    if (failed === undefined) return { ...explanation, decision: rule.decide(view, random), steps };
  }
  return { ...explanation, decision: { kind: 'not_found', reason: 'no_route', virtualHost: host.runtime, route: undefined }, steps };
}

function whyNot(rule: CompiledRoute, { path, view, random }: { path: string; view: RequestView; random: Random }): string | undefined {
  if (!rule.path.test(path, view.method)) return `${rule.path.text} does not match ${JSON.stringify(path)}`;
  for (const condition of rule.conditions) if (!condition.test(view)) return `${condition.text} does not hold`;
  if (!selects(rule.share, view, random)) return `not among the ${fractionOfShare(rule.share, view) * 100} % of requests it takes`;
  return undefined;
}
