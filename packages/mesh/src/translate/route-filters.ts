// Per-route configuration of the fault and CORS filters.

import type { Any } from '@bufbuild/protobuf/wkt';
import { GRPC_STATUS_NAMES } from '@lateen/api';
import { corsHttpFilter, FractionalPercent_DenominatorType, faultHttpFilter } from '@lateen/xds/messages/config';
import type { CorsPolicySpec, HttpFaultInjection, HttpRoute, StringMatch } from '../model/index.ts';
import { fractionalPercent, goDuration, pack } from './pack.ts';
import { stringMatcher } from './string-match.ts';

export const FAULT_FILTER = 'envoy.filters.http.fault';
export const CORS_FILTER = 'envoy.filters.http.cors';

export function perRouteFilters(rule: HttpRoute): Record<string, Any> {
  return {
    ...(rule.corsPolicy && { [CORS_FILTER]: corsConfig(rule.corsPolicy) }),
    ...(rule.fault && { [FAULT_FILTER]: faultConfig(rule.fault) }),
  };
}

function faultConfig({ delay, abort }: HttpFaultInjection): Any {
  const fixedDelay = goDuration(delay?.fixedDelay);
  const delayPercent = delay?.percentage?.value ?? delay?.percent ?? 0;
  const errorType = abort && abortError(abort);
  return pack(faultHttpFilter.HTTPFaultSchema, {
    ...(fixedDelay && {
      delay: { faultDelaySecifier: { case: 'fixedDelay' as const, value: fixedDelay }, percentage: fractionalPercent(delayPercent) },
    }),
    ...(errorType && { abort: { errorType, percentage: fractionalPercent(abort.percentage?.value ?? 0) } }),
  });
}

function abortError(abort: NonNullable<HttpFaultInjection['abort']>) {
  if (abort.httpStatus !== undefined) return { case: 'httpStatus' as const, value: abort.httpStatus };
  const grpcStatus = abort.grpcStatus === undefined ? undefined : GRPC_STATUS_NAMES.indexOf(abort.grpcStatus.toUpperCase());
  return grpcStatus !== undefined && grpcStatus >= 0 ? { case: 'grpcStatus' as const, value: grpcStatus } : undefined;
}

function corsConfig(policy: CorsPolicySpec): Any {
  const origins: StringMatch[] =
    policy.allowOrigins ?? (policy.allowOrigin ?? []).map((origin) => (origin === '*' ? { regex: '.*' } : { exact: origin }));
  const maxAge = goDuration(policy.maxAge);
  return pack(corsHttpFilter.CorsPolicySchema, {
    allowOriginStringMatch: origins.map(stringMatcher).filter((matcher) => matcher !== undefined),
    allowMethods: (policy.allowMethods ?? []).join(','),
    allowHeaders: (policy.allowHeaders ?? []).join(','),
    exposeHeaders: (policy.exposeHeaders ?? []).join(','),
    maxAge: maxAge ? String(maxAge.seconds) : '',
    ...(policy.allowCredentials !== undefined && { allowCredentials: policy.allowCredentials }),
    filterEnabled: { defaultValue: { numerator: 100, denominator: FractionalPercent_DenominatorType.HUNDRED } },
    forwardNotMatchingPreflights: policy.unmatchedPreflights !== 'IGNORE',
  });
}
