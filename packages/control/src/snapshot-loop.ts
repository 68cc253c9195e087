// Changes -> snapshots: collects a burst, then ingests it at once.

import type { Clock, Closable, Timer } from '@lateen/base';
import { EMPTY_SNAPSHOT, ingest, type MeshConfig, type MeshSnapshot, type ObjectChange, withMeshConfig } from '@lateen/mesh';
import type { ObjectSink } from './sources/source.ts';

export type SnapshotLoopOptions = {
  clock: Clock;
  /** A burst ends after this long without a change. */
  quietMs: number;
  /** A burst ends at the latest after this long. */
  maxMs: number;
  /** Called with each snapshot that differs from the one before. */
  onSnapshot: (snapshot: MeshSnapshot, burst: { changes: number; debounceMs: number }) => void;
};

export type SnapshotLoop = ObjectSink &
  Closable & {
    readonly current: MeshSnapshot;
    /** Ingests what is waiting now. */
    flush(): void;
  };

export function createSnapshotLoop({ clock, quietMs, maxMs, onSnapshot }: SnapshotLoopOptions): SnapshotLoop {
  let current = EMPTY_SNAPSHOT;
  let mesh: MeshConfig | undefined;
  let waiting: ObjectChange[] = [];
  let burst: { startedMs: number; timer: Timer } | undefined;

  const flush = (): void => {
    burst?.timer.cancel();
    const debounceMs = burst ? clock.monotonicMs() - burst.startedMs : 0;
    burst = undefined;
    const changes = waiting;
    waiting = [];
    const previous = current;
    if (mesh) current = withMeshConfig(current, mesh);
    if (changes.length > 0) current = ingest(current, changes);
    if (current !== previous) onSnapshot(current, { changes: changes.length, debounceMs });
  };
  const wait = (): void => {
    const now = clock.monotonicMs();
    const startedMs = burst?.startedMs ?? now;
    burst?.timer.cancel();
    burst = { startedMs, timer: clock.after(Math.max(0, Math.min(quietMs, startedMs + maxMs - now)), flush) };
  };
  return {
    get current() {
      return current;
    },
    change(changes) {
      waiting.push(...changes);
      wait();
    },
    setMeshConfig(next) {
      mesh = next;
      wait();
    },
    flush,
    close: () => burst?.timer.cancel(),
  };
}
