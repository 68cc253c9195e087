import type { localRatelimitNetworkFilter } from '@lateen/xds/messages/proxy';
import type { TokenBucketRuntime } from '../model.ts';
import type { Report } from './report.ts';
import { durationMsOr } from './values.ts';

/** Envoy refuses to fill more often than this. */
const SHORTEST_FILL_MS = 50;

export function compileTokenBucket(bucket: localRatelimitNetworkFilter.LocalRateLimit['tokenBucket'], report: Report): TokenBucketRuntime {
  const fillIntervalMs = durationMsOr(bucket?.fillInterval, 0);
  if (fillIntervalMs < SHORTEST_FILL_MS) report.at('fill_interval').refuse(`must be at least ${SHORTEST_FILL_MS} ms`);
  return { maxTokens: bucket?.maxTokens ?? 0, tokensPerFill: bucket?.tokensPerFill ?? 1, fillIntervalMs };
}
