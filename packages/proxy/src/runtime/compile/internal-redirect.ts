import {
  allowListedRoutesPredicate,
  RouteAction_InternalRedirectAction as DeprecatedAction,
  type InternalRedirectPolicy,
  InternalRedirectPolicySchema,
  previousRoutesPredicate,
  type RouteAction,
  safeCrossSchemePredicate,
} from '@lateen/xds/messages/proxy';
import type { InternalRedirectRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { honours, type Report } from './report.ts';

const check = honours(InternalRedirectPolicySchema, [
  'maxInternalRedirects',
  'redirectResponseCodes',
  'predicates',
  'allowCrossSchemeRedirect',
  'responseHeadersToCopy',
]);

type Predicate = InternalRedirectRuntime['predicates'][number];
const PREDICATES = [
  extension(allowListedRoutesPredicate.AllowListedRoutesConfigSchema, (message): Predicate => {
    const allowed = new Set(message.allowedRouteNames);
    return ({ route }) => allowed.has(route.name);
  }),
  extension(
    previousRoutesPredicate.PreviousRoutesConfigSchema,
    (): Predicate =>
      ({ route, visited }) =>
        !visited.has(route),
  ),
  // From https, anything; from http, not to https.
  extension(
    safeCrossSchemePredicate.SafeCrossSchemeConfigSchema,
    (): Predicate =>
      ({ downstreamScheme, targetScheme }) =>
        downstreamScheme === 'https' || targetScheme === 'http',
  ),
];

/** Only these may be followed, whatever the policy says. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function compileInternalRedirect(action: RouteAction, report: Report): InternalRedirectRuntime | undefined {
  const policy = action.internalRedirectPolicy;
  if (policy) return compilePolicy(policy, report.at('internal_redirect_policy'));
  if (action.internalRedirectAction !== DeprecatedAction.HANDLE_INTERNAL_REDIRECT) return undefined;
  const maxRedirects = action.maxInternalRedirects ?? 1;
  return { maxRedirects, statuses: new Set([302]), allowCrossScheme: false, copyResponseHeaders: [], predicates: [] };
}

function compilePolicy(policy: InternalRedirectPolicy, report: Report): InternalRedirectRuntime {
  check(policy, report);
  policy.responseHeadersToCopy.forEach((name, i) => {
    if (name.startsWith(':') || name.toLowerCase() === 'host') {
      report.at('response_headers_to_copy', i).refuse(':-prefixed or host headers may not be specified here');
    }
  });
  const codes = policy.redirectResponseCodes.filter((code) => REDIRECTS.has(code));
  return {
    maxRedirects: policy.maxInternalRedirects ?? 1,
    statuses: new Set(policy.redirectResponseCodes.length === 0 ? [302] : codes),
    allowCrossScheme: policy.allowCrossSchemeRedirect,
    copyResponseHeaders: policy.responseHeadersToCopy.map((name) => name.toLowerCase()),
    predicates: policy.predicates.flatMap(
      (predicate, i) => compileAny(predicate.typedConfig, PREDICATES, report.at('predicates', i).at('typed_config')) ?? [],
    ),
  };
}
