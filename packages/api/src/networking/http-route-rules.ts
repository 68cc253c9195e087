// Semantic rules of one HTTP route of a VirtualService.

import { parseDuration } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import { isDnsLabel, labelsProblem, portProblem, wildcardDomainProblem } from '../validate/names.ts';
import {
  durationProblem,
  fractionProblem,
  headerEditProblem,
  headerNameProblem,
  headerValueProblem,
  isAuthorityHeader,
  isClaimName,
  matchedHeaderProblem,
  percentProblem,
  regexProblem,
  requestHeaderEditProblem,
  stringMatchProblem,
} from '../validate/values.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { GRPC_STATUS_NAMES } from './grpc-status.ts';
import type { CorsPolicy, Destination, Headers, HTTPFaultInjection, HTTPMatchRequest, HTTPRetry, HTTPRoute } from './virtual-service.ts';

/** `root` routes name a delegate, `delegate` routes belong to a VirtualService without hosts. */
type RouteRole = 'plain' | 'root' | 'delegate';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE']);

/** Values of retryOn besides status codes. */
const RETRY_CONDITIONS = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

const KIB = 1024;

/** Checks `http[i]`; `isDelegate` says that the VirtualService has no hosts. */
export function checkHttpRoute(route: HTTPRoute, path: string, options: { isDelegate: boolean; report: Report }): void {
  const { isDelegate, report } = options;
  const role: RouteRole = isDelegate ? 'delegate' : route.delegate ? 'root' : 'plain';
  checkConflicts(route, path, { role, report });
  route.match?.forEach((match, i) => {
    checkMatch(match, `${path}.match[${i}]`, { role, report });
  });
  checkHeaders(route.headers, `${path}.headers`, report);
  if (route.corsPolicy) checkCors(route.corsPolicy, `${path}.corsPolicy`, report);
  if (route.fault) checkFault(route.fault, `${path}.fault`, report);
  checkMirrors(route, path, report);
  checkRedirect(route, path, report);
  checkDirectResponse(route, path, report);
  if (route.retries) checkRetries(route.retries, `${path}.retries`, report);
  checkRewrite(route, path, report);
  checkRouteDestinations(route, path, report);
}

function checkConflicts(route: HTTPRoute, path: string, { role, report }: { role: RouteRole; report: Report }): void {
  const actions = { route: route.route?.length ? route.route : undefined, redirect: route.redirect, directResponse: route.directResponse };
  if (role === 'root') {
    for (const [name, value] of Object.entries(actions))
      if (value) report.error(`${path}.${name}`, `root HTTP route must not specify ${name}`);
    return;
  }
  if (role === 'delegate' && route.delegate) report.error(`${path}.delegate`, 'delegate HTTP route cannot contain delegate');
  const set = Object.entries(actions).filter(([, value]) => value);
  if (set.length === 0)
    report.error(path, 'HTTP route, redirect or directResponse is required', 'Add route: with at least one destination.');
  if (set.length > 1) report.error(path, `HTTP route cannot contain both ${set.map(([name]) => name).join(' and ')}`);
  for (const answer of ['redirect', 'directResponse'] as const) {
    if (!route[answer]) continue;
    if (route.fault) report.error(`${path}.fault`, `HTTP route cannot contain both fault and ${answer}`);
    if (route.rewrite) report.error(`${path}.rewrite`, `HTTP route rule cannot contain both rewrite and ${answer}`);
  }
  if (route.mirror && route.mirrors?.length) report.error(`${path}.mirrors`, 'HTTP route cannot contain both mirror and mirrors');
}

function checkMatch(match: HTTPMatchRequest, path: string, { role, report }: { role: RouteRole; report: Report }): void {
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) {
    if (role !== 'plain' && match[field]?.regex !== undefined) {
      report.error(`${path}.${field}`, `${field} match does not support regex match for delegating`);
    } else report.check(`${path}.${field}`, stringMatchProblem(match[field], field));
  }
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const place = `${path}.${field}[${name}]`;
      if (field !== 'queryParams' && !(role === 'plain' && isClaimName(name))) report.check(place, matchedHeaderProblem(name));
      if (role !== 'plain' && value.regex !== undefined)
        report.error(place, `${field} match ${name} does not support regex match for delegating`);
      else report.check(place, stringMatchProblem(value, field));
    }
  }
  if (match.port) report.check(`${path}.port`, portProblem(match.port));
  report.check(`${path}.sourceLabels`, labelsProblem(match.sourceLabels));
  checkGatewayNames(match.gateways, `${path}.gateways`, report);
  if (match.sourceNamespace && !isDnsLabel(match.sourceNamespace)) {
    report.error(`${path}.sourceNamespace`, `sourceNamespace match ${match.sourceNamespace.slice(0, 80)} is invalid`);
  }
}

