// A cluster as it lives: its hosts with their pools, health and counters, through successive configurations of the same name.

import type { Clock, Logger, SocketAddress, Transport } from '@lateen/base';
import type { Timeouts } from '../io/timer-wheel.ts';
import type { ClusterRuntime, EndpointRuntime, EndpointsRuntime } from '../runtime/model.ts';
import type { SecretLookup } from '../tls/server-contexts.ts';
import { createHttpPool } from './alpn-pool.ts';
import { BreakerState } from './circuit-breaker.ts';
import { ClusterStats } from './cluster-stats.ts';
import { addressText, Host } from './host.ts';
import type { HttpPool } from './http-pool.ts';
import { assignLoad, type LoadAssignment, type LocalityHosts } from './load-assignment.ts';
import { isGatewayFailure, OutlierDetector } from './outlier.ts';
import type { PickerServices } from './picker.ts';

/** Resolves a name to addresses. `ttlMs` 0 = unknown. Rejects when there is none. */
export type Resolver = (name: string, family: 'v4' | 'v6' | 'any') => Promise<{ addresses: readonly string[]; ttlMs: number }>;

/** Services that clusters use. */
export type UpstreamContext = {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
  readonly random: () => number;
  readonly resolve: Resolver;
  readonly logger: Logger;
  /** Of TLS contexts, by the key of a named reference. */
  readonly secret?: SecretLookup;
};

export type HostChoice = {
  /** Of the request, for consistent hashing. */
  readonly hash?: number | undefined;
  /** Hosts to pass over, for at most `attempts` picks (default 1). */
  readonly avoid?: ReadonlySet<Host> | undefined;
  readonly attempts?: number;
};

const NO_HOSTS: EndpointsRuntime = { clusterName: '', localities: [], overprovisioningFactorPercent: 140 };
const MIN_ORIGINAL_DST_CLEANUP_MS = 1000;

export class ClusterState {
  readonly name: string;
  readonly context: UpstreamContext;
  runtime: ClusterRuntime;
  readonly stats = new ClusterStats();
  readonly breakers: { readonly default: BreakerState; readonly high: BreakerState };
  private readonly hosts = new Map<string, Host>();
  private endpoints: EndpointsRuntime = NO_HOSTS;
  private load: LoadAssignment = { isPanicking: false, pick: () => undefined };
  private readonly outlier: OutlierDetector;
  private readonly services: PickerServices;
  private cleanup: { cancel(): void } | undefined;

  constructor(runtime: ClusterRuntime, context: UpstreamContext) {
    this.name = runtime.name;
    this.runtime = runtime;
    this.context = context;
    this.services = { random: context.random, monotonicMs: () => context.clock.monotonicMs() };
    this.breakers = {
      default: new BreakerState(runtime.circuitBreakers.default),
      high: new BreakerState(runtime.circuitBreakers.high),
    };
    this.outlier = new OutlierDetector(this, () => this.rebuild());
  }

  /** Takes the next configuration of this name. Endpoints come apart, by `setEndpoints`. */
  configure(runtime: ClusterRuntime): void {
    this.runtime = runtime;
    this.breakers.default.limits = runtime.circuitBreakers.default;
    this.breakers.high.limits = runtime.circuitBreakers.high;
    this.rebuild();
  }

  /** The current endpoints. Hosts that stay keep their pools and counters; those that left end what they have. */
  setEndpoints(endpoints: EndpointsRuntime): void {
    this.endpoints = endpoints;
    const present = new Set<string>();
    const now = this.context.clock.monotonicMs();
    for (const locality of endpoints.localities) {
      for (const endpoint of locality.endpoints) {
        const address = addressText(endpoint.host, endpoint.port);
        present.add(address);
        const known = this.hosts.get(address);
        if (known) known.endpoint = endpoint;
        else this.hosts.set(address, new Host(address, endpoint.host, endpoint.port, endpoint, now));
      }
    }
    for (const host of [...this.hosts.values()]) if (!present.has(host.address)) this.removeHost(host);
    this.stats.membership_change++;
    this.rebuild();
  }

  private removeHost(host: Host): void {
    host.removed = true;
    this.hosts.delete(host.address);
    for (const pool of host.pools.values()) pool.drain();
  }

