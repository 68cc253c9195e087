// Headers that the proxy itself looks at get a small number while the head is parsed, so that asking for one is an array
// access. Everything else is found by comparing names.

import { equalsAscii } from './bytes.ts';

const NAMES = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'upgrade',
  'expect',
  'keep-alive',
  'proxy-connection',
  'date',
  'server',
  'content-type',
  'via',
  'origin',
  'referer',
  'grpc-status',
  'grpc-timeout',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-client-cert',
  'x-envoy-attempt-count',
  'x-envoy-original-host',
  'x-envoy-original-path',
  'x-envoy-original-url',
  'x-envoy-external-address',
  'x-envoy-internal',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
  'x-envoy-max-retries',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-upstream-canary',
  'x-envoy-upstream-service-time',
  'x-envoy-force-trace',
  'x-envoy-decorator-operation',
  'x-envoy-ip-tags',
  'x-envoy-overloaded',
  'x-envoy-ratelimited',
  'x-envoy-immediate-health-check-fail',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
] as const;

export type KnownHeader = (typeof NAMES)[number];

/** Known names from this number on begin with "x-envoy-". */
export const FIRST_ENVOY_ID: number = NAMES.indexOf('x-envoy-attempt-count');

/** How many known names there are. */
export const KNOWN_COUNT: number = NAMES.length;
const IDS = new Map<string, number>(NAMES.map((name, id) => [name, id]));

/** The number of a known name; throws for others, so call it when a module loads. */
export function knownId(name: KnownHeader): number {
  return IDS.get(name) as number;
}

/** The number of any lower-case name, or -1. */
export const idOfName = (name: string): number => IDS.get(name) ?? -1;

// Buckets by length and last byte: at most a few candidates each.
const BUCKETS: Int8Array[] = Array.from({ length: 1024 }, () => new Int8Array(0));
const bucketOf = (length: number, first: number, last: number): number => (length * 31 + first * 7 + last * 3) & 1023;
for (const [id, name] of NAMES.entries()) {
  const bucket = bucketOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
  BUCKETS[bucket] = Int8Array.of(...(BUCKETS[bucket] as Int8Array), id);
}

/** The number of the lower-case name in `bytes[start, end)`, or -1. */
export function idOfBytes(bytes: Uint8Array, start: number, end: number): number {
  const bucket = BUCKETS[bucketOf(end - start, bytes[start] as number, bytes[end - 1] as number)] as Int8Array;
  for (let i = 0; i < bucket.length; i++) {
    const id = bucket[i] as number;
    if (equalsAscii(bytes, start, end, NAMES[id] as string)) return id;
  }
  return -1;
}
