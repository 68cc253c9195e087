// A limit on requests that this proxy keeps by itself: token buckets, one for all requests and one for each descriptor.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import { applyHeaderMutations } from '../http/header-mutations.ts';
import type { ConnectionInfo } from '../http/request-view.ts';
import { TokenBucketState } from '../listener/token-bucket.ts';
import {
  type HttpFilterRuntime,
  type LocalRateLimitRuntime,
  type RateLimitEntry,
  type RateLimitRuntime,
  selects,
} from '../runtime/model.ts';
import type { HttpFilter } from './filter.ts';
import { overrideOf } from './override.ts';

type Config = Extract<HttpFilterRuntime, { kind: 'local_ratelimit' }>;

/** The buckets of one configuration. */
type Buckets = {
  readonly general: TokenBucketState | undefined;
  readonly byDescriptor: ReadonlyMap<string, TokenBucketState>;
  readonly wildcards: readonly Wildcard[];
};
/** A descriptor that leaves values open: each combination of values has a bucket of its own, the latest ones are kept. */
type Wildcard = LocalRateLimitRuntime['descriptors'][number] & { readonly buckets: Map<string, TokenBucketState> };
type Verdict = { readonly bucket: TokenBucketState; readonly maxTokens: number };

// Buckets live as long as the configuration that they belong to: unchanged parts of a new one are the same objects.
const shared = new WeakMap<LocalRateLimitRuntime, Buckets>();
const ofConnections = new WeakMap<ConnectionInfo, WeakMap<LocalRateLimitRuntime, Buckets>>();

export function createLocalRateLimitFilter(config: Config): HttpFilter {
  const { name } = config;
  return {
    name,
    onRequest(exchange) {
      const override = overrideOf(exchange, name);
      const limit = override?.kind === 'local_ratelimit' ? override.limit : config.limit;
      const { proxy, observer } = exchange.context;
      if (!selects(limit.enabled, exchange, proxy.random)) return 'continue';
      const count = (what: string) => observer.count?.(`${limit.statPrefix}.http_local_rate_limit.${what}`);
      count('enabled');
      const nowMs = proxy.clock.monotonicMs();
      const { allowed, strictest } = check(exchange, limit, nowMs);
      if (strictest && limit.sendsLimitHeaders) exchange.setState(name, strictest);
      if (allowed) {
        count('ok');
        return 'continue';
      }
      count('rate_limited');
      if (!selects(limit.enforced, exchange, proxy.random)) {
        applyHeaderMutations(exchange.head, limit.requestHeadersWhenNotEnforced, exchange);
        return 'continue';
      }
      count('enforced');
      exchange.respond({
        status: limit.status,
        body: 'local_rate_limited',
        details: 'local_rate_limited',
        flag: 'RL',
        mutations: limit.responseHeaders,
        ...(limit.resourceExhausted && { grpcStatus: 8 }),
      });
      return 'stop';
    },
    onResponse(exchange, head) {
      const verdict = exchange.getState<Verdict>(name);
      if (verdict) addLimitHeaders(head, verdict, exchange.context.proxy.clock.monotonicMs());
    },
  };
}

function addLimitHeaders(head: Head, { bucket, maxTokens }: Verdict, nowMs: number): void {
  head.set('x-ratelimit-limit', String(maxTokens));
  head.set('x-ratelimit-remaining', String(bucket.remaining(nowMs)));
  head.set('x-ratelimit-reset', String(Math.ceil(bucket.nextTokenMs(nowMs) / 1000)));
}

