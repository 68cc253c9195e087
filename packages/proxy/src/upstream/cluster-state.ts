// A cluster as it lives: its hosts with their pools, health and counters, through successive configurations of the same name.

import { isDeepStrictEqual } from 'node:util';
import { type Clock, type Logger, parseIp, type SocketAddress, type Transport } from '@lateen/base';
import { HealthChecker } from '../health-check/health-checker.ts';
import type { Timeouts } from '../io/timer-wheel.ts';
import { ByteCount } from '../observe/byte-count.ts';
import type { RuntimeKeys } from '../runtime/model/share.ts';
import type { CircuitBreaker, ClusterRuntime, EndpointRuntime, EndpointsRuntime, LbMetadata, LocalityRuntime } from '../runtime/model.ts';
import { type AlpnOverrides, alpnFor } from '../tls/alpn-override.ts';
import type { SecretLookup } from '../tls/server-contexts.ts';
import { createHttpPool } from './alpn-pool.ts';
import { type BreakerState, LocalBreaker } from './circuit-breaker.ts';
import { ClusterStats } from './cluster-stats.ts';
import { transportOf } from './connect.ts';
import { addressText, Host } from './host.ts';
import type { HttpPool, PoolRequest } from './http-pool.ts';
import { assignLoad, type LoadServices, type LoadSettings, type LocalityHosts, type LocalZone } from './load-assignment.ts';
import { type LocalOutcome, OutlierDetector } from './outlier.ts';
import type { Picker } from './picker.ts';
import type { PreviousPriorities } from './previous-priorities.ts';
import { overrideLimits, overrideOutlier, overridePanic, overrideZones } from './runtime-overrides.ts';
import { SubsetBalancer } from './subset-balancer.ts';

/** Resolves a name to addresses. `ttlMs` 0 = unknown. Rejects when there is none. */
export type Resolver = (
  name: string,
  family: 'v4' | 'v6' | 'any',
  options?: ResolverOptions,
) => Promise<{ addresses: readonly string[]; ttlMs: number }>;

export type ResolverOptions = {
  /** Name servers, "ip:port", in place of the resolver's own. */
  readonly servers?: readonly string[];
  /** Whether `ttlMs` is of use. */
  readonly wantsTtl?: boolean;
};

/** Services that clusters use. */
export type UpstreamContext = {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
  readonly random: () => number;
  readonly resolve: Resolver;
  readonly logger: Logger;
  readonly runtimeKeys?: RuntimeKeys | undefined;
  /** Where ejections are logged. Default: nowhere. */
  readonly outlierLogPath?: string | undefined;
  /** Appends to a log file. Default: nothing is written. */
  readonly openLog?: ((path: string) => { write(line: string): void }) | undefined;
  /** Of TLS contexts, by the key of a named reference. */
  readonly secret?: SecretLookup;
  /** Of a cluster and priority, by name: where several threads count together. Default: a breaker of its own for each. */
  readonly createBreaker?: ((key: string, limits: CircuitBreaker) => BreakerState) | undefined;
  /** Where this proxy runs, and the cluster of its peers: needed for zone-aware routing only. */
  readonly local?: { readonly locality: Pick<LocalityRuntime, 'region' | 'zone' | 'subZone'>; readonly clusterName: string } | undefined;
};

export type HostChoice = {
  /** Of the request, for consistent hashing. */
  readonly hash?: bigint | undefined;
  /** What the route asks of the hosts' "envoy.lb" metadata. */
  readonly metadataMatch?: LbMetadata | undefined;
  /** Hosts to pass over, for at most `attempts` picks (default 1). */
  readonly avoid?: ReadonlySet<Host> | undefined;
  /** Further hosts to pass over. */
  readonly rejects?: ((host: Host) => boolean) | undefined;
  readonly attempts?: number;
  /** Of a retry that leaves priorities out. */
  readonly priorities?: PreviousPriorities | undefined;
};

