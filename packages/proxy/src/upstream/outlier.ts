// Passive health checking: hosts that fail in a row, far more often than the others, or more often than a fixed share, are left
// out for a while (Envoy's outlier detection).

import type { Timer } from '@lateen/base';
import type { OutlierRuntime } from '../runtime/model.ts';
import type { ClusterState } from './cluster-state.ts';
import type { OutlierStats } from './cluster-stats.ts';
import type { Host } from './host.ts';
import { writeOutlierEvent } from './outlier-log.ts';

/** `timeout`: no answer in time; `failure`: no connection, or it broke. Both are ours to report, not the host's. */
export type LocalOutcome = 'timeout' | 'failure' | 'connected';

export type Detection =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure'
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

const MIN_INTERVAL_MS = 10;

export class OutlierDetector {
  private readonly cluster: ClusterState;
  private readonly onChange: () => void;
  private sweep: Timer | undefined;
  /** Of the last interval, in percent; -1 = not computed. */
  average = -1;
  threshold = -1;
  localAverage = -1;
  localThreshold = -1;

  constructor(cluster: ClusterState, onChange: () => void) {
    this.cluster = cluster;
    this.onChange = onChange;
  }

  /** A host answered. */
  reportStatus(host: Host, status: number): void {
    const { detection: outlier } = this.cluster;
    if (!outlier) return;
    this.sweepRegularly();
    this.countExternal(host, status, outlier);
  }

  /** A request has its connection, whatever comes of it: the network is not to blame so far. */
  reportConnected(host: Host): void {
    const { detection: outlier } = this.cluster;
    if (!outlier?.splitExternalLocalOriginErrors) return;
    this.sweepRegularly();
    this.countLocal(host, true, outlier);
  }

  /** What happened before or instead of an answer. Unless origins are split it counts as the status that the client is told. */
  reportLocal(host: Host, outcome: LocalOutcome): void {
    const { detection: outlier } = this.cluster;
    if (!outlier) return;
    this.sweepRegularly();
    if (outlier.splitExternalLocalOriginErrors) this.countLocal(host, outcome === 'connected', outlier);
    else this.countExternal(host, outcome === 'connected' ? 200 : outcome === 'timeout' ? 504 : 503, outlier);
  }

  private countExternal(host: Host, status: number, outlier: OutlierRuntime): void {
    const { outlier: monitor } = host;
    const is5xx = status >= 500;
    monitor.external.count(!is5xx);
    monitor.consecutive5xx = is5xx ? monitor.consecutive5xx + 1 : 0;
    monitor.consecutiveGatewayFailures = isGatewayFailure(status) ? monitor.consecutiveGatewayFailures + 1 : 0;
    if (!is5xx) return;
    if (outlier.consecutiveGatewayFailure > 0 && monitor.consecutiveGatewayFailures >= outlier.consecutiveGatewayFailure) {
      monitor.consecutiveGatewayFailures = 0;
      this.eject(host, 'consecutive_gateway_failure', outlier.enforcingGatewayFailurePercent);
    }
    if (outlier.consecutive5xx > 0 && monitor.consecutive5xx >= outlier.consecutive5xx) {
      monitor.consecutive5xx = 0;
      this.eject(host, 'consecutive_5xx', outlier.enforcing5xxPercent);
    }
  }

  private countLocal(host: Host, isSuccess: boolean, outlier: OutlierRuntime): void {
    const { outlier: monitor } = host;
    monitor.local.count(isSuccess);
    monitor.consecutiveLocalFailures = isSuccess ? 0 : monitor.consecutiveLocalFailures + 1;
    if (outlier.consecutiveLocalOriginFailure === 0 || monitor.consecutiveLocalFailures < outlier.consecutiveLocalOriginFailure) return;
    monitor.consecutiveLocalFailures = 0;
    this.eject(host, 'consecutive_local_origin_failure', outlier.enforcingLocalOriginPercent);
  }

  /** An active health check found the host well. */
  reportCheckPassed(host: Host): void {
    if (host.ejectedUntilMs === 0 || !this.cluster.detection?.unejectOnActiveHealthCheck) return;
    this.admit(host);
    this.onChange();
  }

  /** The host left the cluster. */
  forget(host: Host): void {
    if (host.ejectedUntilMs === 0) return;
    host.ejectedUntilMs = 0;
    this.cluster.stats.outlier.ejections_active--;
  }