function checkHeaders(headers: Headers | undefined, path: string, report: Report): void {
  for (const side of ['request', 'response'] as const) {
    const operations = headers?.[side];
    for (const edit of ['add', 'set'] as const) {
      for (const [name, value] of Object.entries(operations?.[edit] ?? {})) {
        const place = `${path}.${side}.${edit}[${name}]`;
        report.check(place, side === 'request' ? requestHeaderEditProblem(name) : headerEditProblem(name));
        report.check(place, headerValueProblem(value));
      }
    }
    for (const name of operations?.remove ?? []) report.check(`${path}.${side}.remove`, headerEditProblem(name));
  }
}

function checkCors(cors: CorsPolicy, path: string, report: Report): void {
  cors.allowOrigins?.forEach((origin, i) => {
    const value = origin.exact ?? origin.prefix ?? origin.regex;
    if (!value)
      report.error(`${path}.allowOrigins[${i}]`, 'not a valid match type for CORS allow origins: use exact, prefix or regex with a value');
    else report.check(`${path}.allowOrigins[${i}]`, stringMatchProblem(origin, 'corsPolicy.allowOrigins'));
  });
  cors.allowMethods?.forEach((method, i) => {
    if (!METHODS.has(method)) report.error(`${path}.allowMethods[${i}]`, `${JSON.stringify(method)} is not a supported HTTP method`);
  });
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    cors[field]?.forEach((name, i) => {
      if (name !== '*') report.check(`${path}.${field}[${i}]`, headerNameProblem(name));
    });
  }
  if (cors.maxAge !== undefined) {
    const parsed = parseDuration(cors.maxAge);
    if (parsed.ok && parsed.value % 1000 !== 0) report.error(`${path}.maxAge`, 'maxAge duration is accurate only to seconds precision');
  }
}

function checkFault(fault: HTTPFaultInjection, path: string, report: Report): void {
  const { abort, delay } = fault;
  if (!abort && !delay) report.error(path, 'HTTP fault injection must have an abort and/or a delay');
  if (abort) {
    report.check(`${path}.abort.percentage`, fractionProblem(abort.percentage?.value));
    if (abort.grpcStatus !== undefined && !GRPC_STATUS_NAMES.includes(abort.grpcStatus)) {
      report.error(
        `${path}.abort.grpcStatus`,
        `gRPC status ${JSON.stringify(abort.grpcStatus)} is not supported; write a name like UNAVAILABLE`,
      );
    }
    if (abort.http2Error !== undefined) report.error(`${path}.abort.http2Error`, 'HTTP/2 abort fault injection not supported yet');
    if (abort.httpStatus !== undefined) report.check(`${path}.abort.httpStatus`, statusProblem(abort.httpStatus));
    if (abort.grpcStatus === undefined && abort.http2Error === undefined && abort.httpStatus === undefined) {
      report.warning(`${path}.abort`, 'abort configured, but error type not set');
    }
  }
  if (delay) {
    report.check(`${path}.delay.percentage`, fractionProblem(delay.percentage?.value));
    report.check(`${path}.delay.percent`, percentProblem(delay.percent));
    if (delay.exponentialDelay !== undefined) report.error(`${path}.delay.exponentialDelay`, 'exponentialDelay not supported yet');
  }
}

const statusProblem = (status: number): string | undefined =>
  status < 200 || status > 600 ? `HTTP status ${status} is not in range 200-599` : undefined;

function checkMirrors(route: HTTPRoute, path: string, report: Report): void {
  const oldPercent = route.mirrorPercent ?? route.mirror_percent;
  if (oldPercent !== undefined) {
    if (oldPercent > 100) report.error(`${path}.mirrorPercent`, `mirror_percent must have a max value of 100 (it has ${oldPercent})`);
    report.warning(`${path}.mirrorPercent`, 'using deprecated setting "mirrorPercent", use "mirrorPercentage" instead');
  }
  report.check(`${path}.mirrorPercentage`, percentProblem(route.mirrorPercentage?.value));
  if (route.mirror) checkDestination(route.mirror, `${path}.mirror`, report);
  route.mirrors?.forEach((mirror, i) => {
    if (!mirror.destination) return;
    checkDestination(mirror.destination, `${path}.mirrors[${i}].destination`, report);
    report.check(`${path}.mirrors[${i}].percentage`, percentProblem(mirror.percentage?.value));
  });
}