const NO_HOSTS: EndpointsRuntime = { clusterName: '', localities: [], overprovisioningFactorPercent: 140 };
const MIN_ORIGINAL_DST_CLEANUP_MS = 10;
const MAX_POOLS_PER_HOST = 1000;

type MutableLocality = LocalityHosts & { readonly hosts: Host[] };

export type ClusterStateOptions = {
  /** Gives the hosts of the proxy's own cluster. */
  readonly local?: () => LocalZone | undefined;
  /** Of the same name: its counters go on. */
  readonly predecessor?: ClusterState | undefined;
};

export class ClusterState {
  readonly name: string;
  readonly context: UpstreamContext;
  runtime: ClusterRuntime;
  /** Of its connections. */
  readonly bytes: ByteCount;
  readonly stats: ClusterStats;
  readonly breakers: { readonly default: BreakerState; readonly high: BreakerState };
  readonly outlier: OutlierDetector;
  /** Settings of `outlier`; undefined: nothing is detected. */
  detection: ClusterRuntime['outlier'];
  /** Called after hosts came, went or changed their health. */
  onChange: () => void = () => {};
  private readonly hosts = new Map<string, Host>();
  private endpoints: EndpointsRuntime = NO_HOSTS;
  private located: readonly LocalityHosts[] = [];
  /** Made at the first pick after a change. */
  private balancer: Picker | undefined;
  private checker: HealthChecker | undefined;
  private readonly services: LoadServices;
  private cleanup: { cancel(): void } | undefined;
  private isDrained = false;

  constructor(runtime: ClusterRuntime, context: UpstreamContext, { local, predecessor }: ClusterStateOptions = {}) {
    this.name = runtime.name;
    this.bytes = predecessor?.bytes ?? new ByteCount();
    this.stats = predecessor?.stats ?? new ClusterStats();
    this.runtime = runtime;
    this.context = context;
    this.services = {
      random: context.random,
      monotonicMs: () => context.clock.monotonicMs(),
      activeRequests: () => this.stats.upstream_rq_active,
      stats: this.stats,
      ...(local && { local }),
    };
    this.detection = overrideOutlier(runtime.outlier, context.runtimeKeys);
    this.breakers = {
      default: this.createBreaker('default'),
      high: this.createBreaker('high'),
    };
    this.outlier = new OutlierDetector(this, () => this.rebuild());
    const { healthCheck } = runtime;
    this.checker = healthCheck && new HealthChecker(this, healthCheck, { onChange: (host) => this.onCheckChange(host) });
  }

  /**
   * Takes the next configuration of this name. Endpoints come apart, by `setEndpoints`; health checks can end, another configuration of
   * them is for a new cluster.
   */
  configure(runtime: ClusterRuntime): void {
    this.runtime = runtime;
    if (!runtime.healthCheck) this.stopChecks();
    this.onRuntimeKeys();
  }

  /** The configuration or runtime keys are others than before. */
  onRuntimeKeys(): void {
    const { detection, context, runtime } = this;
    for (const priority of ['default', 'high'] as const) this.breakers[priority].limits = this.limitsOf(priority);
    this.detection = overrideOutlier(runtime.outlier, context.runtimeKeys);
    if (!isDeepStrictEqual(detection, this.detection)) this.outlier.configure();
    this.balancer = undefined;
    this.rebuild();
  }

  private limitsOf(priority: 'default' | 'high'): CircuitBreaker {
    return overrideLimits(this.runtime.circuitBreakers[priority], `${this.name}.${priority}`, this.context.runtimeKeys);
  }

  private createBreaker(priority: 'default' | 'high'): BreakerState {
    const limits = this.limitsOf(priority);
    return this.context.createBreaker?.(`${priority}/${this.name}`, limits) ?? new LocalBreaker(limits);
  }

  private stopChecks(): void {
    this.checker?.close();
    this.checker = undefined;
    for (const host of this.hosts.values()) {
      host.failedActiveCheck = false;
      host.degradedByCheck = false;
      host.timedOutCheck = false;
      host.excludedByFailure = false;
      host.awaitsFirstCheck = false;
      host.ignoredUntilChecked = false;
    }
  }

