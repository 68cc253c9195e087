// How full memory is. Node's figure counts garbage too, so near the limit it is collected first, at most a tenth of the time.

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '@lateen/base';

/** Bytes in use and the bytes at which the process would end. */
export type HeapReading = { readonly usedBytes: number; readonly limitBytes: number };

export type HeapGauge = {
  /** From 0 to 1 and beyond. */
  pressure(): number;
  /** How often garbage was collected on purpose. */
  readonly collections: number;
};

export type HeapGaugeOptions = {
  clock: Clock;
  /** From this pressure on garbage is collected before the figure counts. */
  collectFrom: number;
  read?: () => HeapReading;
  collect?: () => void;
};

const SHORTEST_PAUSE_MS = 1000;

export function createHeapGauge({
  clock,
  collectFrom,
  read = readHeap(undefined),
  collect = () => collectGarbage(clock),
}: HeapGaugeOptions): HeapGauge {
  let collections = 0;
  let nextMs = Number.NEGATIVE_INFINITY;
  let live = 0;
  const ratio = () => {
    const { usedBytes, limitBytes } = read();
    return usedBytes / limitBytes;
  };
  return {
    pressure() {
      const raw = ratio();
      if (raw < collectFrom) return raw;
      const startMs = clock.monotonicMs();
      if (startMs < nextMs) return live < collectFrom ? live : raw;
      collections++;
      collect();
      const endMs = clock.monotonicMs();
      nextMs = endMs + Math.max(SHORTEST_PAUSE_MS, 9 * (endMs - startMs));
      live = ratio();
      return live;
    },
    get collections() {
      return collections;
    },
  };
}

/** V8 counts three semi-spaces into its limit, but gives up when the old generation alone is full. */
const YOUNG_BYTES = 96 * 1024 * 1024;

/**
 * Reads this process: V8's heap against V8's limit, or all that JavaScript holds (buffers too) against `maxBytes`, by default the
 * control group's limit, whichever is fuller.
 */
export function readHeap(maxBytes: number | undefined): () => HeapReading {
  const constrained = process.constrainedMemory();
  const limit = maxBytes ?? (constrained > 0 && constrained < Number.MAX_SAFE_INTEGER ? constrained : Number.POSITIVE_INFINITY);
  const { heap_size_limit } = getHeapStatistics();
  const heapLimit = Math.max(heap_size_limit - YOUNG_BYTES, heap_size_limit / 2);
  return () => {
    const { used_heap_size, external_memory } = getHeapStatistics();
    const all = used_heap_size + external_memory;
    return all / limit > used_heap_size / heapLimit
      ? { usedBytes: all, limitBytes: limit }
      : { usedBytes: used_heap_size, limitBytes: heapLimit };
  };
}

let gc: (() => void) | undefined;
/** Proxies may share a process; its garbage is collected once for all of them. */
let collectedUntilMs = Number.NEGATIVE_INFINITY;

function collectGarbage(clock: Clock): void {
  const startMs = clock.monotonicMs();
  if (startMs < collectedUntilMs) return;
  if (!gc) {
    // The only way to V8's collector in a process that was started without the flag.
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as () => void;
  }
  gc();
  const endMs = clock.monotonicMs();
  collectedUntilMs = endMs + Math.max(SHORTEST_PAUSE_MS, 9 * (endMs - startMs));
}
