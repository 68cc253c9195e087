// A cluster on virtual time, for tests of what a balancer does: hosts are addresses that nobody connects to.

import type { JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '@lateen/base';
import { createVirtualClock, type VirtualClock } from '@lateen/base/testing';
import { createHostTransport } from '../io/host-transport.ts';
import { createTimeouts } from '../io/timer-wheel.ts';
import { runtimeOf } from '../testing/runtime.ts';
import { type ClusterRegistry, createClusterRegistry } from '../upstream/cluster-registry.ts';
import type { ClusterState, HostChoice, Resolver, UpstreamContext } from '../upstream/cluster-state.ts';
import type { Host } from '../upstream/host.ts';

/** Uniform in [0, 1), the same in every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export type Endpoint = { address: string; health?: string; weight?: number; metadata?: JsonObject };
export type Place = { zone?: string; region?: string; priority?: number; weight?: number | undefined; endpoints: readonly Endpoint[] };

export function loadAssignment(places: readonly Place[], policy: JsonObject = {}): JsonObject {
  return {
    cluster_name: 'c',
    policy,
    endpoints: places.map(({ zone = '', region = '', priority = 0, weight, endpoints }) => ({
      locality: { region, zone },
      priority,
      ...(weight !== undefined && { load_balancing_weight: weight }),
      lb_endpoints: endpoints.map(({ address, health = 'HEALTHY', weight: own = 1, metadata }) => ({
        health_status: health,
        load_balancing_weight: own,
        ...(metadata && { metadata: { filter_metadata: { 'envoy.lb': metadata } } }),
        endpoint: { address: { socket_address: { address, port_value: 80 } } },
      })),
    })),
  };
}

/** `counts` healthy, degraded, then unhealthy hosts of a priority, named 10.<priority>.0.x. */
export function level(priority: number, [healthy, degraded, unhealthy]: readonly [number, number, number]): Place {
  const endpoints = [
    ...Array<string>(healthy).fill('HEALTHY'),
    ...Array<string>(degraded).fill('DEGRADED'),
    ...Array<string>(unhealthy).fill('UNHEALTHY'),
  ].map((health, i) => ({ health, address: `10.${priority}.${i >> 8}.${i & 255}` }));
  return { priority, endpoints };
}

export type Balanced = {
  readonly clock: VirtualClock;
  readonly registry: ClusterRegistry;
  readonly cluster: ClusterState;
  /** Gives the cluster other endpoints. */
  place(places: readonly Place[], policy?: JsonObject): void;
  /** How often each of `keyOf` was picked in `picks` (default 10,000); '' counts picks that found nobody. */
  split(keyOf: (host: Host) => string, choice?: HostChoice, picks?: number): Map<string, number>;
  close(): void;
};

export type BalancedOptions = {
  /** Of the cluster. */
  fields?: JsonObject;
  places?: readonly Place[];
  policy?: JsonObject;
  resolve?: Resolver;
  local?: UpstreamContext['local'];
  /** Further clusters. */
  others?: readonly JsonObject[];
};

export function balanced({ fields = {}, places = [], policy = {}, resolve, local, others = [] }: BalancedOptions): Balanced {
  const clock = createVirtualClock(1_000_000);
  const registry = createClusterRegistry({
    transport: createHostTransport(),
    clock,
    timeouts: createTimeouts(clock),
    random: seeded(7),
    resolve: resolve ?? (() => Promise.reject(new Error('no names here'))),
    logger: silentLogger,
    local,
  });
  const eds = { type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } } };
  const clusters = [{ name: 'c', ...('type' in fields ? {} : eds), ...fields }, ...others];
  const place = (next: readonly Place[], nextPolicy: JsonObject = policy) =>
    registry.apply(runtimeOf({ clusters, endpoints: [loadAssignment(next, nextPolicy)] }));
  place(places);
  const cluster = (registry.get('c') ?? registry.warming()[0]) as ClusterState;
  return {
    clock,
    registry,
    cluster,
    place,
    split(keyOf, choice = {}, picks = 10_000) {
      const counts = new Map<string, number>();
      for (let i = 0; i < picks; i++) {
        const host = cluster.pick(undefined, choice);
        const key = host ? keyOf(host) : '';
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return counts;
    },
    close: () => registry.close(),
  };
}
