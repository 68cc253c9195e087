// One route rule: its condition and the decision it makes.

import {
  DirectResponseActionSchema,
  type Route,
  type RouteAction,
  type RouteAction_RequestMirrorPolicy,
  type RouteMatch,
  RouteMatchSchema,
  RouteSchema,
  type VirtualHost,
  type WeightedCluster_ClusterWeight,
  WeightedCluster_ClusterWeightSchema,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { ForwardAction, Random, RequestView, RouteDecision, RouteRuntime, VirtualHostRuntime } from '../model.ts';
import { compileFilterOverrides, type FilterOverrides, mergeOverrides } from './filter-overrides.ts';
import { compileHeaderMutations, type HeaderMutations } from './header-mutation.ts';
import { compileHeaderMatcher, compileQueryMatcher, headerReader, type RequestCondition } from './match.ts';
import { compilePathMatch, type PathCondition } from './path-match.ts';
import { compileRedirect } from './redirect.ts';
import { honours, type Report } from './report.ts';
import { clusterNotFoundStatusOf, compileForwardAction } from './route-action.ts';
import { inlineTextOf, lbMetadataOf, metadataOf, metadataText, runtimeFractionOf } from './values.ts';

/** A rule ready to be tried. */
export type CompiledRoute = {
  readonly route: RouteRuntime;
  readonly path: PathCondition;
  /** Besides the path, in the order they are tried. */
  readonly conditions: readonly RequestCondition[];
  /** Share of requests that the rule may take. */
  readonly fraction: number;
  decide(view: RequestView, random: Random): RouteDecision;
};

/** What a rule inherits from above it. */
export type RouteScope = {
  readonly message: VirtualHost;
  readonly virtualHost: VirtualHostRuntime;
  /** From the most specific level up; the order of application is theirs unless the table reverses it. */
  readonly headers: readonly HeaderMutations[];
  readonly overrides: readonly FilterOverrides[];
  readonly mostSpecificWins: boolean;
  readonly tableMirrors: readonly RouteAction_RequestMirrorPolicy[];
};

const checkRoute = honours(RouteSchema, [
  'name',
  'match',
  'route',
  'redirect',
  'directResponse',
  'nonForwardingAction',
  'metadata',
  'decorator',
  'typedPerFilterConfig',
  'requestHeadersToAdd',
  'requestHeadersToRemove',
  'responseHeadersToAdd',
  'responseHeadersToRemove',
  'tracing',
  'statPrefix',
]);
const checkMatch = honours(RouteMatchSchema, [
  'prefix',
  'path',
  'safeRegex',
  'connectMatcher',
  'pathSeparatedPrefix',
  'pathMatchPolicy',
  'caseSensitive',
  'runtimeFraction',
  'headers',
  'queryParameters',
  'grpc',
]);

export function compileRoute(message: Route, index: number, scope: RouteScope, report: Report): CompiledRoute | undefined {
  checkRoute(message, report);
  if (!message.match) {
    report.at('match').refuse('is required');
    return undefined;
  }
  const path = compilePathMatch(message.match, report.at('match'));
  const conditions = compileConditions(message.match, report.at('match'));
  const metadata = metadataOf(message.metadata);
  const fraction = runtimeFractionOf(message.match.runtimeFraction);
  const words = [path.text, ...conditions.map((condition) => condition.text)];
  if (fraction < 1) words.push(`${fraction * 100} % of requests`);
  const route: RouteRuntime = {
    name: message.name,
    index,
    virtualHost: scope.virtualHost,
    condition: words.join(' and '),
    istioConfig: metadataText(metadata, 'istio', 'config'),
    metadata,
    statPrefix: message.statPrefix,
  };
  return { route, path, conditions, fraction, decide: compileDecision({ message, route, path, scope }, report) };
}

function compileConditions(match: RouteMatch, report: Report): RequestCondition[] {
  checkMatch(match, report);
  const conditions = [
    ...match.headers.map((matcher, i) => compileHeaderMatcher(matcher, report.at('headers', i))),
    ...match.queryParameters.map((matcher, i) => compileQueryMatcher(matcher, report.at('query_parameters', i))),
  ];
  if (match.grpc) conditions.push({ text: 'gRPC', test: isGrpc });
  return conditions;
}

const contentType = headerReader('content-type');
const isGrpc = (view: RequestView): boolean => /^application\/grpc(?:$|[+;])/.test(contentType(view) ?? '');

type Rule = { message: Route; route: RouteRuntime; path: PathCondition; scope: RouteScope };
type Decide = CompiledRoute['decide'];

function compileDecision(rule: Rule, report: Report): Decide {
  const { message, path, scope } = rule;
  const own = ownLevel(message, report);
  const base = decisionBase(rule, [own]);
  const action = message.action;
  switch (action.case) {
    case 'route':
      return compileForward(action.value, { ...rule, own }, report.at('route'));
    case 'redirect': {
      const decision: RouteDecision = { kind: 'redirect', ...base, ...compileRedirect(action.value, path, report.at('redirect')) };
      return () => decision;
    }
    case 'directResponse': {
      const at = report.at('direct_response');
      const { status } = action.value;
      if (status < 200 || status > 599) at.at('status').refuse('must be 200 to 599');
      const body =
        at
          .at(DirectResponseActionSchema.field.body.name)
          .take(parseFormat(escapePercent(inlineTextOf(action.value.body, at.at('body'))))) ?? [];
      const decision: RouteDecision = { kind: 'respond', ...base, status, body };
      return () => decision;
    }
    case 'nonForwardingAction': {
      // Only of use on an inbound gRPC server; nothing here can carry the request on.
      const decision: RouteDecision = { kind: 'not_found', reason: 'no_route', virtualHost: scope.virtualHost, route: undefined };
      return () => decision;
    }
    default:
      report.refuse(action.case ? `${action.case} is not supported` : 'an action (route, redirect, direct_response) is required');
      return () => ({ kind: 'not_found', reason: 'no_route', virtualHost: scope.virtualHost, route: undefined });
  }
}

// A direct response's body is literal in Envoy; only body_format has operators.
const escapePercent = (text: string): string => text.replaceAll('%', '%%');

type Level = { headers: HeaderMutations; overrides: FilterOverrides };
type LevelMessage = Pick<
  Route,
  'requestHeadersToAdd' | 'requestHeadersToRemove' | 'responseHeadersToAdd' | 'responseHeadersToRemove' | 'typedPerFilterConfig'
>;

export const ownLevel = (message: LevelMessage, report: Report): Level => ({
  headers: compileHeaderMutations(message, report),
  overrides: compileFilterOverrides(message.typedPerFilterConfig, report),
});

function decisionBase({ message, route, scope }: Rule, levels: readonly Level[]) {
  const all = [...levels.map((level) => level.headers), ...scope.headers];
  const headers = scope.mostSpecificWins ? all.reverse() : all;
  const { decorator } = message;
  return {
    virtualHost: scope.virtualHost,
    route,
    requestHeaders: headers.flatMap((each) => each.request),
    responseHeaders: headers.flatMap((each) => each.response),
    filterOverrides: mergeOverrides([...levels.map((level) => level.overrides), ...scope.overrides]),
    decorator: decorator && { operation: decorator.operation, propagate: decorator.propagate ?? true },
  };
}

function compileForward(message: RouteAction, rule: Rule & { own: Level }, report: Report): Decide {
  const { path, scope, own } = rule;
  const context = { condition: path, virtualHost: scope.message, tableMirrors: scope.tableMirrors };
  const shared = {
    kind: 'forward' as const,
    clusterNotFoundStatus: clusterNotFoundStatusOf(message),
    action: compileForwardAction(message, context, report),
    hostRewrite: undefined,
    metadataMatch: lbMetadataOf(message.metadataMatch),
    ...decisionBase(rule, [own]),
  };
  const specifier = message.clusterSpecifier;
  switch (specifier.case) {
    case 'cluster': {
      if (specifier.value === '') report.at('cluster').refuse('must not be empty');
      const decision: RouteDecision = { ...shared, cluster: specifier.value };
      return () => decision;
    }
    case 'clusterHeader': {
      const read = headerReader(specifier.value.toLowerCase());
      return (view) => ({ ...shared, cluster: read(view) ?? '' });
    }
    case 'weightedClusters': {
      const at = report.at('weighted_clusters');
      const weighted = specifier.value;
      if (weighted.randomValueSpecifier.case) at.at('header_name').refuse('is not supported');
      return pickByWeight(
        weighted.clusters.map((entry, i) => ({
          weight: entry.weight ?? 0,
          decide: compileEntry(entry, { rule, shared }, at.at('clusters', i)),
        })),
        at,
      );
    }
    default:
      report.refuse(specifier.case ? `${specifier.case} is not supported` : 'cluster, cluster_header or weighted_clusters is required');
      return () => ({ ...shared, cluster: '' });
  }
}

const checkEntry = honours(WeightedCluster_ClusterWeightSchema, [
  'name',
  'clusterHeader',
  'weight',
  'metadataMatch',
  'requestHeadersToAdd',
  'requestHeadersToRemove',
  'responseHeadersToAdd',
  'responseHeadersToRemove',
  'typedPerFilterConfig',
  'hostRewriteLiteral',
]);

type Shared = { kind: 'forward'; action: ForwardAction; metadataMatch: ReturnType<typeof lbMetadataOf>; clusterNotFoundStatus: number };

function compileEntry(
  entry: WeightedCluster_ClusterWeight,
  { rule, shared }: { rule: Rule & { own: Level }; shared: Shared },
  report: Report,
): Decide {
  checkEntry(entry, report);
  const merged = { ...shared.metadataMatch, ...lbMetadataOf(entry.metadataMatch) };
  const decision = {
    ...shared,
    ...decisionBase(rule, [ownLevel(entry, report), rule.own]),
    hostRewrite: entry.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? entry.hostRewriteSpecifier.value : undefined,
    metadataMatch: Object.keys(merged).length > 0 ? merged : undefined,
    cluster: entry.name,
  };
  if (entry.clusterHeader === '') {
    if (entry.name === '') report.at('name').refuse('must not be empty');
    return () => decision;
  }
  const read = headerReader(entry.clusterHeader.toLowerCase());
  return (view) => ({ ...decision, cluster: read(view) ?? '' });
}

function pickByWeight(entries: readonly { weight: number; decide: Decide }[], report: Report): Decide {
  const total = entries.reduce((sum, entry) => sum + entry.weight, 0);
  if (total === 0) report.refuse('the sum of weights must be positive');
  return (view, random) => {
    let rest = random() * total;
    let last: Decide | undefined;
    for (const { weight, decide } of entries) {
      if (weight === 0) continue;
      last = decide;
      if (rest < weight) break;
      rest -= weight;
    }
    return (last as Decide)(view, random);
  };
}
