// What a client is told when an upstream gives no answer, in Envoy's words.

import type { LocalReply } from '../http/local-reply.ts';
import type { ResponseFlag } from '../http/request-record.ts';
import type { ResetReason } from '../http/stream.ts';

export const RESET_FLAGS: Readonly<Record<ResetReason, ResponseFlag>> = {
  'local reset': 'LR',
  'remote reset': 'UR',
  'remote refused stream reset': 'UR',
  overflow: 'UO',
  'local connection failure': 'UF',
  'remote connection failure': 'UF',
  'connection timeout': 'UF',
  'connection termination': 'UC',
  'protocol error': 'UPE',
};

/** Details and log fields hold no spaces. */
export const underscored = (text: string): string => text.replaceAll(' ', '_');

/** The answer for a request whose last attempt ended with `reason`. `transportFailure` is for the log; it is empty when the transport was not to blame. */
export function failureReply(reason: ResetReason, transportFailure: string, attempts: number, suppressEnvoyHeaders: boolean): LocalReply {
  const words = attempts > 1 ? 'retried and the latest reset reason' : 'reset reason';
  const code = underscored(transportFailure === '' ? reason : `${reason}|${transportFailure}`);
  return {
    status: reason === 'protocol error' ? 502 : 503,
    body: `upstream connect error or disconnect/reset before headers. ${words}: ${reason}`,
    details: `upstream_reset_before_response_started{${code}}`,
    flag: RESET_FLAGS[reason],
    headers: reason === 'overflow' && !suppressEnvoyHeaders ? [['x-envoy-overloaded', 'true']] : [],
  };
}

/** Neither side said anything for too long; the request was whole, or not. */
export const idleReply = (isWhole: boolean): LocalReply => ({
  status: isWhole ? 504 : 408,
  body: 'stream timeout',
  details: 'stream_idle_timeout',
  flag: 'SI',
});

/** The stream took longer than any may. */
export const durationReply = (isWhole: boolean): LocalReply => ({
  status: isWhole ? 504 : 408,
  body: 'downstream duration timeout',
  details: 'max_duration_timeout',
  grpcStatus: 4,
});

/** The attempt took longer than any may. */
export const upstreamDurationReply = (isWhole: boolean): LocalReply => ({
  status: isWhole ? 504 : 408,
  body: 'upstream max stream duration reached',
  details: 'upstream_max_stream_duration_reached',
  flag: 'UMSDR',
});

/** The upstream took too long; a caller may have asked for another status. */
export const timeoutReply = (status: number, details: string): LocalReply => ({
  status,
  body: status === 504 ? 'upstream request timeout' : '',
  details,
  flag: 'UT',
});

/** More of the body came than can wait for a connection. */
export const TOO_MUCH_TO_KEEP: LocalReply = {
  status: 507,
  body: 'exceeded request buffer limit while retrying upstream',
  details: 'request_payload_exceeded_retry_buffer_limit',
};
