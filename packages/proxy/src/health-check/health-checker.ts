// Active health checking of a cluster's hosts: when each is asked, and when its answers change what it counts as (Envoy's
// thresholds and intervals).

import type { Timer } from '@lateen/base';
import type { HealthCheckRuntime } from '../runtime/model.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import { addressText, Host } from '../upstream/host.ts';
import { createHealthEventLog, type HealthEventLog } from './event-log.ts';
import { GrpcProbe } from './grpc-probe.ts';
import { HttpProbe } from './http-probe.ts';
import type { Probe, ProbeResult, ProbeTarget } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

export type HealthCheckEvents = {
  /** The host's health is another than before, or it has been asked for the first time. */
  readonly onChange: (host: Host) => void;
};

export class HealthChecker {
  private readonly cluster: ClusterState;
  private readonly check: HealthCheckRuntime;
  private readonly events: HealthCheckEvents;
  private readonly sessions = new Map<Host, Session>();

  constructor(cluster: ClusterState, check: HealthCheckRuntime, events: HealthCheckEvents) {
    this.cluster = cluster;
    this.check = check;
    this.events = events;
  }

  /** Begins to ask a new host. Until the first answer it counts as failed. */
  watch(host: Host): void {
    if (host.endpoint.healthCheck?.disabled) return;
    host.failedActiveCheck = true;
    host.ignoredUntilChecked = this.cluster.runtime.ignoreNewHostsUntilFirstCheck;
    host.awaitsFirstCheck = true;
    const session = new Session(this.cluster, host, { check: this.check, onChange: () => this.events.onChange(host) });
    this.sessions.set(host, session);
    session.start();
  }

  forget(host: Host): void {
    this.sessions.get(host)?.close();
    this.sessions.delete(host);
  }

  /** An answer of the host said that it is unhealthy. */
  fail(host: Host): void {
    this.sessions.get(host)?.fail();
  }

  /** Says in the statistics how many hosts are well. */
  count(): void {
    const { healthCheck } = this.cluster.stats;
    const hosts = [...this.sessions.keys()];
    healthCheck.healthy = hosts.filter((host) => !host.failedActiveCheck).length;
    healthCheck.degraded = hosts.filter((host) => !host.failedActiveCheck && host.degradedByCheck).length;
  }

  close(): void {
    for (const session of this.sessions.values()) session.close();
    this.sessions.clear();
    this.count();
  }
}

/** `pending`: the threshold has not been reached yet. */
type Transition = 'none' | 'pending' | 'changed';

class Session {
  private readonly cluster: ClusterState;
  private readonly host: Host;
  private readonly check: HealthCheckRuntime;
  private readonly onChange: () => void;
  private readonly probe: Probe;
  private readonly events: HealthEventLog;
  private timer: Timer | undefined;
  private deadline: Timer | undefined;
  private passedInRow = 0;
  private failedInRow = 0;
  private failedLast = false;
  private closed = false;

  constructor(cluster: ClusterState, host: Host, { check, onChange }: { check: HealthCheckRuntime; onChange: () => void }) {
    this.cluster = cluster;
    this.host = host;
    this.check = check;
    this.onChange = onChange;
    this.events = createHealthEventLog(cluster, host, check);
    this.probe = createProbe(check, {
      cluster,
      host: checkedHost(host, check),
      hostname: cluster.name,
      applicationProtocols: check.applicationProtocols,
      timeoutMs: check.timeoutMs,
      reuseConnection: check.reuseConnection,
      transportCriteria: check.transportCriteria,
    });
  }

  start(): void {
    const { initialJitterMs } = this.check;
    if (initialJitterMs === 0) this.ask();
    else this.askAfter(this.cluster.context.random() * initialJitterMs);
  }

  private askAfter(delayMs: number): void {
    this.timer = this.cluster.context.clock.after(delayMs, () => this.ask(), { background: true });
  }

  private ask(): void {
    const { clock } = this.cluster.context;
    this.cluster.stats.healthCheck.attempt++;
    let isOver = false;
    const finish = (result: ProbeResult) => {
      if (isOver || this.closed) return;
      isOver = true;
      this.deadline?.cancel();
      this.onResult(result);
    };
    this.deadline = clock.after(
      this.check.timeoutMs,
      () => {
        this.probe.close();
        finish({ passed: false, kind: 'timeout', why: `no answer within ${this.check.timeoutMs} ms` });
      },
      { background: true },
    );
    this.probe.start(finish);
  }

  private onResult(result: ProbeResult): void {
    const { host, cluster, check } = this;
    const { healthCheck: stats } = cluster.stats;
    const before = host.health;
    const wasFirst = host.awaitsFirstCheck;
    const wasDegraded = host.degradedByCheck;
    this.failedLast = !result.passed;
    let transition: Transition;
    if (result.passed) {
      stats.success++;
      transition = this.onPassed(result.degraded);
      if (check.alwaysLogSuccess) cluster.context.logger.info('health check passed', this.facts());
    } else {
      stats.failure++;
      if (result.kind === 'network' || result.kind === 'timeout') stats.network_failure++;
      transition = this.onFailed(result);
      if (check.alwaysLogFailures) cluster.context.logger.info('health check failed', { ...this.facts(), why: result.why });
    }
    host.awaitsFirstCheck = false;
    host.ignoredUntilChecked = false;
    if (transition === 'changed') {
      const why = result.passed ? '' : result.why;
      cluster.context.logger.info(host.failedActiveCheck ? 'a host failed its health check' : 'a host passed its health check', {
        ...this.facts(),
        ...(why !== '' && { why }),
      });
    }
    this.log(result, { changed: transition === 'changed', wasFirst, wasDegraded });
    if (wasFirst || before !== host.health || transition === 'changed') this.onChange();
    if (host.failedActiveCheck && (transition === 'changed' || wasFirst)) cluster.onHealthFailure(host);
    if (result.passed && !host.failedActiveCheck) cluster.outlier.reportCheckPassed(host);
    if (!this.closed) this.askAfter(this.delayMs(transition));
  }

