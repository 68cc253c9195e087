// Network namespaces held by file descriptors alone, so that nothing outlives the processes that use them. setns acts on the
// calling thread: everything here is synchronous, on the main thread, and goes back to where it was before it returns.

import { closeSync, openSync } from 'node:fs';
import { libc } from './libc.ts';

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWNET = 0x40000000;

/** A network namespace; it lives until `close` and until its last process and socket are gone. */
export type Netns = { readonly fd: number; close(): void };

let home: number | undefined;

/** The namespace this process runs in (its "node" namespace). Open for the life of the process. */
const homeFd = () => {
  home ??= openNamespace('net');
  return home;
};

/** Descriptor of a namespace of the calling thread; the caller closes it. */
export function openNamespace(kind: 'net' | 'mnt' | 'uts'): number {
  return openSync(`/proc/thread-self/ns/${kind}`, 'r');
}

/** A new, empty network namespace. Needs CAP_SYS_ADMIN in the current user namespace. */
export function createNetns(): Netns {
  const back = homeFd();
  libc().unshare(CLONE_NEWNET);
  let fd: number | undefined;
  try {
    fd = openNamespace('net');
  } finally {
    restore(back, CLONE_NEWNET);
  }
  let open = true;
  return {
    fd,
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Runs `run`, which must be synchronous, inside the namespace. */
export function insideNetns<T>(netns: Netns, run: () => T): T {
  const back = homeFd();
  libc().setns(netns.fd, CLONE_NEWNET);
  try {
    return run();
  } finally {
    restore(back, CLONE_NEWNET);
  }
}

/** Back to where the thread belongs. A process that cannot go back would make every later socket in the wrong place. */
export function restore(fd: number, type: number): void {
  try {
    libc().setns(fd, type);
  } catch {
    process.abort();
  }
}
