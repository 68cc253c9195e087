// All clusters by name. Applying a runtime touches only what differs from the one before; what must be asked for first warms
// beside its predecessor (`cluster-version.ts`).

import { isDeepStrictEqual } from 'node:util';
import type { ClusterRuntime, Runtime } from '../runtime/model.ts';
import { type ClusterState, localityName, type UpstreamContext } from './cluster-state.ts';
import { ClusterVersion, type VersionOwner } from './cluster-version.ts';
import type { LocalZone } from './load-assignment.ts';

/** Envoy's names, below `cluster_manager.`. */
export type ClusterCounts = { cluster_added: number; cluster_modified: number; cluster_removed: number };

export type ClusterRegistry = {
  /** The cluster that serves under this name, or undefined. */
  get(name: string): ClusterState | undefined;
  /** Those that serve. */
  list(): readonly ClusterState[];
  /** Those that will serve once their first name is resolved and each of their hosts was asked for its health. */
  warming(): readonly ClusterState[];
  /** Resolves when none is warming (any more), or the registry was closed. */
  warmed(): Promise<void>;
  readonly counts: ClusterCounts;
  /** Takes the clusters and endpoints of a runtime. Removed clusters end what they carry. */
  apply(runtime: Runtime): void;
  close(): void;
};

export function createClusterRegistry(context: UpstreamContext): ClusterRegistry {
  const serving = new Map<string, ClusterVersion>();
  const warming = new Map<string, ClusterVersion>();
  const counts: ClusterCounts = { cluster_added: 0, cluster_modified: 0, cluster_removed: 0 };
  let waiting: (() => void)[] = [];
  const { local } = context;
  const localZone = (): LocalZone | undefined => {
    const peers = local && serving.get(local.clusterName)?.state.localities;
    return local && peers ? { name: localityName(local.locality), peers } : undefined;
  };
  const letGo = () => {
    if (warming.size > 0) return;
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  };
  const owner: VersionOwner = {
    onWarm(version) {
      const { name } = version.state;
      const before = serving.get(name);
      warming.delete(name);
      serving.set(name, version);
      before?.drain();
      // Both counted into the same numbers.
      version.state.rebuild();
      letGo();
    },
    // The proxies' own zones decide how much of the traffic may stay in them.
    onChange(version) {
      const { name } = version.state;
      if (name !== local?.clusterName || serving.get(name) !== version) return;
      for (const { state } of serving.values()) if (state.runtime.zoneAware && state !== version.state) state.rebuild();
    },
  };
  const drop = (version: ClusterVersion | undefined) => {
    if (!version) return;
    warming.delete(version.state.name);
    version.close();
    serving.get(version.state.name)?.state.rebuild();
    letGo();
  };
  const take = (cluster: ClusterRuntime): void => {
    const current = serving.get(cluster.name);
    const next = warming.get(cluster.name);
    if ((next ?? current)?.state.runtime === cluster) return;
    if (next ?? current) counts.cluster_modified++;
    else counts.cluster_added++;
    if (current && canChangeInPlace(current.state.runtime, cluster)) {
      drop(next);
      current.state.configure(cluster);
    } else if (next && canChangeInPlace(next.state.runtime, cluster)) next.state.configure(cluster);
    else {
      drop(next);
      warming.set(cluster.name, new ClusterVersion(cluster, context, { local: localZone, predecessor: current?.state, owner }));
    }
  };
  return {
    counts,
    get: (name) => serving.get(name)?.state,
    list: () => [...serving.values()].map(({ state }) => state),
    warming: () => [...warming.values()].map(({ state }) => state),
    warmed: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        letGo();
      }),
    apply(runtime) {
      for (const cluster of runtime.clusters.values()) {
        take(cluster);
        serving.get(cluster.name)?.follow(runtime);
        warming.get(cluster.name)?.follow(runtime);
      }
      const gone = new Set<string>();
      for (const versions of [warming, serving]) for (const name of versions.keys()) if (!runtime.clusters.has(name)) gone.add(name);
      counts.cluster_removed += gone.size;
      for (const name of gone) {
        drop(warming.get(name));
        serving.get(name)?.drain();
        serving.delete(name);
      }
    },
    close() {
      for (const version of [...warming.values(), ...serving.values()]) version.close();
      warming.clear();
      serving.clear();
      letGo();
    },
  };
}

/** Whether hosts that served the one configuration may serve the other without being asked anew: they keep their connections. */
function canChangeInPlace(from: ClusterRuntime, to: ClusterRuntime): boolean {
  if (from.discovery.kind !== to.discovery.kind) return false;
  const isDns = to.discovery.kind === 'strict_dns' || to.discovery.kind === 'logical_dns';
  if (!isDns && !to.healthCheck) return true;
  const decisive = ({ discovery, healthCheck, transport, transportMatches, protocol }: ClusterRuntime) =>
    to.healthCheck ? [discovery, healthCheck, transport, transportMatches, protocol] : [discovery];
  return isDeepStrictEqual(decisive(from), decisive(to));
}
