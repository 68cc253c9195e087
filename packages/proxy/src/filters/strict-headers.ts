// strict_check_headers of the router: what a caller asks for in headers must make sense, or nothing is done.

import type { Head } from '../http/head.ts';
import type { LocalReply } from '../http/local-reply.ts';
import { RETRY_CONDITIONS } from '../runtime/model.ts';

const CONDITIONS: ReadonlySet<string> = new Set(RETRY_CONDITIONS);
const isNumber = (value: string): boolean => /^\d{1,19}$/.test(value);
const isPolicy = (value: string): boolean => value.split(',').every((word) => CONDITIONS.has(word.trim()));

const CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  'x-envoy-upstream-rq-timeout-ms': isNumber,
  'x-envoy-upstream-rq-per-try-timeout-ms': isNumber,
  'x-envoy-max-retries': isNumber,
  'x-envoy-retry-on': isPolicy,
  'x-envoy-retry-grpc-on': isPolicy,
};

/** The answer to a request with a header among `names` that makes no sense. */
export function senselessHeader(head: Head, names: readonly string[]): LocalReply | undefined {
  for (const name of names) {
    const value = head.value(name);
    if (value === undefined || !Object.hasOwn(CHECKS, name) || CHECKS[name]?.(value)) continue;
    const body = `invalid header '${name}' with value '${value}'`;
    return { status: 400, body, details: `request_headers_failed_strict_check{${name}}`, flag: 'IH' };
  }
  return undefined;
}
