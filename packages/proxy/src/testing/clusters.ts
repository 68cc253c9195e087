import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { silentLogger } from '@lateen/base';
import { createVirtualClock, type VirtualClock } from '@lateen/base/testing';
import { createHostTransport } from '../io/host-transport.ts';
import { createTimeouts } from '../io/timer-wheel.ts';
import { type ClusterRegistry, createClusterRegistry } from '../upstream/cluster-registry.ts';
import type { Resolver, UpstreamContext } from '../upstream/cluster-state.ts';
import { runtimeOf } from './runtime.ts';

export type TestClusters = {
  clock: VirtualClock;
  registry: ClusterRegistry;
  apply(clusters: readonly JsonObject[], endpoints?: readonly JsonObject[]): ClusterRegistry;
};

/** Clusters by themselves, on a virtual clock; closed with the test, and no timer may be left then. Default: names resolve to nothing. */
export function startClusters(
  t: TestContext,
  resolve: Resolver = () => Promise.reject(new Error('no names here')),
  more: Partial<UpstreamContext> = {},
): TestClusters {
  const clock = createVirtualClock(1000);
  const timeouts = createTimeouts(clock);
  const registry = createClusterRegistry({
    transport: createHostTransport(),
    clock,
    timeouts,
    random: () => 0.5,
    resolve,
    logger: silentLogger,
    ...more,
  });
  t.after(() => {
    registry.close();
    timeouts.close();
    assert.equal(clock.pendingTimers, 0);
  });
  return {
    clock,
    registry,
    apply(clusters, endpoints = []) {
      registry.apply(runtimeOf({ clusters, endpoints }));
      return registry;
    },
  };
}
