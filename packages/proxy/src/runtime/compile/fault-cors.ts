// Fault and CORS policies: the same message as a filter's own configuration and as a route's override.

import { type CorsPolicy, CorsPolicySchema, corsHttpFilter, faultHttpFilter } from '@lateen/xds/messages/proxy';
import type { CorsRuntime, FaultRuntime } from '../model.ts';
import { compileHeaderMatcher, compileStringMatcher } from './match.ts';
import { honours, type Report } from './report.ts';
import { durationMs, fractionOf, runtimeFractionOf } from './values.ts';

type HTTPFault = faultHttpFilter.HTTPFault;

const checkFault = honours(faultHttpFilter.HTTPFaultSchema, [
  'delay',
  'abort',
  'upstreamCluster',
  'headers',
  'downstreamNodes',
  'maxActiveFaults',
  'responseRateLimit',
  'disableDownstreamClusterStats',
]);

/** Undefined when nothing is injected. */
export function compileFault(fault: faultHttpFilter.HTTPFault, report: Report): FaultRuntime | undefined {
  checkFault(fault, report);
  const headers = fault.headers.map((matcher, i) => compileHeaderMatcher(matcher, report.at('headers', i)));
  const delay = compileDelay(fault.delay, report.at('delay'));
  const abort = compileAbort(fault.abort, report.at('abort'));
  const rateLimit = compileRateLimit(fault.responseRateLimit, report.at('response_rate_limit'));
  if (!delay && !abort && !rateLimit) return undefined;
  return {
    delay,
    abort,
    rateLimit,
    downstreamNodes: new Set(fault.downstreamNodes),
    matches: headers.length ? (view) => headers.every((matcher) => matcher.test(view)) : undefined,
    upstreamCluster: fault.upstreamCluster,
    maxActiveFaults: fault.maxActiveFaults,
  };
}

function compileDelay(delay: faultHttpFilter.HTTPFault['delay'], report: Report): FaultRuntime['delay'] {
  if (!delay) return undefined;
  const fraction = fractionOf(delay.percentage);
  switch (delay.faultDelaySecifier.case) {
    case 'fixedDelay':
      return { fixedMs: durationMs(delay.faultDelaySecifier.value), fraction };
    case 'headerDelay':
      return { fromHeader: true, fraction };
    case undefined:
      report.refuse('fixed_delay or header_delay is required');
      return undefined;
  }
}

function compileAbort(abort: faultHttpFilter.FaultAbort | undefined, report: Report): FaultRuntime['abort'] {
  if (!abort) return undefined;
  const fraction = fractionOf(abort.percentage);
  const body = abort.responseBody || 'fault filter abort';
  switch (abort.errorType.case) {
    case 'httpStatus':
      return { status: abort.errorType.value, fraction, body };
    case 'grpcStatus':
      return { grpcStatus: abort.errorType.value, fraction, body };
    case 'headerAbort':
      return { fromHeader: true, fraction, body };
    case undefined:
      report.refuse('http_status, grpc_status or header_abort is required');
      return undefined;
  }
}

function compileRateLimit(limit: HTTPFault['responseRateLimit'], report: Report): FaultRuntime['rateLimit'] {
  if (!limit) return undefined;
  const fraction = fractionOf(limit.percentage);
  switch (limit.limitType.case) {
    case 'fixedLimit': {
      const kibPerSecond = Number(limit.limitType.value.limitKbps);
      return { kibPerSecond, fraction };
    }
    case 'headerLimit':
      return { fromHeader: true, fraction };
    case undefined:
      report.refuse('fixed_limit or header_limit is required');
      return undefined;
  }
}

const checkCors = honours(
  CorsPolicySchema,
  CorsPolicySchema.fields.map((field) => field.localName),
);
const checkCorsFilter = honours(
  corsHttpFilter.CorsPolicySchema,
  corsHttpFilter.CorsPolicySchema.fields.map((field) => field.localName),
);

export function compileRouteCors(policy: CorsPolicy, report: Report): CorsRuntime {
  checkCors(policy, report);
  return compileCors(policy, policy.enabledSpecifier.value, report);
}

export function compileFilterCors(policy: corsHttpFilter.CorsPolicy, report: Report): CorsRuntime {
  checkCorsFilter(policy, report);
  return compileCors(policy, policy.filterEnabled, report);
}

type SharedCors = Omit<CorsPolicy, '$typeName' | 'enabledSpecifier'>;

function compileCors(policy: SharedCors, enabled: Parameters<typeof runtimeFractionOf>[0], report: Report): CorsRuntime {
  const origins = policy.allowOriginStringMatch.map((matcher, i) =>
    compileStringMatcher(matcher, report.at('allow_origin_string_match', i)),
  );
  const allowsOrigin = (origin: string) => origins.some((matcher) => matcher.test(origin));
  // As Envoy: who would allow "*" allows everyone.
  const allowsAll = allowsOrigin('*');
  return {
    allowsOrigin: origins.length === 0 ? undefined : allowsAll ? () => true : allowsOrigin,
    allowMethods: policy.allowMethods,
    allowHeaders: policy.allowHeaders,
    exposeHeaders: policy.exposeHeaders,
    maxAge: policy.maxAge,
    allowCredentials: policy.allowCredentials,
    allowPrivateNetworkAccess: policy.allowPrivateNetworkAccess,
    forwardNotMatchingPreflights: policy.forwardNotMatchingPreflights,
    enabledFraction: runtimeFractionOf(enabled),
    shadowFraction: policy.shadowEnabled ? runtimeFractionOf(policy.shadowEnabled) : 0,
  };
}

/** As Envoy: each setting is that of the most specific level which has it. */
export function mergeCors(specific: CorsRuntime, general: CorsRuntime): CorsRuntime {
  return {
    allowsOrigin: specific.allowsOrigin ?? general.allowsOrigin,
    allowMethods: specific.allowMethods || general.allowMethods,
    allowHeaders: specific.allowHeaders || general.allowHeaders,
    exposeHeaders: specific.exposeHeaders || general.exposeHeaders,
    maxAge: specific.maxAge || general.maxAge,
    allowCredentials: specific.allowCredentials ?? general.allowCredentials,
    allowPrivateNetworkAccess: specific.allowPrivateNetworkAccess ?? general.allowPrivateNetworkAccess,
    forwardNotMatchingPreflights: specific.forwardNotMatchingPreflights ?? general.forwardNotMatchingPreflights,
    enabledFraction: specific.enabledFraction,
    shadowFraction: specific.shadowFraction,
  };
}
