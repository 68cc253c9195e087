// One configuration of a cluster from its arrival on: it discovers its hosts and has each asked for its health before it serves. Nothing
// waits for ever: names are given up after the resolver's time, a health check after its timeout.

import { isDeepStrictEqual } from 'node:util';
import type { ClusterRuntime, EndpointsRuntime, Runtime } from '../runtime/model.ts';
import { ClusterState, type UpstreamContext } from './cluster-state.ts';
import { startDnsDiscovery } from './dns-discovery.ts';
import type { Host } from './host.ts';
import type { LocalZone } from './load-assignment.ts';

export type ClusterVersionOptions = {
  /** The hosts of the proxy's own cluster. */
  readonly local: () => LocalZone | undefined;
  /** What serves under the name so far: numbers go on. */
  readonly predecessor: ClusterState | undefined;
  readonly owner: VersionOwner;
};

export type VersionOwner = {
  /** Once, when the version may serve. */
  onWarm(version: ClusterVersion): void;
  /** After its hosts came, went or changed their health. */
  onChange(version: ClusterVersion): void;
};

export class ClusterVersion {
  readonly state: ClusterState;
  private readonly owner: VersionOwner;
  private readonly dns: { close(): void } | undefined;
  private endpoints: EndpointsRuntime | undefined;
  private hasHosts = false;
  /** Hosts whose first health check is awaited; those that come later are not. Undefined before they are known, and when it is warm. */
  private awaited: ReadonlySet<Host> | undefined;
  private isWarm = false;

  /** Starts to resolve names; hosts of other kinds come with `follow`. */
  constructor(cluster: ClusterRuntime, context: UpstreamContext, { local, predecessor, owner }: ClusterVersionOptions) {
    this.owner = owner;
    this.state = new ClusterState(cluster, context, { local, predecessor });
    this.state.onChange = () => {
      this.proceed();
      owner.onChange(this);
    };
    const { discovery } = cluster;
    if (discovery.kind !== 'strict_dns' && discovery.kind !== 'logical_dns') return;
    this.hasHosts = !cluster.waitForWarmOnInit || discovery.endpoints.localities.every(({ endpoints }) => endpoints.length === 0);
    // The last good addresses stay in use when the names are the same.
    const before = predecessor?.runtime.discovery;
    if (predecessor && before?.kind === discovery.kind && isDeepStrictEqual(before.endpoints, discovery.endpoints)) {
      this.state.setEndpoints(predecessor.assignment);
    }
    this.state.stats.warming_state = this.hasHosts ? 0 : 1;
    this.dns = startDnsDiscovery(discovery, context, this.state, () => this.onHosts());
  }

  /** Takes the endpoints that a runtime has for it. */
  follow(runtime: Runtime): void {
    const { discovery } = this.state.runtime;
    if (discovery.kind === 'eds' || discovery.kind === 'static') {
      const endpoints = discovery.kind === 'eds' ? runtime.endpoints.get(discovery.serviceName) : discovery.endpoints;
      if (endpoints && endpoints !== this.endpoints) this.state.setEndpoints(endpoints);
      this.endpoints = endpoints ?? this.endpoints;
    }
    // An EDS cluster without endpoints is in the runtime when nobody waits for them any longer.
    if (!this.dns || this.hasHosts) this.onHosts();
  }

  private onHosts(): void {
    if (this.isWarm) return;
    this.hasHosts = true;
    this.state.stats.warming_state = 0;
    this.awaited ??= new Set(this.state.listHosts().filter((host) => host.awaitsFirstCheck));
    this.proceed();
  }

  private proceed(): void {
    if (!this.awaited) return;
    for (const host of this.awaited) if (host.awaitsFirstCheck && !host.removed) return;
    this.isWarm = true;
    this.awaited = undefined;
    this.owner.onWarm(this);
  }

  /** No new request; connections end with what they carry. */
  drain(): void {
    this.dns?.close();
    this.state.drain();
  }

  /** Drops everything. */
  close(): void {
    // What is closed does not become warm.
    this.isWarm = true;
    this.awaited = undefined;
    this.state.stats.warming_state = 0;
    this.dns?.close();
    this.state.close();
  }
}