  private log(
    result: ProbeResult,
    { changed, wasFirst, wasDegraded }: { changed: boolean; wasFirst: boolean; wasDegraded: boolean },
  ): void {
    const { check, events } = this;
    if (!result.passed) {
      const failure = { failure_type: FAILURE_TYPES[result.kind] };
      const http_status_code = result.status ?? 0;
      if (changed) events('eject_unhealthy_event', { ...failure, http_status_code });
      if (wasFirst || check.alwaysLogFailures)
        events('health_check_failure_event', { ...failure, first_check: wasFirst, http_status_code });
      return;
    }
    if (changed) events('add_healthy_event', { first_check: wasFirst });
    if (check.alwaysLogSuccess) events('successful_health_check_event');
    if (wasDegraded !== result.degraded) events(result.degraded ? 'degraded_healthy_host' : 'no_longer_degraded_host');
  }

  fail(): void {
    const { host, cluster } = this;
    if (host.failedActiveCheck) return;
    host.excludedByFailure = true;
    this.events('eject_unhealthy_event', { failure_type: 'PASSIVE', http_status_code: 0 });
    cluster.stats.healthCheck.failure++;
    cluster.stats.healthCheck.passive_failure++;
    host.failedActiveCheck = true;
    this.passedInRow = 0;
    this.failedInRow = 0;
    this.failedLast = true;
    this.onChange();
    cluster.onHealthFailure(host);
  }

  private onPassed(degraded: boolean): Transition {
    const { host, check } = this;
    this.failedInRow = 0;
    host.degradedByCheck = degraded;
    if (!host.failedActiveCheck) return 'none';
    // The first answer counts at once.
    if (!host.awaitsFirstCheck && ++this.passedInRow < check.healthyThreshold) return 'pending';
    this.passedInRow = 0;
    host.failedActiveCheck = false;
    host.timedOutCheck = false;
    host.excludedByFailure = false;
    host.warmSinceMs = this.cluster.context.clock.monotonicMs();
    return 'changed';
  }

  private onFailed(result: Extract<ProbeResult, { passed: false }>): Transition {
    const { host, check } = this;
    this.passedInRow = 0;
    if (result.excludes) host.excludedByFailure = true;
    if (host.failedActiveCheck) {
      if (result.kind === 'timeout') host.timedOutCheck = true;
      return 'none';
    }
    if (result.kind !== 'active' && ++this.failedInRow < check.unhealthyThreshold) return 'pending';
    this.failedInRow = 0;
    host.failedActiveCheck = true;
    host.timedOutCheck = result.kind === 'timeout';
    return 'changed';
  }

  private delayMs(transition: Transition): number {
    const { check, cluster } = this;
    let delayMs: number;
    if (cluster.stats.upstream_cx_total === 0) {
      delayMs = !this.failedLast && transition !== 'pending' ? check.noTrafficHealthyIntervalMs : check.noTrafficIntervalMs;
    } else if (this.failedLast) delayMs = transition === 'pending' ? check.unhealthyEdgeIntervalMs : check.unhealthyIntervalMs;
    else delayMs = transition === 'pending' ? check.healthyEdgeIntervalMs : check.intervalMs;
    const { random } = cluster.context;
    if (check.intervalJitterPercent > 0) delayMs += (random() * delayMs * check.intervalJitterPercent) / 100;
    if (check.intervalJitterMs > 0) delayMs += random() * check.intervalJitterMs;
    return delayMs;
  }

  private facts(): { cluster: string; host: string } {
    return { cluster: this.cluster.name, host: this.host.address };
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.deadline?.cancel();
    this.probe.close();
  }
}

const FAILURE_TYPES = { active: 'ACTIVE', retriable: 'ACTIVE', network: 'NETWORK', timeout: 'NETWORK_TIMEOUT' } as const;

function createProbe(check: HealthCheckRuntime, target: ProbeTarget): Probe {
  switch (check.probe.kind) {
    case 'http':
      return new HttpProbe(target, check.probe);
    case 'tcp':
      return new TcpProbe(target, check.probe);
    case 'grpc':
      return new GrpcProbe(target, check.probe);
  }
}

/** The host to ask: the endpoint may name another address for it, or the check another port. */
function checkedHost(host: Host, { altPort }: HealthCheckRuntime): Host {
  const { healthCheck } = host.endpoint;
  const ip = healthCheck?.host || host.ip;
  const port = healthCheck?.port || altPort || host.port;
  return ip === host.ip && port === host.port ? host : new Host(addressText(ip, port), ip, port, host.endpoint);
}
