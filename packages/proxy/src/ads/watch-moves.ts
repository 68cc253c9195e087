// Tells when a file was moved into place, as Envoy's subscriptions to files need it: what is written in place is not read, since it
// may be half written. Node says "rename" of what was created, moved or removed alike, so the rest follows from the file and from
// the events around it.

import { type BigIntStats, type FSWatcher, lstatSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock, Timer } from '@lateen/base';

export type MoveWatch = {
  readonly path: string;
  /** Not empty: anything moved within this directory counts, instead of the file (Kubernetes' volumes move a link). */
  readonly watchedDirectory: string;
};

export type MoveWatcherOptions = {
  clock: Clock;
  onMove(id: string): void;
  /** A directory cannot be watched (any longer); it is tried again with the next `follow`. */
  onError(directory: string, error: unknown): void;
};

export type MoveWatcher = {
  /** What to watch from now on. */
  follow(watches: ReadonlyMap<string, MoveWatch>): void;
  close(): void;
};

type Watched = {
  readonly watcher: FSWatcher;
  /** By name in the directory; '' for any name. */
  idsByName: Map<string, Set<string>>;
  /** Of the event before, while events that came together are handled. */
  lastName: string;
  /** Names that were created or moved into place, which of them the next events tell. */
  readonly undecided: Map<string, Timer>;
};

// Writers write right after they create.
const DECISION_MS = 50;

export function createMoveWatcher({ clock, onMove, onError }: MoveWatcherOptions): MoveWatcher {
  const directories = new Map<string, Watched>();

  const tell = ({ idsByName }: Watched, name: string) => {
    for (const key of ['', name]) for (const id of idsByName.get(key) ?? []) onMove(id);
  };
  const decide = (directory: string, watched: Watched, name: string) => {
    const before = watched.lastName;
    watched.lastName = name;
    setImmediate(() => {
      watched.lastName = '';
    });
    if (!watched.idsByName.has(name) && !watched.idsByName.has('')) return;
    const stats = statOf(join(directory, name));
    if (!stats) return;
    const moved = () => {
      watched.undecided.delete(name);
      tell(watched, name);
    };
    watched.undecided.get(name)?.cancel();
    watched.undecided.delete(name);
    // A move changes the inode but not the content; and the old name, where it is in the same directory, has just gone.
    const hasLeftOldName = before !== '' && before !== name && !statOf(join(directory, before));
    if (stats.ctimeNs > stats.mtimeNs || hasLeftOldName) return moved();
    // Both times come from a clock that ticks every few milliseconds.
    if (stats.isFile() && stats.size > 0n) watched.undecided.set(name, clock.after(DECISION_MS, moved, { background: true }));
  };

  const open = (directory: string): Watched => {
    const watcher = watch(directory, { persistent: false }, (event, name) => {
      if (name === null) return;
      if (event === 'rename') return decide(directory, watched, name);
      const pending = watched.undecided.get(name);
      if (!pending) return;
      pending.cancel();
      watched.undecided.delete(name);
      // Only its mode or owner changed, or it was written.
      const stats = statOf(join(directory, name));
      if (stats && stats.ctimeNs > stats.mtimeNs) tell(watched, name);
    });
    const watched: Watched = { watcher, idsByName: new Map(), lastName: '', undecided: new Map() };
    watcher.on('error', (error) => {
      shut(watched);
      directories.delete(directory);
      onError(directory, error);
    });
    return watched;
  };
  const shut = ({ watcher, undecided }: Watched) => {
    watcher.close();
    for (const timer of undecided.values()) timer.cancel();
  };

  return {
    follow(watches) {
      const next = new Map<string, Map<string, Set<string>>>();
      for (const [id, { path, watchedDirectory }] of watches) {
        const directory = watchedDirectory || dirname(path);
        const name = watchedDirectory ? '' : basename(path);
        const idsByName = next.get(directory) ?? new Map<string, Set<string>>();
        next.set(directory, idsByName);
        idsByName.set(name, (idsByName.get(name) ?? new Set<string>()).add(id));
      }
      for (const [directory, watched] of directories) {
        if (next.has(directory)) continue;
        shut(watched);
        directories.delete(directory);
      }
      for (const [directory, idsByName] of next) {
        try {
          const watched = directories.get(directory) ?? open(directory);
          watched.idsByName = idsByName;
          directories.set(directory, watched);
        } catch (error) {
          onError(directory, error);
        }
      }
    },
    close() {
      for (const watched of directories.values()) shut(watched);
      directories.clear();
    },
  };
}

function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