  private onCheckChange(host: Host): void {
    if (host.failedActiveCheck && host.pendingRemoval) {
      this.removeHost(host);
      this.stats.membership_change++;
    }
    this.rebuild();
  }

  /** Outlier detection or a health check gave a host up: who tries it again does so on new connections. */
  onHealthFailure(host: Host): void {
    host.drainConnections();
    if (!this.runtime.closeConnectionsOnHostHealthFailure) return;
    for (const close of [...host.relays]) close();
  }

  /** The host says itself that it is to be taken for unhealthy, until health checks say otherwise. */
  failCheck(host: Host): void {
    this.checker?.fail(host);
  }

  /** The current endpoints. Hosts that stay keep their pools and counters; those that left end what they have. */
  setEndpoints(endpoints: EndpointsRuntime): void {
    this.endpoints = endpoints;
    const present = new Set<Host>();
    const now = this.context.clock.monotonicMs();
    const added: Host[] = [];
    const places = new Map<string, MutableLocality>();
    for (const locality of endpoints.localities) {
      const name = localityName(locality);
      const place = `${locality.priority} ${name}`;
      // Named twice it is one locality, with the weight that was said last.
      const hosts = places.get(place)?.hosts ?? [];
      places.set(place, { priority: locality.priority, weight: locality.weight, name, hosts });
      for (const endpoint of locality.endpoints) {
        const address = addressText(endpoint.host, endpoint.port);
        let host = this.hosts.get(address);
        if (host && present.has(host)) continue;
        if (!host) {
          host = new Host(address, endpoint.host, endpoint.port, endpoint, now);
          this.hosts.set(address, host);
          added.push(host);
        }
        host.endpoint = endpoint;
        host.locality = locality;
        host.pendingRemoval = false;
        present.add(host);
        hosts.push(host);
      }
    }
    const located = [...places.values()];
    const gone = [...this.hosts.values()].filter((host) => !present.has(host));
    const left = gone.filter((host) => !this.keepsWhileHealthy(host, located));
    for (const host of left) this.removeHost(host);
    for (const host of added) this.checker?.watch(host);
    this.located = located;
    if (added.length > 0 || left.length > 0) {
      this.stats.membership_change += new Set([...added, ...left].map(({ locality }) => locality?.priority)).size;
    }
    if (this.runtime.closeConnectionsOnHostSetChange) for (const host of this.hosts.values()) host.drainConnections();
    this.balancer = undefined;
    this.rebuild();
  }

  /** A host that its health check finds well is used on although discovery no longer names it. */
  private keepsWhileHealthy(host: Host, located: readonly MutableLocality[]): boolean {
    const checked = this.checker && !host.endpoint.healthCheck?.disabled && !host.awaitsFirstCheck && !host.failedActiveCheck;
    if (!checked || this.runtime.ignoreHealthOnHostRemoval || this.runtime.discovery.kind === 'static') return false;
    const name = host.locality && localityName(host.locality);
    const home = located.find((one) => one.name === name && one.priority === host.locality?.priority) ?? located[0];
    if (!home) return false;
    host.pendingRemoval = true;
    home.hosts.push(host);
    return true;
  }

  private removeHost(host: Host): void {
    host.removed = true;
    this.hosts.delete(host.address);
    this.checker?.forget(host);
    this.outlier.forget(host);
    for (const locality of this.located as readonly MutableLocality[]) {
      const at = host.pendingRemoval ? locality.hosts.indexOf(host) : -1;
      if (at >= 0) locality.hosts.splice(at, 1);
    }
    this.balancer = undefined;
    host.drainConnections();
  }