  /** Call when the health of a host changed. */
  rebuild(): void {
    const { endpoints, hosts } = this;
    const localities: LocalityHosts[] = endpoints.localities.map((locality) => ({
      priority: locality.priority,
      weight: locality.weight,
      hosts: locality.endpoints.flatMap((endpoint) => hosts.get(addressText(endpoint.host, endpoint.port)) ?? []),
    }));
    this.load = assignLoad(this.runtime, localities, endpoints.overprovisioningFactorPercent, this.services);
    this.stats.membership_total = hosts.size;
    this.stats.membership_healthy = [...hosts.values()].filter((host) => host.isAvailable).length;
  }

  /** A host for a new request; undefined when there is none to use. */
  pick(target: SocketAddress | undefined, { hash, avoid, attempts = 1 }: HostChoice = {}): Host | undefined {
    if (this.runtime.discovery.kind === 'original_dst') return target && this.originalHost(target);
    if (this.load.isPanicking) this.stats.lb_healthy_panic++;
    let host = this.load.pick({ hash });
    for (let i = 1; i < attempts && host && avoid?.has(host); i++) host = this.load.pick({ hash, attempt: i });
    if (!host) this.stats.upstream_cx_none_healthy++;
    return host;
  }

  private originalHost({ host: ip, port }: SocketAddress): Host {
    const { discovery } = this.runtime;
    const toPort = discovery.kind === 'original_dst' ? (discovery.portOverride ?? port) : port;
    const address = addressText(ip, toPort);
    let host = this.hosts.get(address);
    if (!host) {
      host = new Host(address, ip, toPort, bareEndpoint(ip, toPort));
      this.hosts.set(address, host);
      this.scheduleCleanup();
    }
    host.lastUsedMs = this.context.clock.monotonicMs();
    return host;
  }

  private scheduleCleanup(): void {
    const { discovery } = this.runtime;
    if (this.cleanup || discovery.kind !== 'original_dst') return;
    const periodMs = Math.max(MIN_ORIGINAL_DST_CLEANUP_MS, discovery.cleanupIntervalMs);
    this.cleanup = this.context.clock.after(
      periodMs,
      () => {
        this.cleanup = undefined;
        const now = this.context.clock.monotonicMs();
        for (const host of [...this.hosts.values()]) {
          if (now - host.lastUsedMs >= periodMs && host.stats.cx_active === 0 && host.stats.rq_active === 0) this.removeHost(host);
        }
        if (this.hosts.size > 0) this.scheduleCleanup();
      },
      { background: true },
    );
  }

  /** The host's pool for a request that came by `downstreamProtocol`; undefined when its protocol is not served. */
  poolOf(host: Host, downstreamProtocol: string): HttpPool | undefined {
    const version = this.versionFor(downstreamProtocol);
    let pool = host.pools.get(version);
    if (!pool) {
      pool = createHttpPool(this, host, version);
      host.pools.set(version, pool);
    }
    return pool;
  }

  private versionFor(downstreamProtocol: string): 'HTTP/1.1' | 'HTTP/2' {
    switch (this.runtime.protocol.kind) {
      case 'http2':
        return 'HTTP/2';
      case 'downstream':
        return downstreamProtocol === 'HTTP/2' ? 'HTTP/2' : 'HTTP/1.1';
      default:
        return 'HTTP/1.1';
    }
  }

  /** Tells outlier detection and counters how a request ended; `status` 0 = no response because of us or the network. */
  reportResult(host: Host, status: number): void {
    if (status === 0 || status >= 500) host.stats.rq_error++;
    else host.stats.rq_success++;
    if (this.runtime.outlier) this.outlier.report(host, status === 0 || status >= 500, status === 0 || isGatewayFailure(status));
  }

  listHosts(): readonly Host[] {
    return [...this.hosts.values()];
  }

  /** Drops every connection and timer. */
  close(): void {
    this.cleanup?.cancel();
    this.outlier.close();
    for (const host of this.hosts.values()) for (const pool of host.pools.values()) pool.close();
    this.hosts.clear();
  }

  /** No new request; connections end with what they carry. */
  drain(): void {
    this.cleanup?.cancel();
    this.outlier.close();
    for (const host of this.hosts.values()) for (const pool of host.pools.values()) pool.drain();
  }
}

const NO_METADATA: EndpointRuntime['metadata'] = new Map();

function bareEndpoint(host: string, port: number): EndpointRuntime {
  return { host, port, hostname: '', weight: 1, health: 'healthy', metadata: NO_METADATA, istioWorkload: undefined };
}
