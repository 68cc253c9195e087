// What a cluster's statistics say of a request that was answered or reset.

import type { Exchange } from '../http/exchange.ts';
import type { ClientStream, ResetReason } from '../http/stream.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';

/** Answers of the connection manager's own making say nothing about the cluster. */
const NOT_CHARGED: ReadonlySet<string> = new Set([
  'max_duration_timeout',
  'stream_idle_timeout',
  'upstream_max_stream_duration_reached',
  'request_payload_exceeded_retry_buffer_limit',
]);

export const isCharged = (details: string): boolean => !NOT_CHARGED.has(details);

/** Counts an answer under the name that its caller asked for (x-envoy-upstream-alt-stat-name), too. */
export function chargeAlternative({ context, isInternal }: Exchange, prefix: string, status: number): void {
  for (const part of ['', isInternal ? 'internal.' : 'external.']) {
    for (const what of ['completed', `${Math.floor(status / 100)}xx`, status])
      context.observer.count?.(`${prefix}${part}upstream_rq_${what}`);
  }
}

/** Streams of HTTP/1.1 are not reset, their connections end. */
export function countReset({ stats }: ClusterState, client: ClientStream | undefined, reason: ResetReason): void {
  if (client?.protocol !== 'HTTP/2') return;
  if (reason === 'local reset' || reason === 'protocol error') stats.upstream_rq_tx_reset++;
  else if (reason === 'remote reset') stats.upstream_rq_rx_reset++;
  else if (reason === 'connection termination') stats.upstream_rq_pending_failure_eject++;
}