function checkRedirect({ redirect }: HTTPRoute, path: string, report: Report): void {
  if (!redirect) return;
  if (!redirect.uri && !redirect.authority && redirect.port === undefined && redirect.derivePort === undefined && !redirect.scheme) {
    report.error(`${path}.redirect`, 'redirect must specify URI, authority, scheme, or port');
  }
  const code = redirect.redirectCode;
  if (code && (code < 300 || code > 399))
    report.error(`${path}.redirect.redirectCode`, `${code} is not a valid redirect code, must be 3xx`);
  if (redirect.scheme && redirect.scheme !== 'http' && redirect.scheme !== 'https') {
    report.error(`${path}.redirect.scheme`, 'invalid redirect scheme, must be "http" or "https"');
  }
  if (redirect.port) report.check(`${path}.redirect.port`, portProblem(redirect.port));
}

function checkDirectResponse({ directResponse }: HTTPRoute, path: string, report: Report): void {
  if (!directResponse) return;
  const size = Math.max(directResponse.body?.string?.length ?? 0, ((directResponse.body?.bytes?.length ?? 0) * 3) / 4);
  if (size > KIB * KIB)
    report.error(`${path}.directResponse.body`, 'large direct responses may impact control plane performance, must be less than 1MB');
  else if (size > 100 * KIB) report.warning(`${path}.directResponse.body`, 'large direct responses may impact control plane performance');
  report.check(`${path}.directResponse.status`, statusProblem(directResponse.status ?? 0));
}

function checkRetries(retries: HTTPRetry, path: string, report: Report): void {
  const attempts = retries.attempts ?? 0;
  if (attempts < 0) report.error(`${path}.attempts`, 'attempts cannot be negative');
  if (attempts === 0 && (retries.perTryTimeout !== undefined || retries.retryOn || retries.retryRemoteLocalities !== undefined)) {
    report.error(path, 'http retry policy configured when attempts are set to 0 (disabled)');
  }
  if (retries.perTryTimeout !== undefined) report.check(`${path}.perTryTimeout`, durationProblem(retries.perTryTimeout));
  for (const condition of retries.retryOn ? retries.retryOn.split(',') : []) {
    const isStatus = /^[1-5]\d\d$/.test(condition);
    if (!isStatus && !RETRY_CONDITIONS.has(condition))
      report.error(`${path}.retryOn`, `${JSON.stringify(condition)} is not a valid retryOn policy`);
  }
}

function checkRewrite({ rewrite, headers }: HTTPRoute, path: string, report: Report): void {
  if (rewrite) {
    const regex = rewrite.uriRegexRewrite;
    if (rewrite.uri && regex) report.error(`${path}.rewrite`, 'rewrite may only contain one of URI or UriRegexRewrite');
    if (!rewrite.uri && !regex && !rewrite.authority) {
      report.error(`${path}.rewrite`, 'rewrite must specify at least one of URI, UriRegexRewrite, or authority');
    }
    if (regex && (!regex.match || !regex.rewrite)) {
      report.error(`${path}.rewrite.uriRegexRewrite`, 'UriRegexRewrite requires both Rewrite and Match fields to be specified');
    } else if (regex?.match) report.check(`${path}.rewrite.uriRegexRewrite.match`, regexProblem(regex.match, 'uriRegexRewrite.match'));
  }
  const request = headers?.request;
  const edits = [...Object.entries(request?.set ?? {}), ...Object.entries(request?.add ?? {})].filter(([name]) => isAuthorityHeader(name));
  if (edits.length + (rewrite?.authority ? 1 : 0) > 1) {
    report.error(`${path}.headers.request`, 'authority header cannot be set multiple times');
  }
}

function checkRouteDestinations(route: HTTPRoute, path: string, report: Report): void {
  checkWeights(route.route, `${path}.route`, report);
  route.route?.forEach((entry, i) => {
    checkHeaders(entry.headers, `${path}.route[${i}].headers`, report);
  });
}

/** Destinations and weights of a route of any protocol. */
export function checkWeights(
  destinations: readonly { destination?: Destination; weight?: number }[] | undefined,
  path: string,
  report: Report,
): void {
  let total = 0;
  destinations?.forEach((entry, i) => {
    const weight = entry.weight ?? 0;
    if (entry.destination) checkDestination(entry.destination, `${path}[${i}].destination`, report);
    if (weight < 0) report.error(`${path}[${i}].weight`, `weight ${weight} < 0`);
    total += weight;
  });
  if ((destinations?.length ?? 0) > 1 && total === 0) report.error(path, 'total destination weight = 0', 'Give each destination a weight.');
}

/** Host, subset and port of a destination. */
export function checkDestination(destination: Destination, path: string, report: Report): void {
  const host = destination.host ?? '';
  if (host === '*') report.error(`${path}.host`, 'invalid destination host *');
  else report.check(`${path}.host`, wildcardDomainProblem(host));
  if (destination.subset && !isDnsLabel(destination.subset))
    report.error(`${path}.subset`, `subset name is invalid: ${destination.subset.slice(0, 80)}`);
  if (destination.port) report.check(`${path}.port.number`, portProblem(destination.port.number ?? 0));
}
