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
  WeightedClusterSchema,
} from '@lateen/xds/messages/proxy';
import type { ForwardAction, Random, RequestView, RouteDecision, RouteRuntime, Share, VirtualHostRuntime } from '../model.ts';
import { compileBodyFormat } from './body-format.ts';
import { compileFilterOverrides, type FilterOverrides, mergeOverrides } from './filter-overrides.ts';
import { compileHeaderMutations, type HeaderMutations } from './header-mutation.ts';
import {
  compileCookieMatcher,
  compileFilterStateMatcher,
  compileHeaderMatcher,
  compileMetadataMatcher,
  compileQueryMatcher,
  compileTlsCondition,
  firstHeaderReader,
  headerReader,
  type RequestCondition,
} from './match.ts';
import { compilePathMatch, type PathCondition } from './path-match.ts';
import { compileRedirect } from './redirect.ts';
import { honours, type Report } from './report.ts';
import { clusterNotFoundStatusOf, compileForwardAction } from './route-action.ts';
import { inlineTextOf, lbMetadataOf, metadataOf, metadataText, shareOf } from './values.ts';

/** A rule ready to be tried. */
export type CompiledRoute = {
  readonly route: RouteRuntime;
  readonly path: PathCondition;
  /** Besides the path, in the order they are tried. */
  readonly conditions: readonly RequestCondition[];
  /** Of requests that the rule may take. */
  readonly share: Share;
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
  readonly maxDirectBodyBytes: number;
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
  'perRequestBufferLimitBytes',
  'requestBodyBufferLimit',
]);
const checkDirect = honours(DirectResponseActionSchema, ['status', 'body', 'bodyFormat']);
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
  'cookies',
  'grpc',
  'tlsContext',
  'dynamicMetadata',
  'filterState',
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
  const share = shareOf(message.match.runtimeFraction);
  const words = [path.text, ...conditions.map((condition) => condition.text)];
  const portion = shareText(share);
  if (portion !== '') words.push(portion);
  const route: RouteRuntime = {
    name: message.name,
    index,
    virtualHost: scope.virtualHost,
    condition: words.join(' and '),
    istioConfig: metadataText(metadata, 'istio', 'config'),
    metadata,
    statPrefix: message.statPrefix,
  };
  return { route, path, conditions, share, decide: compileDecision({ message, route, path, scope }, report) };
}

function shareText({ fraction, runtimeKey }: Share): string {
  const percent = `${fraction * 100} % of requests`;
  if (runtimeKey !== '') return `${percent} (or what runtime key ${runtimeKey} says)`;
  return fraction < 1 ? percent : '';
}

function compileConditions(match: RouteMatch, report: Report): RequestCondition[] {
  checkMatch(match, report);
  const conditions = [
    ...match.headers.map((matcher, i) => compileHeaderMatcher(matcher, report.at('headers', i))),
    ...match.queryParameters.map((matcher, i) => compileQueryMatcher(matcher, report.at('query_parameters', i))),
  ];
  if (match.grpc) conditions.push({ text: 'gRPC', test: isGrpc });
  conditions.push(
    ...match.cookies.map((matcher, i) => compileCookieMatcher(matcher, report.at('cookies', i))),
    ...match.dynamicMetadata.map((matcher, i) => compileMetadataMatcher(matcher, report.at('dynamic_metadata', i))),
    ...match.filterState.map((matcher, i) => compileFilterStateMatcher(matcher, report.at('filter_state', i))),
  );
  if (match.tlsContext) conditions.push(compileTlsCondition(match.tlsContext));
  return conditions;
}

const contentType = headerReader('content-type');
const isGrpc = (view: RequestView): boolean => /^application\/grpc(?:$|[+;])/.test(contentType(view) ?? '');

type Rule = { message: Route; route: RouteRuntime; path: PathCondition; scope: RouteScope };
type Decide = CompiledRoute['decide'];

// A closure keeps everything alive that its neighbours use: made here, it keeps the decision and not the messages of the table.
const always =
  (decision: RouteDecision): Decide =>
  () =>
    decision;

const notFound = (virtualHost: VirtualHostRuntime): RouteDecision => ({
  kind: 'not_found',
  reason: 'no_route',
  virtualHost,
  route: undefined,
});

