// Watches the process's resources and says what load to take off. The data path reads plain fields; nothing is computed there.

import type { Clock, Logger } from '@lateen/base';
import { createHeapGauge, type HeapGaugeOptions, readHeap } from './heap.ts';
import { OVERLOAD_ACTIONS, type OverloadAction, type OverloadSettings, type OverloadTrigger, scaleTimeout } from './settings.ts';

/** What the data path asks. */
export type OverloadState = {
  /** Answers end their connections. */
  readonly endsKeepalive: boolean;
  /** New requests get 503. */
  readonly stopsRequests: boolean;
  /** New connections are closed as they come. */
  readonly refusesConnections: boolean;
  /** Connections that all listeners together may have. */
  readonly maxDownstreamConnections: number;
};

/** Never overloaded. */
export const NEVER_OVERLOADED: OverloadState = {
  endsKeepalive: false,
  stopsRequests: false,
  refusesConnections: false,
  maxDownstreamConnections: Number.POSITIVE_INFINITY,
};

/** What is done to connections at each refresh while there is pressure. */
export type OverloadTargets = {
  /** Closes connections without a request for longer than `idleTimeoutMs` makes of their own timeout. */
  closeIdle(shorten: (idleTimeoutMs: number) => number): void;
  /** Resets the streams that hold at least `fromBytes`, the biggest first, at most `limit`; gives how many. */
  resetBiggest(fromBytes: number, limit: number): number;
};

export type Overload = OverloadState & {
  /** By Envoy's names, e.g. `overload.envoy.overload_actions.shrink_heap.active`. */
  stats(): { readonly name: string; readonly type: 'gauge' | 'counter'; readonly value: number }[];
  close(): void;
};

export type OverloadOptions = Pick<HeapGaugeOptions, 'read' | 'collect'> & {
  settings: OverloadSettings;
  clock: Clock;
  logger: Logger;
  targets: OverloadTargets;
  /** Open files that the process may have; half of them are for downstream connections. Default unlimited. */
  maxOpenFiles?: number;
};

/** Envoy resets at most this many streams per refresh. */
const RESETS_PER_REFRESH = 50;
/** Sizes are told apart by powers of two; the first to go are 2^7 times the smallest. */
const SIZE_CLASSES = 8;

/** Refreshes until closed. */
export function createOverload({ settings, clock, logger, targets, maxOpenFiles, ...heapOptions }: OverloadOptions): Overload {
  const levels = new Map<OverloadAction, number>(OVERLOAD_ACTIONS.map((action) => [action, 0]));
  const level = (action: OverloadAction) => levels.get(action) ?? 0;
  const shrinkFrom = Math.min(...(settings.actions.get('shrink_heap') ?? []).map(({ scaling }) => scaling));
  const heap =
    settings.heap && createHeapGauge({ clock, collectFrom: shrinkFrom, read: readHeap(settings.heap.maxBytes), ...definedOf(heapOptions) });
  let pressure = 0;
  let resets = 0;
  const refresh = () => {
    if (heap) pressure = heap.pressure();
    for (const [action, triggers] of settings.actions) {
      const before = level(action);
      const now = Math.max(...triggers.map((trigger) => (trigger.resource === settings.heap?.name ? levelOf(trigger, pressure) : 0)));
      levels.set(action, now);
      if (now === 1 && before < 1) logger.warn('overload action begins', { action, heapPercent: Math.round(pressure * 100) });
      if (now < 1 && before === 1) logger.info('overload action ends', { action, heapPercent: Math.round(pressure * 100) });
    }
    const { connectionIdle } = settings;
    const reduce = level('reduce_timeouts');
    if (reduce > 0 && connectionIdle) targets.closeIdle((timeoutMs) => scaleTimeout(timeoutMs, connectionIdle, reduce));
    const reset = level('reset_high_memory_stream');
    if (reset > 0) {
      const classes = Math.max(1, Math.floor(reset * SIZE_CLASSES));
      resets += targets.resetBiggest(settings.smallestResetBytes * 2 ** (SIZE_CLASSES - classes), RESETS_PER_REFRESH);
    }
  };
  const timer = clock.every(settings.refreshIntervalMs, refresh);
  return {
    get endsKeepalive() {
      return level('disable_http_keepalive') === 1;
    },
    get stopsRequests() {
      return level('stop_accepting_requests') === 1;
    },
    // Node cannot leave connections in the kernel's queue, so both actions close them.
    get refusesConnections() {
      return level('stop_accepting_connections') === 1 || level('reject_incoming_connections') === 1;
    },
    maxDownstreamConnections: Math.min(settings.maxDownstreamConnections, Math.floor((maxOpenFiles ?? Number.POSITIVE_INFINITY) / 2)),
    stats: () => [
      ...(settings.heap
        ? [{ name: `overload.${settings.heap.name}.pressure`, type: 'gauge' as const, value: Math.floor(pressure * 100) }]
        : []),
      ...[...settings.actions.keys()].flatMap((action) => [
        { name: `overload.${PREFIX}${action}.active`, type: 'gauge' as const, value: level(action) === 1 ? 1 : 0 },
        { name: `overload.${PREFIX}${action}.scale_percent`, type: 'gauge' as const, value: Math.floor(level(action) * 100) },
      ]),
      { name: `${PREFIX}reset_high_memory_stream.count`, type: 'counter', value: resets },
      { name: `overload.${PREFIX}shrink_heap.shrink_count`, type: 'counter', value: heap?.collections ?? 0 },
    ],
    close: () => timer.cancel(),
  };
}

/** How Envoy's configuration names the actions. */
export const PREFIX = 'envoy.overload_actions.';

function levelOf({ scaling, saturation }: OverloadTrigger, pressure: number): number {
  if (pressure >= saturation) return 1;
  return pressure > scaling ? (pressure - scaling) / (saturation - scaling) : 0;
}

const definedOf = ({ read, collect }: Pick<HeapGaugeOptions, 'read' | 'collect'>) => ({
  ...(read && { read }),
  ...(collect && { collect }),
});
