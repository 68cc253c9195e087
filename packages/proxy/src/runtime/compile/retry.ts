import {
  omitCanaryHostsPredicate,
  omitHostMetadataPredicate,
  previousHostsRetryPredicate,
  previousPrioritiesPredicate,
  RetryPolicy_ResetHeaderFormat as ResetFormat,
  type RetryPolicy,
  type RetryPolicy_RateLimitedRetryBackOff,
  RetryPolicySchema,
} from '@lateen/xds/messages/proxy';
import { RETRY_CONDITIONS, type RetryCondition, type RetryRuntime } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileHeaderMatcher, compileHeaderTest } from './match.ts';
import { honours, type Report } from './report.ts';
import { durationMs, durationMsOr, lbMetadataOf } from './values.ts';

const check = honours(RetryPolicySchema, [
  'retryOn',
  'numRetries',
  'perTryTimeout',
  'perTryIdleTimeout',
  'retryPriority',
  'retryHostPredicate',
  'hostSelectionRetryMaxAttempts',
  'retriableStatusCodes',
  'retryBackOff',
  'rateLimitedRetryBackOff',
  'retriableHeaders',
  'retriableRequestHeaders',
]);

type HostPredicates = Pick<RetryRuntime, 'avoidPreviousHosts' | 'omitCanaryHosts' | 'omitHostMetadata'>;
const HOST_PREDICATES = [
  extension(previousHostsRetryPredicate.PreviousHostsPredicateSchema, (): Partial<HostPredicates> => ({ avoidPreviousHosts: true })),
  extension(omitCanaryHostsPredicate.OmitCanaryHostsPredicateSchema, (): Partial<HostPredicates> => ({ omitCanaryHosts: true })),
  extension(
    omitHostMetadataPredicate.OmitHostMetadataConfigSchema,
    (message): Partial<HostPredicates> => ({ omitHostMetadata: lbMetadataOf(message.metadataMatch) }),
  ),
];
/** After how many attempts the priorities are looked at. */
const PRIORITIES = [
  extension(previousPrioritiesPredicate.PreviousPrioritiesConfigSchema, ({ updateFrequency }): number => updateFrequency),
];
const KNOWN: ReadonlySet<string> = new Set(RETRY_CONDITIONS);

export function compileRetryPolicy(policy: RetryPolicy, report: Report): RetryRuntime {
  check(policy, report);
  const words = policy.retryOn
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  for (const word of words) if (!KNOWN.has(word)) report.at('retry_on').refuse(`unknown condition ${JSON.stringify(word)}`);
  const hosts = Object.assign(
    {},
    ...policy.retryHostPredicate.map((predicate, i) => {
      return compileAny(predicate.configType.value, HOST_PREDICATES, report.at('retry_host_predicate', i).at('typed_config'));
    }),
  ) as Partial<HostPredicates>;
  const headers = policy.retriableHeaders.map((matcher, i) => compileHeaderTest(matcher, report.at('retriable_headers', i)));
  const requests = policy.retriableRequestHeaders.map((matcher, i) =>
    compileHeaderMatcher(matcher, report.at('retriable_request_headers', i)),
  );
  const backoffBaseMs = policy.retryBackOff?.baseInterval ? durationMs(policy.retryBackOff.baseInterval) : 25;
  const backoffMaxMs = policy.retryBackOff?.maxInterval ? durationMs(policy.retryBackOff.maxInterval) : backoffBaseMs * 10;
  if (backoffMaxMs < backoffBaseMs) report.at('retry_back_off').refuse('max_interval must not be below base_interval');
  return {
    on: new Set(words as RetryCondition[]),
    numRetries: policy.numRetries ?? 1,
    perTryTimeoutMs: durationMsOr(policy.perTryTimeout, undefined),
    perTryIdleTimeoutMs: durationMsOr(policy.perTryIdleTimeout, undefined),
    statusCodes: new Set(policy.retriableStatusCodes),
    matchesRetriableHeaders: headers.length ? (header) => headers.some((matcher) => matcher.test(header)) : undefined,
    matchesRequest: requests.length ? (view) => requests.some((matcher) => matcher.test(view)) : undefined,
    hostSelectionMaxAttempts: Math.max(1, Number(policy.hostSelectionRetryMaxAttempts)),
    previousPrioritiesEvery:
      policy.retryPriority && compileAny(policy.retryPriority.configType.value, PRIORITIES, report.at('retry_priority').at('typed_config')),
    avoidPreviousHosts: hosts.avoidPreviousHosts ?? false,
    omitCanaryHosts: hosts.omitCanaryHosts ?? false,
    omitHostMetadata: hosts.omitHostMetadata,
    backoffBaseMs,
    backoffMaxMs,
    rateLimitedBackoff: policy.rateLimitedRetryBackOff && compileRateLimited(policy.rateLimitedRetryBackOff),
  };
}

function compileRateLimited(backoff: RetryPolicy_RateLimitedRetryBackOff): RetryRuntime['rateLimitedBackoff'] {
  return {
    headers: backoff.resetHeaders.map(({ name, format }) => ({
      name: name.toLowerCase(),
      format: format === ResetFormat.UNIX_TIMESTAMP ? 'unix_timestamp' : 'seconds',
    })),
    maxMs: durationMsOr(backoff.maxInterval, 300_000),
  };
}