function compileDecision(rule: Rule, report: Report): Decide {
  const { message, path, scope } = rule;
  const own = ownLevel(message, report);
  const base = decisionBase(rule, [own]);
  const action = message.action;
  switch (action.case) {
    case 'route':
      return compileForward(action.value, { ...rule, own }, report.at('route'));
    case 'redirect':
      return always({ kind: 'redirect', ...base, ...compileRedirect(action.value, path, report.at('redirect')) });
    case 'directResponse': {
      const at = report.at('direct_response');
      const { status } = action.value;
      checkDirect(action.value, at);
      const body = inlineTextOf(action.value.body, at.at('body'));
      const sizeBytes = new TextEncoder().encode(body).length;
      if (sizeBytes > scope.maxDirectBodyBytes) {
        at.at('body').refuse(`is ${sizeBytes} bytes long; max_direct_response_body_size_bytes is ${scope.maxDirectBodyBytes}`);
      }
      const bodyFormat = action.value.bodyFormat && compileBodyFormat(action.value.bodyFormat, at.at('body_format'));
      return always({ kind: 'respond', ...base, status, body, bodyFormat });
    }
    case 'nonForwardingAction':
      // Only of use on an inbound gRPC server; nothing here can carry the request on.
      return always(notFound(scope.virtualHost));
    default:
      if (action.case) report.refuse(`${action.case} is not supported`);
      return always(notFound(scope.virtualHost));
  }
}

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

function bufferLimitOf(message: Pick<Route, 'perRequestBufferLimitBytes' | 'requestBodyBufferLimit'>): number | undefined {
  const limit = message.requestBodyBufferLimit ?? message.perRequestBufferLimitBytes;
  return limit === undefined ? undefined : Number(limit);
}

function compileForward(message: RouteAction, rule: Rule & { own: Level }, report: Report): Decide {
  const { path, scope, own } = rule;
  const context = {
    condition: path,
    virtualHost: scope.message,
    tableMirrors: scope.tableMirrors,
    bufferLimitBytes: bufferLimitOf(rule.message) ?? bufferLimitOf(scope.message),
  };
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
    case 'cluster':
      return always({ ...shared, cluster: specifier.value });
    case 'clusterHeader': {
      const read = firstHeaderReader(specifier.value.toLowerCase());
      return (view) => ({ ...shared, cluster: read(view) ?? '' });
    }
    case 'weightedClusters': {
      const at = report.at('weighted_clusters');
      const weighted = specifier.value;
      checkWeighted(weighted, at);
      // total_weight is deprecated: as in Envoy the sum of the weights counts.
      const header = weighted.randomValueSpecifier.case === 'headerName' ? weighted.randomValueSpecifier.value.toLowerCase() : '';
      const entries = weighted.clusters.map((entry, i) => ({
        weight: entry.weight ?? 0,
        runtimeKey: weighted.runtimeKeyPrefix === '' ? '' : `${weighted.runtimeKeyPrefix}.${entry.name}`,
        decide: compileEntry(entry, { rule, shared }, at.at('clusters', i)),
      }));
      return pickByWeight(entries, { header, otherwise: notFound(scope.virtualHost) }, at);
    }
    default:
      if (specifier.case) report.refuse(`${specifier.case} is not supported`);
      return always({ ...shared, cluster: '' });
  }
}

const checkWeighted = honours(WeightedClusterSchema, ['clusters', 'totalWeight', 'runtimeKeyPrefix', 'headerName']);
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
  if (entry.weight === undefined) report.at('weight').refuse('is required');
  if (entry.name !== '' && entry.clusterHeader !== '') report.refuse('only one of name and cluster_header can be specified');
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
    return always(decision);
  }
  const read = firstHeaderReader(entry.clusterHeader.toLowerCase());
  return (view) => ({ ...decision, cluster: read(view) ?? '' });
}

type WeightedEntry = { weight: number; runtimeKey: string; decide: Decide };

/** `header` has the number to choose by; empty: chance. `otherwise`: where runtime keys leave nobody any weight. */
function pickByWeight(
  entries: readonly WeightedEntry[],
  { header, otherwise }: { header: string; otherwise: RouteDecision },
  report: Report,
): Decide {
  const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);
  const configured = entries.map(({ weight }) => weight);
  const total = sum(configured);
  if (total === 0) report.refuse('the sum of weights must be positive');
  if (total > 0xffff_ffff) report.refuse('the sum of weights must be below 2^32');
  const hasKeys = entries.some(({ runtimeKey }) => runtimeKey !== '');
  const read = header === '' ? () => undefined : headerReader(header);
  return (view, random) => {
    const keys = hasKeys ? view.runtimeKeys : undefined;
    const weights = keys ? entries.map(({ weight, runtimeKey }) => keys.integer(runtimeKey) ?? weight) : configured;
    const whole = keys ? sum(weights) : total;
    if (whole === 0) return otherwise;
    const told = read(view);
    // As Envoy: a header that is no number leaves the choice to chance.
    let rest = told !== undefined && /^\d{1,20}$/.test(told) ? Number(BigInt(told) % BigInt(whole)) : random() * whole;
    let last: Decide | undefined;
    for (const [i, weight] of weights.entries()) {
      if (weight === 0) continue;
      last = entries[i]?.decide;
      if (rest < weight) break;
      rest -= weight;
    }
    return (last as Decide)(view, random);
  };
}
