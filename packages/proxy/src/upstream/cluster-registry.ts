// All clusters by name. Applying a runtime touches only what differs from the one before.

import type { ClusterRuntime, EndpointsRuntime, Runtime } from '../runtime/model.ts';
import { ClusterState, localityName, type UpstreamContext } from './cluster-state.ts';
import { startDnsDiscovery } from './dns-discovery.ts';
import type { LocalZone } from './load-assignment.ts';

export type ClusterRegistry = {
  /** The live cluster, or undefined. */
  get(name: string): ClusterState | undefined;
  list(): readonly ClusterState[];
  /** Takes the clusters and endpoints of a runtime. Removed clusters end what they carry. */
  apply(runtime: Runtime): void;
  close(): void;
};

type Entry = { state: ClusterState; runtime: ClusterRuntime; endpoints: EndpointsRuntime | undefined; dns: { close(): void } | undefined };

export function createClusterRegistry(context: UpstreamContext): ClusterRegistry {
  const entries = new Map<string, Entry>();
  const { local } = context;
  const localZone = (): LocalZone | undefined => {
    const peers = local && entries.get(local.clusterName)?.state.localities;
    return local && peers ? { name: localityName(local.locality), peers } : undefined;
  };
  const createEntry = (cluster: ClusterRuntime): Entry => {
    const state = new ClusterState(cluster, context, localZone);
    // The proxies' own zones decide how much of the traffic may stay in them.
    if (cluster.name === local?.clusterName) {
      state.onChange = () => {
        for (const other of entries.values()) if (other.runtime.zoneAware && other.state !== state) other.state.rebuild();
      };
    }
    return { state, runtime: cluster, endpoints: undefined, dns: undefined };
  };
  const follow = (entry: Entry, runtime: Runtime, isNew: boolean) => {
    const { discovery } = entry.runtime;
    if (discovery.kind === 'eds' || discovery.kind === 'static') {
      const endpoints = discovery.kind === 'eds' ? runtime.endpoints.get(discovery.serviceName) : discovery.endpoints;
      if (endpoints && endpoints !== entry.endpoints) entry.state.setEndpoints(endpoints);
      entry.endpoints = endpoints ?? entry.endpoints;
    } else if (isNew && (discovery.kind === 'strict_dns' || discovery.kind === 'logical_dns')) {
      entry.dns?.close();
      entry.dns = startDnsDiscovery(discovery, context, entry.state);
    }
  };
  const applyCluster = (cluster: ClusterRuntime, runtime: Runtime) => {
    let entry = entries.get(cluster.name);
    const isNew = entry?.runtime !== cluster;
    if (!entry) {
      entry = createEntry(cluster);
      entries.set(cluster.name, entry);
    } else if (isNew) {
      if (entry.runtime.discovery.kind !== cluster.discovery.kind) {
        entry.dns?.close();
        entry.state.drain();
        entry = createEntry(cluster);
        entries.set(cluster.name, entry);
      } else {
        entry.runtime = cluster;
        entry.state.configure(cluster);
      }
    }
    follow(entry, runtime, isNew);
  };
  return {
    get: (name) => entries.get(name)?.state,
    list: () => [...entries.values()].map((entry) => entry.state),
    apply(runtime) {
      for (const cluster of runtime.clusters.values()) applyCluster(cluster, runtime);
      for (const [name, entry] of entries) {
        if (runtime.clusters.has(name)) continue;
        entries.delete(name);
        entry.dns?.close();
        entry.state.drain();
      }
    },
    close() {
      for (const entry of entries.values()) {
        entry.dns?.close();
        entry.state.close();
      }
      entries.clear();
    },
  };
}