  /** The settings have changed. Who is out stays out for its time, unless nothing is detected any more. */
  configure(): void {
    this.close();
    const ejected = this.cluster.listHosts().filter((host) => host.ejectedUntilMs > 0);
    if (ejected.length === 0) return;
    if (this.cluster.detection) this.sweepRegularly();
    else for (const host of ejected) this.admit(host);
  }

  close(): void {
    this.sweep?.cancel();
    this.sweep = undefined;
  }

  private eject(host: Host, detection: Detection, enforcingPercent: number): void {
    const { cluster } = this;
    const { detection: outlier, detection: { maxEjectionPercent = 0 } = {} } = cluster;
    const { outlier: stats } = cluster.stats;
    if (!outlier || host.ejectedUntilMs > 0) return;
    stats[DETECTED[detection]]++;
    if (detection === 'consecutive_5xx') stats.ejections_consecutive_5xx++;
    if (detection === 'success_rate') stats.ejections_success_rate++;
    const active = stats.ejections_active;
    const allowed = ((active + 1) * 100) / cluster.hostCount <= maxEjectionPercent || (outlier.alwaysEjectOneHost && active === 0);
    if (!allowed) {
      stats.ejections_overflow++;
      return;
    }
    if (detection === 'consecutive_5xx' || detection === 'success_rate') stats.ejections_total++;
    if (cluster.context.random() * 100 >= enforcingPercent) {
      this.log(host, { detection, isEnforced: false });
      return;
    }
    stats[ENFORCED[detection]]++;
    stats.ejections_enforced_total++;
    stats.ejections_active++;
    if (host.outlier.backoff * outlier.baseEjectionMs < outlier.maxEjectionMs + outlier.baseEjectionMs) host.outlier.backoff++;
    const durationMs = Math.min(outlier.baseEjectionMs * host.outlier.backoff, outlier.maxEjectionMs);
    const jitterMs = outlier.maxEjectionJitterMs > 0 ? cluster.context.random() * outlier.maxEjectionJitterMs : 0;
    const now = cluster.context.clock.monotonicMs();
    host.ejectedUntilMs = now + durationMs + jitterMs;
    host.outlier.ejections++;
    host.outlier.lastDetection = detection;
    this.log(host, { detection, isEnforced: true });
    host.outlier.lastActionMs = now;
    cluster.onHealthFailure(host);
    this.onChange();
  }

  private admit(host: Host): void {
    host.ejectedUntilMs = 0;
    this.log(host);
    host.outlier.lastActionMs = this.cluster.context.clock.monotonicMs();
    host.outlier.consecutive5xx = 0;
    host.outlier.consecutiveGatewayFailures = 0;
    host.outlier.consecutiveLocalFailures = 0;
    this.cluster.stats.outlier.ejections_active--;
  }

  /** Sweeps while there is something to see, so that idle clusters cost nothing. */
  private sweepRegularly(): void {
    if (this.sweep) return;
    const intervalMs = Math.max(MIN_INTERVAL_MS, this.cluster.detection?.intervalMs ?? 10_000);
    this.sweep = this.cluster.context.clock.every(intervalMs, () => this.onInterval());
  }

  private onInterval(): void {
    const { cluster } = this;
    const { detection: outlier } = cluster;
    const now = cluster.context.clock.monotonicMs();
    const hosts = cluster.listHosts();
    let isBusy = false;
    let changed = false;
    for (const host of hosts) {
      const { outlier: monitor } = host;
      if (host.ejectedUntilMs === 0) monitor.backoff = Math.max(0, monitor.backoff - 1);
      else if (host.ejectedUntilMs <= now || !outlier) {
        this.admit(host);
        changed = true;
      }
      isBusy ||= host.ejectedUntilMs > 0 || monitor.backoff > 0 || monitor.external.total + monitor.local.total > 0;
    }
    if (changed) this.onChange();
    if (outlier) this.compare(hosts, outlier);
    if (!isBusy) this.close();
  }

