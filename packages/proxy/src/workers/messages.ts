// What the main thread and its workers say to each other. Everything here survives structured cloning.

import type { LogLevel } from '@lateen/base';
import type { ResourceUpdate } from '@lateen/xds/client';
import type { Stat } from '../observe/stats.ts';
import type { SharedCountsMemory } from './shared-counts.ts';

/** What a worker starts from. */
export type WorkerSetup = {
  /**
   * envoy.config.bootstrap.v3.Bootstrap, encoded, without ADS and admin interface. Listeners that asked for port 0 carry the port
   * that the main thread got.
   */
  readonly bootstrap: Uint8Array;
  /** What the main thread hands over. */
  readonly fed: readonly ('cluster' | 'listener')[];
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  /** Threads in all: each takes its share of the connection limits. */
  readonly concurrency: number;
  /** Of circuit breakers. */
  readonly sharedCounts: SharedCountsMemory;
  /** Variables that secrets of the configuration may name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** The setup of one thread; the main one is 0. */
export type ThreadSetup = WorkerSetup & { readonly thread: number };

export type ToWorker =
  /** The worker answers `applied` with the same number. */
  | { readonly kind: 'update'; readonly number: number; readonly update: ResourceUpdate }
  /** The worker answers `collected` with the same number. */
  | { readonly kind: 'collect'; readonly number: number }
  /** A command of the admin interface that changes something. */
  | { readonly kind: 'command'; readonly path: string; readonly query: string }
  /** The worker closes everything and ends. */
  | { readonly kind: 'close' };

export type FromWorker =
  /** `number` 0: the static resources are served. `error` is empty when all went well. */
  | { readonly kind: 'applied'; readonly number: number; readonly error: string }
  | { readonly kind: 'collected'; readonly number: number; readonly collected: Collected }
  /** Access log text for a path as configured. */
  | { readonly kind: 'log'; readonly path: string; readonly text: string };

/** The numbers of one thread. */
export type Collected = {
  readonly stats: readonly Stat[];
  /** Istio's metrics as Prometheus text. */
  readonly exposition: string;
  readonly connectionCount: number;
};
