// One upstream address of one cluster. It outlives updates of the endpoint list as long as the address stays in it.

import type { EndpointRuntime, LocalityRuntime } from '../runtime/model.ts';
import { HostStats } from './cluster-stats.ts';
import type { HttpPool } from './http-pool.ts';
import { OutlierMonitor } from './outlier-monitor.ts';

export type HostHealth = 'healthy' | 'degraded' | 'unhealthy';

export class Host {
  /** "ip:port", IPv6 in brackets: identity within the cluster. */
  readonly address: string;
  readonly ip: string;
  readonly port: number;
  endpoint: EndpointRuntime;
  /** Where the endpoint list has it; undefined for hosts that no list names. */
  locality: LocalityRuntime | undefined;
  readonly stats = new HostStats();
  /** Made at first use; one per version of HTTP that is in use, and per server name where requests decide it. */
  readonly pools = new Map<string, HttpPool>();
  /** Gone from the endpoint list: no new request. */
  removed = false;
  /** Gone from the endpoint list, but used until its health check fails. */
  pendingRemoval = false;
  /** Until when outlier detection keeps it out; 0 = in. */
  ejectedUntilMs = 0;
  /** Break off the byte streams that run to it. */
  readonly relays = new Set<() => void>();
  readonly outlier = new OutlierMonitor();
  failedActiveCheck = false;
  degradedByCheck = false;
  /** The check that it failed last had no answer in time. */
  timedOutCheck = false;
  /** It said of itself that it is to be taken out, which does not count against its priority. */
  excludedByFailure = false;
  /** Its first active health check has not ended yet. */
  awaitsFirstCheck = false;
  /** Left out until its first health check has ended (common_lb_config.ignore_new_hosts_until_first_hc). */
  ignoredUntilChecked = false;
  lastUsedMs = 0;
  /** On the monotonic clock: when slow start began. */
  warmSinceMs: number;

  constructor(address: string, ip: string, port: number, endpoint: EndpointRuntime, addedMs = 0) {
    this.address = address;
    this.ip = ip;
    this.port = port;
    this.endpoint = endpoint;
    this.warmSinceMs = addedMs;
  }

  get weight(): number {
    return this.endpoint.weight || 1;
  }

  get health(): HostHealth {
    const { health } = this.endpoint;
    if (this.failedActiveCheck || this.ejectedUntilMs > 0 || health === 'unhealthy' || health === 'draining') return 'unhealthy';
    return this.degradedByCheck || health === 'degraded' ? 'degraded' : 'healthy';
  }

  /** Counts neither for nor against its priority. */
  get isExcluded(): boolean {
    return this.ignoredUntilChecked || this.excludedByFailure || this.endpoint.health === 'draining';
  }

  /** Whether the balancer may choose it without panic. */
  get isAvailable(): boolean {
    return this.health !== 'unhealthy';
  }

  /** Connections of all pools end with what they carry; the next request makes new ones. */
  drainConnections(): void {
    const pools = [...this.pools.values()];
    this.pools.clear();
    for (const pool of pools) pool.drain();
  }
}

/** "ip:port", with brackets around IPv6; a Unix domain socket's path stands alone. */
export function addressText(ip: string, port: number): string {
  if (ip.startsWith('/')) return ip;
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
