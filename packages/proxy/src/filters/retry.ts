// Whether an attempt that went wrong is tried again.

import type { Exchange } from '../http/exchange.ts';
import type { Head } from '../http/head.ts';
import type { ResetReason } from '../http/stream.ts';
import { type ForwardAction, RETRY_CONDITIONS, type RetryCondition, type RetryRuntime } from '../runtime/model.ts';

const GRPC_CONDITIONS: Readonly<Record<string, RetryCondition>> = {
  1: 'cancelled',
  4: 'deadline-exceeded',
  8: 'resource-exhausted',
  13: 'internal',
  14: 'unavailable',
};
const CONNECT_FAILURES: ReadonlySet<ResetReason> = new Set(['local connection failure', 'remote connection failure', 'connection timeout']);

/** The retry rules for a request: the route's, widened by what a trusted caller asked for in headers. */
export function retryRulesOf(exchange: Exchange, action: ForwardAction): RetryRuntime | undefined {
  const rules = action.retry?.matchesRequest && !action.retry.matchesRequest(exchange) ? undefined : action.retry;
  const { head } = exchange;
  if (!head.hasEnvoyHeaders) return rules;
  const asked = [...wordsOf(head, 'x-envoy-retry-on'), ...wordsOf(head, 'x-envoy-retry-grpc-on')];
  const max = head.value('x-envoy-max-retries');
  const statusCodes = wordsOf(head, 'x-envoy-retriable-status-codes').filter((word) => /^\d{1,4}$/.test(word));
  const names = wordsOf(head, 'x-envoy-retriable-header-names').map((name) => name.toLowerCase());
  if (asked.length === 0 && statusCodes.length === 0 && names.length === 0 && max === undefined) return rules;
  const on = new Set(rules?.on);
  for (const word of asked) {
    const condition = RETRY_CONDITIONS.find((one) => one === word);
    if (condition) on.add(condition);
  }
  if (on.size === 0) return rules;
  const numRetries = max !== undefined && /^\d{1,4}$/.test(max) ? Number(max) : (rules?.numRetries ?? 1);
  const base = rules ?? BARE_RULES;
  return {
    ...base,
    on,
    numRetries,
    statusCodes: new Set([...base.statusCodes, ...statusCodes.map(Number)]),
    matchesRetriableHeaders:
      names.length === 0
        ? base.matchesRetriableHeaders
        : (header) => names.some((name) => header(name) !== undefined) || (base.matchesRetriableHeaders?.(header) ?? false),
  };
}

const wordsOf = (head: Head, name: string): string[] => (head.value(name) ?? '').split(',').flatMap((word) => word.trim() || []);

const BARE_RULES: RetryRuntime = {
  on: new Set(),
  numRetries: 1,
  perTryTimeoutMs: undefined,
  perTryIdleTimeoutMs: undefined,
  statusCodes: new Set(),
  matchesRetriableHeaders: undefined,
  matchesRequest: undefined,
  hostSelectionMaxAttempts: 1,
  previousPrioritiesEvery: undefined,
  avoidPreviousHosts: false,
  omitCanaryHosts: false,
  omitHostMetadata: undefined,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  rateLimitedBackoff: undefined,
};

/** Whether the response makes the rules try again. */
export function retriesResponse(rules: RetryRuntime, head: Head): boolean {
  const { on } = rules;
  const { status } = head;
  // As Envoy: who says so is left alone unless the rules name just that.
  if (head.hasEnvoyHeaders && head.has('x-envoy-ratelimited')) return on.has('envoy-ratelimited');
  if (status >= 500 && on.has('5xx')) return true;
  if (status >= 502 && status <= 504 && on.has('gateway-error')) return true;
  if (status === 409 && on.has('retriable-4xx')) return true;
  if (on.has('retriable-status-codes') && rules.statusCodes.has(status)) return true;
  if (on.has('retriable-headers') && rules.matchesRetriableHeaders?.((name) => (name === ':status' ? String(status) : head.value(name))))
    return true;
  const condition = GRPC_CONDITIONS[head.value('grpc-status') ?? ''];
  return condition !== undefined && on.has(condition);
}

/** Whether a broken attempt makes the rules try again. */
export function retriesReset(rules: RetryRuntime, reason: ResetReason, requestSent: boolean): boolean {
  const { on } = rules;
  if (reason === 'overflow') return false;
  if (on.has('5xx') || on.has('gateway-error') || on.has('reset')) return true;
  if (on.has('reset-before-request') && !requestSent) return true;
  if (on.has('connect-failure') && CONNECT_FAILURES.has(reason)) return true;
  return on.has('refused-stream') && reason === 'remote refused stream reset';
}

/** Whether an attempt that took too long makes the rules try again: as one that was reset, whatever status codes are named. */
export function retriesTimeout({ on }: RetryRuntime): boolean {
  return on.has('5xx') || on.has('gateway-error') || on.has('reset');
}

/** Milliseconds before retry number `attempt` (1 = first): a random share of an exponentially growing interval. */
export function retryDelayMs(rules: RetryRuntime, attempt: number, random: () => number): number {
  const ceiling = Math.min(rules.backoffMaxMs, rules.backoffBaseMs * 2 ** (attempt - 1));
  return Math.floor(random() * ceiling);
}

/** How long the upstream asks to wait, if the rules look at such headers and one says something sensible. */
export function toldDelayMs({ rateLimitedBackoff }: RetryRuntime, head: Head, nowMs: number): number | undefined {
  for (const { name, format } of rateLimitedBackoff?.headers ?? []) {
    const text = head.value(name);
    if (text === undefined || !/^\d{1,12}$/.test(text)) continue;
    const delayMs = Number(text) * 1000 - (format === 'seconds' ? 0 : nowMs);
    if (delayMs > 0 && delayMs <= (rateLimitedBackoff?.maxMs ?? 0)) return delayMs;
  }
  return undefined;
}

// RFC 9110 9.2.2.
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

/** Whether the request may be sent again when nobody knows if the first was carried out. */
export const isIdempotent = (method: string): boolean => IDEMPOTENT.has(method);