  /** Call when the health of a host changed. */
  rebuild(): void {
    // A successor counts into the same numbers.
    if (this.isDrained) return;
    this.checker?.count();
    if (this.balancer instanceof SubsetBalancer) this.balancer.reset();
    else this.balancer = undefined;
    const { stats } = this;
    stats.membership_total = this.hosts.size;
    stats.membership_healthy = 0;
    stats.membership_degraded = 0;
    stats.membership_excluded = 0;
    stats.max_host_weight = 0;
    const isDiscovered = this.runtime.discovery.kind !== 'static';
    for (const host of this.hosts.values()) {
      const { health } = host;
      if (health === 'healthy') stats.membership_healthy++;
      else if (health === 'degraded') stats.membership_degraded++;
      if (host.isExcluded) stats.membership_excluded++;
      if (isDiscovered) stats.max_host_weight = Math.max(stats.max_host_weight, host.weight);
    }
    this.onChange();
  }

  /** The endpoints as they were given last. */
  get assignment(): EndpointsRuntime {
    return this.endpoints;
  }

  /** Where the hosts are. */
  get localities(): readonly LocalityHosts[] {
    return this.located;
  }

  private createBalancer(): Picker {
    const {
      runtime,
      endpoints,
      located,
      services,
      context: { runtimeKeys },
    } = this;
    const settings: LoadSettings = {
      lb: runtime.lb,
      localityWeighted: runtime.localityWeighted,
      zoneAware: overrideZones(runtime.zoneAware, runtimeKeys),
      healthyPanicThresholdPercent: overridePanic(runtime.healthyPanicThresholdPercent, runtimeKeys),
      overprovisioningPercent: endpoints.overprovisioningFactorPercent,
      weightedPriorityHealth: endpoints.weightedPriorityHealth === true,
    };
    if (!runtime.subsets) return assignLoad(settings, located, services);
    return new SubsetBalancer(runtime.subsets, settings, located, { ...services, subsetStats: this.stats.subsets });
  }

  /** A host for a new request; undefined when there is none to use. */
  pick(
    target: SocketAddress | undefined,
    { hash, metadataMatch, priorities, avoid, rejects, attempts = 1 }: HostChoice = {},
  ): Host | undefined {
    if (this.runtime.discovery.kind === 'original_dst') {
      const original = target && this.originalHost(target);
      if (!original) this.stats.upstream_cx_none_healthy++;
      return original;
    }
    this.balancer ??= this.createBalancer();
    const { balancer } = this;
    let host = balancer.pick({ hash, metadataMatch, priorities });
    for (let attempt = 1; attempt < attempts && host && (avoid?.has(host) || rejects?.(host)); attempt++) {
      host = balancer.pick({ hash, metadataMatch, priorities, attempt });
    }
    if (!host) this.stats.upstream_cx_none_healthy++;
    return host;
  }

