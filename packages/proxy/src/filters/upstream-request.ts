// What the router changes on a request before it goes to a cluster: timeouts told and taken from headers, header operations,
// host and path rewrites.

import { isAuthority } from '../http/authority.ts';
import type { Exchange } from '../http/exchange.ts';
import { type Head, wireText } from '../http/head.ts';
import { appendHeader, applyHeaderMutations } from '../http/header-mutations.ts';
import { knownId } from '../http/known-headers.ts';
import type { ForwardAction, ForwardDecision, HostRewrite, RetryRuntime } from '../runtime/model.ts';
import { grpcDeadlineMs, isGrpc, tellGrpcDeadline } from './grpc-timeout.ts';

/** 0 = none. */
export type RequestTimes = {
  readonly timeoutMs: number;
  readonly perTryTimeoutMs: number;
  /** Of one attempt, answer and all; undefined: as the cluster says. */
  readonly upstreamDurationMs: number | undefined;
  /** Status for an upstream that takes too long. */
  readonly timeoutStatus: number;
};

const SERVICE_TIME = knownId('x-envoy-upstream-service-time');

const CONTROL_HEADERS = [
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-max-retries',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-stream-duration-ms',
] as const;

/** The timeouts of a request: the route's, unless a trusted caller sent others. */
export function timeoutOf(
  { head }: Exchange,
  action: ForwardAction,
  { rules, respectsExpectedTimeout }: { rules: RetryRuntime | undefined; respectsExpectedTimeout: boolean },
): RequestTimes {
  const expectedMs = respectsExpectedTimeout ? told(head, 'x-envoy-expected-rq-timeout-ms') : undefined;
  const timeoutMs =
    expectedMs ?? told(head, 'x-envoy-upstream-rq-timeout-ms') ?? grpcDeadlineMs(head, action.grpcTimeout, 'request') ?? action.timeoutMs;
  let perTryTimeoutMs = told(head, 'x-envoy-upstream-rq-per-try-timeout-ms') ?? rules?.perTryTimeoutMs ?? 0;
  if (timeoutMs > 0 && perTryTimeoutMs >= timeoutMs) perTryTimeoutMs = 0;
  return {
    timeoutMs,
    perTryTimeoutMs,
    upstreamDurationMs: told(head, 'x-envoy-upstream-stream-duration-ms'),
    timeoutStatus: head.hasEnvoyHeaders && head.has('x-envoy-upstream-rq-timeout-alt-response') ? 204 : 504,
  };
}

/** How long the whole stream may last, milliseconds, 0 = for ever; a gRPC upstream is told. */
export function streamDurationMs({ head, context: { hcm } }: Exchange, action: ForwardAction): number {
  const deadlineMs = grpcDeadlineMs(head, action.grpcTimeout, 'stream');
  const durationMs = deadlineMs ?? action.maxStreamDurationMs ?? hcm.maxStreamDurationMs;
  // As Envoy: no duration takes the header away only where it ends one, the connection manager's.
  const isTold = durationMs > 0 || hcm.maxStreamDurationMs > 0;
  if (action.hasStreamDuration && isTold && isGrpc(head)) tellGrpcDeadline(head, durationMs);
  else if (deadlineMs) tellGrpcDeadline(head, deadlineMs);
  return durationMs;
}

const told = (head: Head, name: string): number | undefined => (head.hasEnvoyHeaders ? millis(head.value(name)) : undefined);
const millis = (text: string | undefined): number | undefined => (text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined);

/** Edits the request's head in place, and the exchange's path and authority with it. */
export function prepareUpstreamRequest(exchange: Exchange, decision: ForwardDecision, times: RequestTimes, suppress: boolean): void {
  const { head } = exchange;
  const { action } = decision;
  if (head.hasEnvoyHeaders) for (const name of CONTROL_HEADERS) head.remove(name);
  const expectedMs = times.perTryTimeoutMs || times.timeoutMs;
  if (action.grpcTimeout?.scope === 'request' && expectedMs > 0 && isGrpc(head)) tellGrpcDeadline(head, expectedMs);
  if (expectedMs > 0 && !suppress) head.set('x-envoy-expected-rq-timeout-ms', String(expectedMs));
  if (decision.requestHeaders.length > 0) {
    applyHeaderMutations(head, decision.requestHeaders, exchange);
    const host = head.value('host');
    if (host !== undefined && host !== exchange.authority && isAuthority(host)) exchange.authority = host;
  }
  rewriteAuthority(exchange, decision, suppress);
  const path = action.rewrite?.apply(exchange.path);
  // As Envoy: what would leave no path leaves it as it was.
  if (path !== undefined && path !== '' && !path.startsWith('?')) {
    if (!suppress) head.set('x-envoy-original-path', wireText(exchange.path));
    exchange.path = targetText(path);
  }
}

// What configuration puts into a path may need escaping; the request line must not break on it.
const NOT_IN_TARGET = /[^\x21-\x7e]/gu;

const targetText = (path: string): string => path.replaceAll(NOT_IN_TARGET, (character) => encodeURIComponent(character));

function hostOf({ head, path }: Exchange, rewrite: HostRewrite): string | undefined {
  switch (rewrite.kind) {
    case 'literal':
      return rewrite.value;
    case 'header':
      return head.value(rewrite.name);
    case 'path_regex':
      return rewrite.apply(path.split('?', 1)[0] as string);
    // Known when the host is.
    case 'auto':
      return undefined;
  }
}

function rewriteAuthority(exchange: Exchange, decision: ForwardDecision, suppress: boolean): void {
  const { action } = decision;
  // The entry of a weighted cluster speaks first, and the route then rewrites what it said.
  if (decision.hostRewrite && isAuthority(decision.hostRewrite)) {
    exchange.authority = decision.hostRewrite;
    exchange.head.set('host', decision.hostRewrite);
  }
  const host = action.hostRewrite && hostOf(exchange, action.hostRewrite);
  if (host === undefined || host === '' || host === exchange.authority || !isAuthority(host)) return;
  updateAuthority(exchange, host, { append: action.appendXForwardedHost, suppress });
}

/** The request now is for `authority`; upstreams may learn what it was for. */
export function updateAuthority(exchange: Exchange, authority: string, { append, suppress }: { append: boolean; suppress: boolean }): void {
  const { head } = exchange;
  if (!suppress) head.set('x-envoy-original-host', exchange.authority);
  if (append) appendHeader(head, 'x-forwarded-host', exchange.authority);
  exchange.authority = authority;
  head.set('host', authority);
}

/** `tookMs`: of the upstream, or undefined when that cannot be told. */
export function tellServiceTime(head: Head, tookMs: number | undefined): void {
  if (tookMs === undefined) head.removeKnown(SERVICE_TIME, 'x-envoy-upstream-service-time');
  else head.setKnown(SERVICE_TIME, 'x-envoy-upstream-service-time', String(Math.max(0, Math.round(tookMs))));
}
