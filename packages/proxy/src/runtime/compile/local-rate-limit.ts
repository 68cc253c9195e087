// The local rate limit filter: token buckets of this proxy alone.

import { type commonRatelimit, localRatelimitHttpFilter as filter, commonRatelimit as ratelimit } from '@lateen/xds/messages/proxy';
import type { LocalRateLimitRuntime } from '../model.ts';
import { compileHeaderOptions } from './header-mutation.ts';
import { compileRateLimits } from './rate-limit-actions.ts';
import { honours, type Report } from './report.ts';
import { compileTokenBucket } from './token-bucket.ts';
import { NEVER, shareOf } from './values.ts';

const check = honours(filter.LocalRateLimitSchema, [
  'statPrefix',
  'status',
  'tokenBucket',
  'filterEnabled',
  'filterEnforced',
  'requestHeadersToAddWhenNotEnforced',
  'responseHeadersToAdd',
  'descriptors',
  'stage',
  'localRateLimitPerDownstreamConnection',
  'enableXRatelimitHeaders',
  'vhRateLimits',
  'alwaysConsumeDefaultTokenBucket',
  'rateLimitedAsResourceExhausted',
  'rateLimits',
  'maxDynamicDescriptors',
]);
const checkDescriptor = honours(ratelimit.LocalRateLimitDescriptorSchema, ['entries', 'tokenBucket']);

const VIRTUAL_HOST: Partial<Record<number, LocalRateLimitRuntime['virtualHostLimits']>> = {
  [ratelimit.VhRateLimitsOptions.INCLUDE]: 'include',
  [ratelimit.VhRateLimitsOptions.IGNORE]: 'ignore',
};

/** As Envoy's. */
const DEFAULT_DYNAMIC_DESCRIPTORS = 20;

export function compileLocalRateLimit(message: filter.LocalRateLimit, report: Report): LocalRateLimitRuntime {
  check(message, report);
  const status = message.status?.code ?? 429;
  const names = message.descriptors.map(({ entries }) => JSON.stringify(entries.map(({ key, value }) => [key, value])));
  names.forEach((name, i) => {
    if (names.indexOf(name) < i) report.at('descriptors', i).refuse('is there twice');
  });
  return {
    statPrefix: message.statPrefix,
    status: status >= 400 ? status : 429,
    bucket: message.tokenBucket && compileTokenBucket(message.tokenBucket, report.at('token_bucket')),
    // Without filter_enabled the filter does nothing.
    enabled: message.filterEnabled ? shareOf(message.filterEnabled) : NEVER,
    enforced: message.filterEnforced ? shareOf(message.filterEnforced) : NEVER,
    requestHeadersWhenNotEnforced: compileHeaderOptions(
      message.requestHeadersToAddWhenNotEnforced,
      report,
      'request_headers_to_add_when_not_enforced',
    ),
    responseHeaders: compileHeaderOptions(message.responseHeadersToAdd, report, 'response_headers_to_add'),
    descriptors: message.descriptors.map((each, i) => compileDescriptor(each, report.at('descriptors', i))),
    maxDynamicDescriptors: message.maxDynamicDescriptors ?? DEFAULT_DYNAMIC_DESCRIPTORS,
    stage: message.stage,
    perConnection: message.localRateLimitPerDownstreamConnection,
    sendsLimitHeaders: message.enableXRatelimitHeaders === ratelimit.XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
    virtualHostLimits: VIRTUAL_HOST[message.vhRateLimits] ?? 'override',
    alwaysConsumeDefault: message.alwaysConsumeDefaultTokenBucket ?? true,
    resourceExhausted: message.rateLimitedAsResourceExhausted,
    rateLimits: compileRateLimits(message.rateLimits, report),
  };
}

function compileDescriptor(
  message: commonRatelimit.LocalRateLimitDescriptor,
  report: Report,
): LocalRateLimitRuntime['descriptors'][number] {
  checkDescriptor(message, report);
  return {
    entries: message.entries.map(({ key, value }) => ({ key, value })),
    bucket: compileTokenBucket(message.tokenBucket, report.at('token_bucket')),
  };
}
