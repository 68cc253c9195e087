// Passive health checking: hosts that fail several times in a row are left out for a while (Envoy's consecutive_5xx and
// consecutive_gateway_failure).

import type { Timer } from '@lateen/base';
import type { ClusterState } from './cluster-state.ts';
import type { Host } from './host.ts';

export const isGatewayFailure = (status: number): boolean => status >= 502 && status <= 504;

export class OutlierDetector {
  private readonly cluster: ClusterState;
  private readonly onChange: () => void;
  private sweep: Timer | undefined;

  constructor(cluster: ClusterState, onChange: () => void) {
    this.cluster = cluster;
    this.onChange = onChange;
  }

  report(host: Host, is5xx: boolean, isGateway: boolean): void {
    const { outlier } = this.cluster.runtime;
    if (!outlier) return;
    host.consecutive5xx = is5xx ? host.consecutive5xx + 1 : 0;
    host.consecutiveGatewayFailures = isGateway ? host.consecutiveGatewayFailures + 1 : 0;
    if (outlier.consecutiveGatewayFailure > 0 && host.consecutiveGatewayFailures >= outlier.consecutiveGatewayFailure) {
      host.consecutiveGatewayFailures = 0;
      this.eject(host, outlier.enforcingGatewayFailurePercent);
    }
    if (outlier.consecutive5xx > 0 && host.consecutive5xx >= outlier.consecutive5xx) {
      host.consecutive5xx = 0;
      this.eject(host, outlier.enforcing5xxPercent);
    }
  }

  close(): void {
    this.sweep?.cancel();
    this.sweep = undefined;
  }

  private eject(host: Host, enforcingPercent: number): void {
    const { cluster } = this;
    const { outlier } = cluster.runtime;
    if (!outlier || host.ejectedUntilMs > 0) return;
    const hosts = cluster.listHosts();
    const ejected = hosts.filter((one) => one.ejectedUntilMs > 0).length;
    // One host may always be ejected, however few there are.
    if (ejected > 0 && ((ejected + 1) * 100) / hosts.length > outlier.maxEjectionPercent) return;
    if (ejected === 0 && outlier.maxEjectionPercent === 0) return;
    if (cluster.context.random() * 100 >= enforcingPercent) return;
    host.ejections++;
    const durationMs = Math.min(outlier.baseEjectionMs * host.ejections, Math.max(outlier.maxEjectionMs, outlier.baseEjectionMs));
    const jitterMs = cluster.context.random() * outlier.maxEjectionJitterMs;
    host.ejectedUntilMs = cluster.context.clock.monotonicMs() + durationMs + jitterMs;
    cluster.stats.outlier_detection_ejections_active++;
    cluster.stats.outlier_detection_ejections_enforced_total++;
    cluster.stats.outlier_detection_ejections_consecutive_5xx++;
    this.onChange();
    this.startSweep();
  }

  private startSweep(): void {
    const { cluster } = this;
    this.sweep ??= cluster.context.clock.every(Math.max(100, cluster.runtime.outlier?.intervalMs ?? 10_000), () => this.admitAgain());
  }

  private admitAgain(): void {
    const { cluster } = this;
    const now = cluster.context.clock.monotonicMs();
    let left = 0;
    let changed = false;
    for (const host of cluster.listHosts()) {
      if (host.ejectedUntilMs === 0) host.ejections = Math.max(0, host.ejections - 1);
      else if (host.ejectedUntilMs <= now) {
        host.ejectedUntilMs = 0;
        cluster.stats.outlier_detection_ejections_active--;
        changed = true;
      } else left++;
    }
    if (changed) this.onChange();
    const forgiven = cluster.listHosts().every((host) => host.ejections === 0);
    if (left === 0 && forgiven) this.close();
  }
}