  private originalHost({ host: ip, port }: SocketAddress): Host | undefined {
    const { discovery } = this.runtime;
    if (!parseIp(ip) || !(port >= 0 && port <= 65_535)) {
      this.stats.original_dst_host_invalid++;
      return undefined;
    }
    const toPort = discovery.kind === 'original_dst' ? (discovery.portOverride ?? port) : port;
    const address = addressText(ip, toPort);
    let host = this.hosts.get(address);
    if (!host) {
      host = new Host(address, ip, toPort, bareEndpoint(ip, toPort));
      this.hosts.set(address, host);
      this.stats.membership_change++;
      this.stats.membership_total = this.hosts.size;
      this.stats.membership_healthy++;
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
          if (now - host.lastUsedMs < periodMs || host.stats.cx_active > 0 || host.stats.rq_active > 0) continue;
          this.removeHost(host);
          this.stats.membership_change++;
        }
        this.rebuild();
        if (this.hosts.size > 0) this.scheduleCleanup();
      },
      { background: true },
    );
  }

  /** The host's pool for a request. */
  poolOf(host: Host, request: PoolRequest, alpnOverrides?: AlpnOverrides): HttpPool {
    const version = this.versionFor(request.protocol);
    const { autoSni } = this.runtime;
    const serverName = autoSni ? serverNameOf(request.header?.(autoSni.header)) : '';
    const alpnOverride = alpnFor(alpnOverrides, version, this.runtime);
    const named = serverName === '' ? version : `${version} ${serverName}`;
    // A connection that begins with a client's address can serve no other client.
    const downstream = this.tellsDownstream(host) ? request.connection : undefined;
    const owner = downstream ?? (this.runtime.poolPerDownstream ? request.connection : undefined);
    let key = alpnOverride ? `${named} ${alpnOverride.join()}` : named;
    if (owner) key += ` ${owner.remoteAddress}>${owner.localAddress}`;
    let pool = host.pools.get(key);
    if (!pool) {
      const naming = {
        ...(serverName !== '' && { serverName, expectsServerName: autoSni?.validatesSan === true }),
        ...(alpnOverride && { alpnOverride }),
        ...(downstream && { downstream }),
      };
      pool = createHttpPool(this, host, version, naming);
      // Clients choose the names.
      const oldest = host.pools.size >= MAX_POOLS_PER_HOST ? host.pools.entries().next().value : undefined;
      if (oldest) {
        host.pools.delete(oldest[0]);
        oldest[1].drain();
        this.stats.upstream_cx_pool_overflow++;
      }
      host.pools.set(key, pool);
    }
    return pool;
  }

  private tellsDownstream(host: Host): boolean {
    const { transport, transportMatches } = this.runtime;
    return (transport.proxyProtocol ?? transportMatches.length) ? transportOf(this, host).proxyProtocol !== undefined : false;
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
    if (status === 0) this.outlier.reportLocal(host, 'failure');
    else this.outlier.reportStatus(host, status);
  }

  /** The same for what no status tells: our own timeout, or a TCP connection that came about. */
  reportLocal(host: Host, outcome: LocalOutcome): void {
    if (outcome !== 'connected') host.stats.rq_error++;
    this.outlier.reportLocal(host, outcome);
  }

  /** How long a new connection may live; 0 = for ever. */
  connectionDurationMs(): number {
    const { maxConnectionDurationMs: longestMs, maxConnectionDurationJitterPercent: percent } = this.runtime;
    return percent === 0 ? longestMs : longestMs * (1 + (this.context.random() * percent) / 100);
  }

  /** Whether another connection may go to this host (circuit_breakers.per_host_thresholds). */
  canConnectTo(host: Host): boolean {
    return host.stats.cx_active < this.runtime.maxConnectionsPerHost;
  }

  get hostCount(): number {
    return this.hosts.size;
  }

  listHosts(): readonly Host[] {
    return [...this.hosts.values()];
  }

  /** Drops every connection and timer. */
  close(): void {
    this.stop();
    for (const host of this.hosts.values()) for (const pool of host.pools.values()) pool.close();
    this.hosts.clear();
  }

  /** No new request; connections end with what they carry. */
  drain(): void {
    this.stop();
    this.isDrained = true;
    for (const host of this.hosts.values()) {
      this.outlier.forget(host);
      host.drainConnections();
    }
  }

  private stop(): void {
    this.cleanup?.cancel();
    this.outlier.close();
    this.checker?.close();
    for (const breaker of Object.values(this.breakers)) breaker.close();
  }
}

/** The host part of an authority; empty for addresses, which are no server names. */
function serverNameOf(authority = ''): string {
  const name = authority.replace(/:\d*$/, '').toLowerCase();
  return name.startsWith('[') || parseIp(name) ? '' : name;
}

export const localityName = ({ region, zone, subZone }: Pick<LocalityRuntime, 'region' | 'zone' | 'subZone'>): string =>
  `${region}/${zone}/${subZone}`;

const NO_METADATA: EndpointRuntime['metadata'] = new Map();

function bareEndpoint(host: string, port: number): EndpointRuntime {
  return { host, port, hostname: '', weight: 1, health: 'healthy', metadata: NO_METADATA, istioWorkload: undefined };
}
