// Fault and CORS policies: the same message as a filter's own configuration and as a route's override.

import { type CorsPolicy, CorsPolicySchema, corsHttpFilter, faultHttpFilter } from '@lateen/xds/messages/proxy';
import type { CorsRuntime, FaultRuntime } from '../model.ts';
import { compileHeaderMatcher, compileStringMatcher } from './match.ts';
import { honours, type Report } from './report.ts';
import { durationMs, fractionOf, NEVER, shareOf } from './values.ts';

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
  'delayPercentRuntime',
  'abortPercentRuntime',
  'delayDurationRuntime',
  'abortHttpStatusRuntime',
  'abortGrpcStatusRuntime',
  'maxActiveFaultsRuntime',
  'responseRateLimitPercentRuntime',
]);

/** Undefined when nothing is injected. */
export function compileFault(fault: faultHttpFilter.HTTPFault, report: Report): FaultRuntime | undefined {
  checkFault(fault, report);
  const headers = fault.headers.map((matcher, i) => compileHeaderMatcher(matcher, report.at('headers', i)));
  const delay = compileDelay(fault);
  const abort = compileAbort(fault);
  const rateLimit = compileRateLimit(fault);
  if (!delay && !abort && !rateLimit) return undefined;
  return {
    delay,
    abort,
    rateLimit,
    downstreamNodes: new Set(fault.downstreamNodes),
    matches: headers.length ? (view) => headers.every((matcher) => matcher.test(view)) : undefined,
    upstreamCluster: fault.upstreamCluster,
    maxActiveFaults: fault.maxActiveFaults,
    keys: {
      delayMs: fault.delayDurationRuntime || 'fault.http.delay.fixed_duration_ms',
      status: fault.abortHttpStatusRuntime || 'fault.http.abort.http_status',
      grpcStatus: fault.abortGrpcStatusRuntime || 'fault.http.abort.grpc_status',
      maxActiveFaults: fault.maxActiveFaultsRuntime || 'fault.http.max_active_faults',
    },
  };
}

function compileDelay({ delay, delayPercentRuntime }: HTTPFault): FaultRuntime['delay'] {
  if (!delay) return undefined;
  const share = { fraction: fractionOf(delay.percentage), runtimeKey: delayPercentRuntime || 'fault.http.delay.fixed_delay_percent' };
  switch (delay.faultDelaySecifier.case) {
    case 'fixedDelay':
      return { fixedMs: durationMs(delay.faultDelaySecifier.value), share };
    case 'headerDelay':
      return { fromHeader: true, share };
    case undefined:
      return undefined;
  }
}

function compileAbort({ abort, abortPercentRuntime }: HTTPFault): FaultRuntime['abort'] {
  if (!abort) return undefined;
  const share = { fraction: fractionOf(abort.percentage), runtimeKey: abortPercentRuntime || 'fault.http.abort.abort_percent' };
  const body = abort.responseBody || 'fault filter abort';
  switch (abort.errorType.case) {
    case 'httpStatus':
      return { status: abort.errorType.value, share, body };
    case 'grpcStatus':
      return { grpcStatus: abort.errorType.value, share, body };
    case 'headerAbort':
      return { fromHeader: true, share, body };
    case undefined:
      return undefined;
  }
}

function compileRateLimit(fault: HTTPFault): FaultRuntime['rateLimit'] {
  const limit = fault.responseRateLimit;
  if (!limit) return undefined;
  const runtimeKey = fault.responseRateLimitPercentRuntime || 'fault.http.rate_limit.response_percent';
  const share = { fraction: fractionOf(limit.percentage), runtimeKey };
  switch (limit.limitType.case) {
    case 'fixedLimit': {
      const kibPerSecond = Number(limit.limitType.value.limitKbps);
      return { kibPerSecond, share };
    }
    case 'headerLimit':
      return { fromHeader: true, share };
    case undefined:
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

function compileCors(policy: SharedCors, enabled: Parameters<typeof shareOf>[0], report: Report): CorsRuntime {
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
    enabled: shareOf(enabled),
    shadow: policy.shadowEnabled ? shareOf(policy.shadowEnabled) : NEVER,
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
    enabled: specific.enabled,
    shadow: specific.shadow,
  };
}
