// One upstream address of one cluster. It outlives updates of the endpoint list as long as the address stays in it.

import type { EndpointRuntime } from '../runtime/model.ts';
import { HostStats } from './cluster-stats.ts';
import type { HttpPool } from './http-pool.ts';

export class Host {
  /** "ip:port", IPv6 in brackets: identity within the cluster. */
  readonly address: string;
  readonly ip: string;
  readonly port: number;
  endpoint: EndpointRuntime;
  readonly stats = new HostStats();
  /** Made at first use; one per version of HTTP that is in use. */
  readonly pools = new Map<'HTTP/1.1' | 'HTTP/2', HttpPool>();
  /** Gone from the endpoint list: no new request. */
  removed = false;
  /** Until when outlier detection keeps it out; 0 = in. */
  ejectedUntilMs = 0;
  ejections = 0;
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  lastUsedMs = 0;
  /** On the monotonic clock, for slow start. */
  readonly addedMs: number;

  constructor(address: string, ip: string, port: number, endpoint: EndpointRuntime, addedMs = 0) {
    this.address = address;
    this.ip = ip;
    this.port = port;
    this.endpoint = endpoint;
    this.addedMs = addedMs;
  }

  get weight(): number {
    return this.endpoint.weight || 1;
  }

  /** Whether the balancer may choose it without panic. */
  get isAvailable(): boolean {
    return this.ejectedUntilMs === 0 && (this.endpoint.health === 'healthy' || this.endpoint.health === 'degraded');
  }
}

/** "ip:port", with brackets around IPv6. */
export const addressText = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
