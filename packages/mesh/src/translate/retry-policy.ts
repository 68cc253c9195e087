// Retries, with Istio's defaults.

import { create } from '@bufbuild/protobuf';
import {
  previousHostsRetryPredicate,
  previousPrioritiesRetryPriority,
  type RetryPolicy,
  RetryPolicySchema,
} from '@lateen/xds/messages/config';
import type { HttpRetry } from '../model/index.ts';
import { durationOf, extension, goDuration } from './pack.ts';

/** Conditions under which a repeated request cannot have been served before. */
const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled';
const HOST_RESELECTIONS = 5n;
const ATTEMPTS_PER_PRIORITY = 2;

/** The policy of a rule, or the default when `retry` is undefined; undefined when the rule turns retries off. */
export function retryPolicy(retry: HttpRetry | undefined, options: { usesConsistentHash: boolean }): RetryPolicy | undefined {
  const attempts = retry?.attempts ?? 2;
  if (attempts <= 0) return undefined;
  const { conditions, statusCodes } = parseRetryOn(retry?.retryOn || DEFAULT_RETRY_ON);
  const avoidsPreviousHosts = (retry?.retryIgnorePreviousHosts ?? true) && !options.usesConsistentHash;
  const baseInterval = goDuration(retry?.backoff);
  const perTryTimeout = goDuration(retry?.perTryTimeout);
  return create(RetryPolicySchema, {
    retryOn: conditions.join(','),
    numRetries: attempts,
    retriableStatusCodes: statusCodes,
    ...(perTryTimeout && { perTryTimeout }),
    ...(baseInterval && { retryBackOff: { baseInterval } }),
    ...(retry?.retryRemoteLocalities && {
      retryPriority: extension(
        'envoy.retry_priorities.previous_priorities',
        previousPrioritiesRetryPriority.PreviousPrioritiesConfigSchema,
        {
          updateFrequency: ATTEMPTS_PER_PRIORITY,
        },
      ),
    }),
    ...(avoidsPreviousHosts && {
      retryHostPredicate: [
        extension('envoy.retry_host_predicates.previous_hosts', previousHostsRetryPredicate.PreviousHostsPredicateSchema),
      ],
      hostSelectionRetryMaxAttempts: HOST_RESELECTIONS,
    }),
  });
}

/** What an inbound route repeats: a request that met a connection the application was just closing. */
export function inboundRetryPolicy(): RetryPolicy {
  return create(RetryPolicySchema, {
    retryOn: 'reset-before-request',
    numRetries: 2,
    retryBackOff: { baseInterval: durationOf(10), maxInterval: durationOf(100) },
  });
}

// Istio accepts bare status codes among Envoy's condition names.
function parseRetryOn(text: string): { conditions: string[]; statusCodes: number[] } {
  const parts = text.split(',').map((part) => part.trim());
  const statusCodes = parts.filter((part) => /^\d{3}$/.test(part)).map(Number);
  const conditions = parts.filter((part) => part !== '' && !/^\d{3}$/.test(part));
  if (statusCodes.length > 0 && !conditions.includes('retriable-status-codes')) conditions.push('retriable-status-codes');
  return { conditions, statusCodes };
}
