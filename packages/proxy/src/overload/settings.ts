// When the proxy takes load off itself, and how. Names are Envoy's (overload manager).

export const OVERLOAD_ACTIONS = [
  'shrink_heap',
  'reduce_timeouts',
  'reset_high_memory_stream',
  'disable_http_keepalive',
  'stop_accepting_requests',
  'stop_accepting_connections',
  'reject_incoming_connections',
] as const;
export type OverloadAction = (typeof OVERLOAD_ACTIONS)[number];

/** The action's level is 0 below `scaling` and 1 from `saturation` on, rising in between. Equal: all or nothing. */
export type OverloadTrigger = { readonly resource: string; readonly scaling: number; readonly saturation: number };

/** The shortest that a timeout may become: absolute, or a share of itself. */
export type ShortestTimeout = { readonly kind: 'ms'; readonly ms: number } | { readonly kind: 'share'; readonly share: number };

export type OverloadSettings = {
  readonly refreshIntervalMs: number;
  /** Name of the heap monitor in triggers and statistics; undefined: the heap is not watched. */
  readonly heap: { readonly name: string; readonly maxBytes: number | undefined } | undefined;
  /** Connections of all listeners together. */
  readonly maxDownstreamConnections: number;
  readonly actions: ReadonlyMap<OverloadAction, readonly OverloadTrigger[]>;
  /** What `reduce_timeouts` does to the idle timeout of a connection; undefined: nothing. */
  readonly connectionIdle: ShortestTimeout | undefined;
  /** Streams that hold less than this are never reset. */
  readonly smallestResetBytes: number;
};

const HEAP = 'envoy.resource_monitors.fixed_heap';
const at = (saturation: number, scaling = saturation): OverloadTrigger[] => [{ resource: HEAP, scaling, saturation }];

/** Without a configuration: Envoy's advice for proxies that strangers reach. */
export const DEFAULT_OVERLOAD: OverloadSettings = {
  refreshIntervalMs: 250,
  heap: { name: HEAP, maxBytes: undefined },
  maxDownstreamConnections: 50_000,
  actions: new Map([
    ['shrink_heap', at(0.85)],
    ['reduce_timeouts', at(0.95, 0.85)],
    ['disable_http_keepalive', at(0.92)],
    ['stop_accepting_requests', at(0.95)],
    ['stop_accepting_connections', at(0.95)],
    ['reset_high_memory_stream', at(0.98, 0.92)],
  ]),
  connectionIdle: { kind: 'ms', ms: 2000 },
  smallestResetBytes: 32 * 1024,
};

/** The idle timeout at a level of `reduce_timeouts` from 0 to 1. */
export function scaleTimeout(timeoutMs: number, shortest: ShortestTimeout, level: number): number {
  const floorMs = shortest.kind === 'ms' ? Math.min(shortest.ms, timeoutMs) : shortest.share * timeoutMs;
  return floorMs + (timeoutMs - floorMs) * (1 - level);
}
