// Tells when files may have changed. Directories are watched rather than files: certificates are replaced by a rename, theirs or
// that of a directory which a link points to (Kubernetes volumes).

import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Timer } from '@lateen/base';

export type FileWatcher = {
  /** What to watch from now on: `onChange(id)` follows, at least 100 ms after the last event, when one of its paths may have changed. */
  follow(watches: ReadonlyMap<string, { readonly files: readonly string[]; readonly directories: readonly string[] }>): void;
  close(): void;
};

// Certificate and key are two files: the second is written while the first is noticed.
const SETTLE_MS = 100;

export function createFileWatcher(clock: Clock, onChange: (id: string) => void): FileWatcher {
  const watchers = new Map<string, FSWatcher>();
  let idsByDirectory = new Map<string, Set<string>>();
  const pending = new Map<string, Timer>();
  const settle = (directory: string) => {
    pending.get(directory)?.cancel();
    const fire = () => {
      pending.delete(directory);
      for (const id of idsByDirectory.get(directory) ?? []) onChange(id);
    };
    pending.set(directory, clock.after(SETTLE_MS, fire, { background: true }));
  };
  const open = (directory: string) => {
    try {
      const watcher = watch(directory, { persistent: false }, () => settle(directory));
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(directory);
      });
      watchers.set(directory, watcher);
    } catch {
      // Not there (yet): tried again when the configuration changes.
    }
  };
  return {
    follow(watches) {
      const next = new Map<string, Set<string>>();
      for (const [id, { files, directories }] of watches) {
        for (const directory of [...files.map((file) => dirname(file)), ...directories]) {
          const ids = next.get(directory) ?? new Set();
          next.set(directory, ids.add(id));
        }
      }
      idsByDirectory = next;
      for (const [directory, watcher] of watchers) {
        if (next.has(directory)) continue;
        watcher.close();
        watchers.delete(directory);
      }
      for (const directory of next.keys()) if (!watchers.has(directory)) open(directory);
    },
    close() {
      for (const timer of pending.values()) timer.cancel();
      pending.clear();
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
