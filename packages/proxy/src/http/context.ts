// What the parts of a request's path share: the proxy's services, and one connection manager's compiled configuration.

import type { Clock, Logger } from '@lateen/base';
import type { HttpFilter } from '../filters/filter.ts';
import type { Timeouts } from '../io/timer-wheel.ts';
import type { OverloadState } from '../overload/overload.ts';
import type { HcmRuntime, Runtime, RuntimeKeys } from '../runtime/model.ts';
import type { ClusterRegistry } from '../upstream/cluster-registry.ts';
import type { HttpObserver } from './observer.ts';

/** Who this proxy is, as it tells its peers (the bootstrap's node). */
export type NodeIdentity = {
  readonly id: string;
  readonly cluster: string;
  /** Node metadata: NAME, NAMESPACE, LABELS, CLUSTER_ID, WORKLOAD_NAME, OWNER … */
  readonly metadata: Readonly<Record<string, unknown>>;
};

/** The proxy's services. */
export type ProxyContext = {
  readonly clock: Clock;
  readonly timeouts: Timeouts;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly newRequestId: () => string;
  readonly node: NodeIdentity;
  readonly clusters: ClusterRegistry;
  /** The live configuration. */
  readonly runtime: () => Runtime;
  readonly logger: Logger;
  /** What load the proxy takes off itself just now. */
  readonly overload: OverloadState;
  /** Load balancers are told to go elsewhere (/healthcheck/fail): health checks fail, answers end their connections. */
  readonly isFailingHealthChecks: () => boolean;
  /** Undefined: there are none. */
  readonly runtimeKeys?: RuntimeKeys | undefined;
};

/** A downstream HTTP connection, as the filter chain that serves it sees it. */
export interface ServedHttp {
  /** No new request after those under way: GOAWAY; HTTP/1.1 says so in its next answer (`HcmContext.isDraining`). */
  startDrain(): void;
  /** For how long no request has been under way; undefined while one is. */
  readonly idleMs: number | undefined;
}

/** One connection manager, compiled: shared by its connections. */
export type HcmContext = {
  readonly proxy: ProxyContext;
  readonly hcm: HcmRuntime;
  readonly observer: HttpObserver;
  /** How much of a message may wait in memory (the listener's per_connection_buffer_limit_bytes). */
  readonly bufferLimitBytes: number;
  /** In order; the router is last. */
  readonly filters: readonly HttpFilter[];
  /** True from the moment the listener drains: answers say "connection: close". */
  readonly isDraining: () => boolean;
};
