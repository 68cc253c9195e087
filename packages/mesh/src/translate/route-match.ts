// HTTPMatchRequest -> RouteMatch, and whether a match is installed at this proxy at all.

import { create } from '@bufbuild/protobuf';
import { type RouteMatch, RouteMatchSchema } from '@lateen/xds/messages/config';
import { type HttpMatchRequest, labelsMatch, type StringMatch } from '../model/index.ts';
import type { ProxyScope } from './scope.ts';
import { headerMatcher, queryMatcher } from './string-match.ts';
import { resolveGateways } from './virtual-service-rules.ts';

/** Where routes are being installed: a listener port, for the mesh or for these gateways. */
export type RoutePlace = { port: number; gateways: ReadonlySet<string> };

type SourceMatch = Pick<HttpMatchRequest, 'port' | 'gateways' | 'sourceLabels' | 'sourceNamespace'>;

/** Whether the match concerns this proxy and port. `ruleNamespace` resolves short gateway names. */
export function isInstalledAt(
  match: SourceMatch,
  place: RoutePlace,
  { scope, ruleNamespace }: { scope: ProxyScope; ruleNamespace: string },
): boolean {
  if (match.port && match.port !== place.port) return false;
  if (match.gateways?.length && !resolveGateways(match.gateways, ruleNamespace).some((gateway) => place.gateways.has(gateway)))
    return false;
  if (scope.type === 'router') return true;
  if (match.sourceNamespace && match.sourceNamespace !== scope.namespace) return false;
  return labelsMatch(match.sourceLabels, scope.labels);
}

export function routeMatch(match: HttpMatchRequest | undefined): RouteMatch {
  if (!match) return create(RouteMatchSchema, { pathSpecifier: { case: 'prefix', value: '/' } });
  const pseudo: [string, StringMatch | undefined][] = [
    [':method', match.method],
    [':authority', match.authority],
    [':scheme', match.scheme],
  ];
  return create(RouteMatchSchema, {
    pathSpecifier: pathSpecifier(match.uri),
    caseSensitive: !match.ignoreUriCase,
    headers: [
      ...sorted(match.headers).map(([name, value]) => headerMatcher(name.toLowerCase(), value)),
      ...sorted(match.withoutHeaders).map(([name, value]) => headerMatcher(name.toLowerCase(), value, { isInverted: true })),
      ...pseudo.flatMap(([name, value]) => (value ? [headerMatcher(name, value)] : [])),
    ],
    queryParameters: sorted(match.queryParams).map(([name, value]) => queryMatcher(name, value)),
  });
}

/** Whether the route takes every request: nothing after it can be reached. */
export function isCatchAll(match: RouteMatch): boolean {
  const { pathSpecifier } = match;
  const isAnyPath =
    (pathSpecifier.case === 'prefix' && pathSpecifier.value === '/') ||
    (pathSpecifier.case === 'safeRegex' && pathSpecifier.value.regex === '.*');
  return isAnyPath && match.headers.length === 0 && match.queryParameters.length === 0;
}

function pathSpecifier(uri: StringMatch | undefined) {
  if (uri?.exact !== undefined) return { case: 'path' as const, value: uri.exact };
  if (uri?.regex !== undefined) return { case: 'safeRegex' as const, value: { regex: uri.regex } };
  return { case: 'prefix' as const, value: uri?.prefix ?? '/' };
}

const sorted = (matches: Record<string, StringMatch> | undefined): [string, StringMatch][] =>
  Object.entries(matches ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