  /** Success rate and failure percentage over the interval that ends now. */
  private compare(hosts: readonly Host[], outlier: OutlierRuntime): void {
    const { successRate: rate, failurePercentage: share } = outlier;
    const external = this.judge(hosts, 'external', {
      outlier,
      rate: { detection: 'success_rate', enforcingPercent: rate.enforcingPercent },
      share: { detection: 'failure_percentage', enforcingPercent: share.enforcingPercent },
    });
    this.average = external.average;
    this.threshold = external.threshold;
    const local = this.judge(hosts, 'local', {
      outlier,
      rate: { detection: 'local_origin_success_rate', enforcingPercent: rate.enforcingLocalOriginPercent },
      share: { detection: 'local_origin_failure_percentage', enforcingPercent: share.enforcingLocalOriginPercent },
    });
    this.localAverage = local.average;
    this.localThreshold = local.threshold;
  }

  /** Without an ejection: that the host is in again. */
  private log(host: Host, ejection?: { detection: Detection; isEnforced: boolean }): void {
    const { average, threshold, cluster } = this;
    writeOutlierEvent(cluster, host, ejection && { ...ejection, average, threshold });
  }

  private judge(hosts: readonly Host[], origin: 'external' | 'local', rules: Rules): { average: number; threshold: number } {
    const { successRate, failurePercentage } = rules.outlier;
    const rates = hosts.map((host) => {
      const { success, total } = host.outlier[origin].take();
      host.outlier[origin].last = total > 0 && total >= successRate.requestVolume ? (success * 100) / total : -1;
      return { host, total, percent: total === 0 ? 100 : (success * 100) / total };
    });
    let result = { average: -1, threshold: -1 };
    const busy = rates.filter(({ host, total }) => host.ejectedUntilMs === 0 && total > 0);
    const comparable = busy.filter(({ total }) => total >= successRate.requestVolume);
    if (comparable.length > 0 && comparable.length >= successRate.minimumHosts) {
      result = successThreshold(
        comparable.map(({ percent }) => percent),
        successRate.stdevFactor,
      );
      for (const { host, percent } of comparable) {
        if (percent < result.threshold) this.eject(host, rules.rate.detection, rules.rate.enforcingPercent);
      }
    }
    const measurable = busy.filter(({ total }) => total >= failurePercentage.requestVolume);
    if (measurable.length > 0 && measurable.length >= failurePercentage.minimumHosts) {
      for (const { host, percent } of measurable) {
        if (100 - percent >= failurePercentage.thresholdPercent) this.eject(host, rules.share.detection, rules.share.enforcingPercent);
      }
    }
    return result;
  }
}

type Rule = { readonly detection: Detection; readonly enforcingPercent: number };
type Rules = { readonly outlier: OutlierRuntime; readonly rate: Rule; readonly share: Rule };

/** The mean less so many standard deviations. */
function successThreshold(percents: readonly number[], stdevFactor: number): { average: number; threshold: number } {
  const average = percents.reduce((sum, one) => sum + one, 0) / percents.length;
  const variance = percents.reduce((sum, one) => sum + (one - average) ** 2, 0) / percents.length;
  return { average, threshold: average - stdevFactor * Math.sqrt(variance) };
}

const DETECTED: Readonly<Record<Detection, keyof OutlierStats>> = {
  consecutive_5xx: 'ejections_detected_consecutive_5xx',
  consecutive_gateway_failure: 'ejections_detected_consecutive_gateway_failure',
  consecutive_local_origin_failure: 'ejections_detected_consecutive_local_origin_failure',
  success_rate: 'ejections_detected_success_rate',
  local_origin_success_rate: 'ejections_detected_local_origin_success_rate',
  failure_percentage: 'ejections_detected_failure_percentage',
  local_origin_failure_percentage: 'ejections_detected_local_origin_failure_percentage',
};
const ENFORCED: Readonly<Record<Detection, keyof OutlierStats>> = {
  consecutive_5xx: 'ejections_enforced_consecutive_5xx',
  consecutive_gateway_failure: 'ejections_enforced_consecutive_gateway_failure',
  consecutive_local_origin_failure: 'ejections_enforced_consecutive_local_origin_failure',
  success_rate: 'ejections_enforced_success_rate',
  local_origin_success_rate: 'ejections_enforced_local_origin_success_rate',
  failure_percentage: 'ejections_enforced_failure_percentage',
  local_origin_failure_percentage: 'ejections_enforced_local_origin_failure_percentage',
};

export const isGatewayFailure = (status: number): boolean => status >= 502 && status <= 504;
