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
