// The log of ejections: Envoy's OutlierDetectionEvent, one line of JSON each.

import type { ClusterState } from './cluster-state.ts';
import type { Host } from './host.ts';
import type { Detection } from './outlier.ts';

type Ejection = {
  readonly detection: Detection;
  readonly isEnforced: boolean;
  /** Of the interval that ended last, in percent. */
  readonly average: number;
  readonly threshold: number;
};

const TYPES: Readonly<Record<Detection, string>> = {
  consecutive_5xx: 'CONSECUTIVE_5XX',
  consecutive_gateway_failure: 'CONSECUTIVE_GATEWAY_FAILURE',
  consecutive_local_origin_failure: 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE',
  success_rate: 'SUCCESS_RATE',
  local_origin_success_rate: 'SUCCESS_RATE_LOCAL_ORIGIN',
  failure_percentage: 'FAILURE_PERCENTAGE',
  local_origin_failure_percentage: 'FAILURE_PERCENTAGE_LOCAL_ORIGIN',
};

/** Without an ejection: that the host is in again. Nothing is written where the bootstrap names no file. */
export function writeOutlierEvent({ name, context }: ClusterState, host: Host, ejection: Ejection | undefined): void {
  const { outlierLogPath, openLog, clock } = context;
  const file = outlierLogPath ? openLog?.(outlierLogPath) : undefined;
  if (!file) return;
  const { outlier } = host;
  const { lastActionMs, ejections, lastDetection } = outlier;
  const event = {
    type: TYPES[ejection?.detection ?? lastDetection ?? 'consecutive_5xx'],
    timestamp: new Date(clock.now()).toISOString(),
    ...(lastActionMs !== undefined && { secs_since_last_action: String(Math.floor((clock.monotonicMs() - lastActionMs) / 1000)) }),
    cluster_name: name,
    upstream_url: host.address,
    action: ejection ? 'EJECT' : 'UNEJECT',
    num_ejections: ejections,
    enforced: ejection?.isEnforced ?? false,
    ...(ejection && reasonOf(ejection, host)),
  };
  file.write(`${JSON.stringify(event)}\n`);
}

function reasonOf({ detection, average, threshold }: Ejection, { outlier }: Host): object {
  const rate = Math.trunc(Math.max(0, (detection.startsWith('local') ? outlier.local : outlier.external).last));
  if (detection === 'success_rate' || detection === 'local_origin_success_rate') {
    return {
      eject_success_rate_event: {
        host_success_rate: rate,
        cluster_average_success_rate: Math.trunc(average),
        cluster_success_rate_ejection_threshold: Math.trunc(threshold),
      },
    };
  }
  if (detection.endsWith('failure_percentage')) return { eject_failure_percentage_event: { host_success_rate: rate } };
  return { eject_consecutive_event: {} };
}