function check(exchange: Exchange, limit: LocalRateLimitRuntime, nowMs: number): { allowed: boolean; strictest: Verdict | undefined } {
  const buckets = bucketsOf(exchange, limit, nowMs);
  const verdicts: Verdict[] = [];
  for (const descriptor of limit.descriptors.length > 0 ? descriptorsOf(exchange, limit) : []) {
    const bucket = buckets.byDescriptor.get(keyOf(descriptor)) ?? wildcardBucket(buckets, { descriptor, limit, nowMs });
    if (bucket) verdicts.push({ bucket, maxTokens: bucket.maxTokens });
  }
  if (buckets.general && (verdicts.length === 0 || limit.alwaysConsumeDefault)) {
    verdicts.push({ bucket: buckets.general, maxTokens: buckets.general.maxTokens });
  }
  let allowed = true;
  let strictest: Verdict | undefined;
  for (const verdict of verdicts) {
    if (!verdict.bucket.take(nowMs)) {
      allowed = false;
      strictest = verdict;
      break;
    }
    if (!strictest || verdict.bucket.remaining(nowMs) < strictest.bucket.remaining(nowMs)) strictest = verdict;
  }
  return { allowed, strictest };
}

type Search = { descriptor: readonly RateLimitEntry[]; limit: LocalRateLimitRuntime; nowMs: number };

function wildcardBucket({ wildcards }: Buckets, { descriptor, limit, nowMs }: Search): TokenBucketState | undefined {
  const found = wildcards.find(({ entries }) => isCase(descriptor, entries));
  if (!found) return undefined;
  const key = keyOf(descriptor);
  const bucket = found.buckets.get(key) ?? new TokenBucketState(found.bucket, nowMs);
  found.buckets.delete(key);
  found.buckets.set(key, bucket);
  for (const oldest of found.buckets.keys()) {
    if (found.buckets.size <= limit.maxDynamicDescriptors) break;
    found.buckets.delete(oldest);
  }
  return bucket;
}

const isCase = (descriptor: readonly RateLimitEntry[], entries: readonly RateLimitEntry[]): boolean =>
  descriptor.length === entries.length &&
  entries.every(({ key, value }, i) => key === descriptor[i]?.key && (value === '' || value === descriptor[i]?.value));

function descriptorsOf(exchange: Exchange, limit: LocalRateLimitRuntime): (readonly RateLimitEntry[])[] {
  return limitsOf(exchange, limit)
    .filter(({ stage }) => stage === limit.stage)
    .flatMap((each) => {
      const descriptor = each.descriptor(exchange, exchange.context.proxy.node.cluster);
      return descriptor ? [descriptor] : [];
    });
}

function limitsOf(exchange: Exchange, limit: LocalRateLimitRuntime): readonly RateLimitRuntime[] {
  if (limit.rateLimits.length > 0) return limit.rateLimits;
  const decision = exchange.route();
  const own = decision.kind === 'forward' ? decision.action.rateLimits : [];
  const ofHost = decision.virtualHost?.rateLimits ?? [];
  const includes = decision.kind === 'forward' && decision.action.includeVirtualHostRateLimits;
  if (limit.virtualHostLimits === 'ignore') return own;
  if (limit.virtualHostLimits === 'include' || includes) return [...own, ...ofHost];
  return own.length > 0 ? own : ofHost;
}

const keyOf = (entries: readonly RateLimitEntry[]): string => entries.map(({ key, value }) => `${key}\0${value}`).join('\0\0');

function bucketsOf(exchange: Exchange, limit: LocalRateLimitRuntime, nowMs: number): Buckets {
  let home: WeakMap<LocalRateLimitRuntime, Buckets> = shared;
  if (limit.perConnection) {
    const known = ofConnections.get(exchange.connection);
    home = known ?? new WeakMap();
    if (!known) ofConnections.set(exchange.connection, home);
  }
  let buckets = home.get(limit);
  if (!buckets) {
    buckets = {
      general: limit.bucket && new TokenBucketState(limit.bucket, nowMs),
      byDescriptor: new Map(limit.descriptors.map(({ entries, bucket }) => [keyOf(entries), new TokenBucketState(bucket, nowMs)])),
      wildcards: limit.descriptors.flatMap((each) =>
        each.entries.some(({ value }) => value === '') ? { ...each, buckets: new Map() } : [],
      ),
    };
    home.set(limit, buckets);
  }
  return buckets;
}
