// A gRPC client's own deadline, as far as the route lets it count.

import type { Head } from '../http/head.ts';
import type { GrpcTimeoutRuntime } from '../runtime/model.ts';

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds for the scope, 0 = none; undefined: the route's other settings decide. */
export function grpcDeadlineMs(head: Head, rules: GrpcTimeoutRuntime | undefined, scope: 'stream' | 'request'): number | undefined {
  if (rules?.scope !== scope) return undefined;
  const told = /^(\d{1,8})([HMSmun])$/.exec(head.value('grpc-timeout') ?? '');
  const askedMs = told ? Math.ceil(Number(told[1]) * (UNIT_MS[told[2] as string] as number)) : undefined;
  const { maxMs, offsetMs } = rules;
  const capped = (ms: number) => (maxMs > 0 && ms > maxMs ? maxMs : ms);
  if (scope === 'stream') {
    if (askedMs === undefined) return undefined;
    const ms = capped(askedMs);
    return offsetMs < ms ? ms - offsetMs : 1;
  }
  if (!isGrpc(head)) return undefined;
  // Without a deadline of its own a request has the longest that the route allows.
  if (askedMs === undefined || askedMs === 0) return maxMs;
  return capped(offsetMs < askedMs ? askedMs - offsetMs : askedMs);
}

export const isGrpc = (head: Head): boolean => head.value('content-type')?.startsWith('application/grpc') ?? false;

/** The upstream learns the deadline that counts; 0 = there is none. */
export function tellGrpcDeadline(head: Head, deadlineMs: number): void {
  if (deadlineMs === 0) head.remove('grpc-timeout');
  else if (deadlineMs < 1e8) head.set('grpc-timeout', `${Math.ceil(deadlineMs)}m`);
}
