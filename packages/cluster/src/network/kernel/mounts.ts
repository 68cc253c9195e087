// A pod's view of the file system: bind mounts over the host's tree, in a mount namespace of its own. Nothing is written to the
// host: a mount point that does not exist there appears in a tmpfs that shadows its nearest existing folder. Runs inside the new
// namespace, on the calling thread, synchronously.

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { CodedError, codeOf } from '@lateen/base';
import { libc } from './libc.ts';

const [MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE] = [
  1,
  2,
  4,
  8,
  32,
  4096,
  16384,
  1 << 18,
] as const;
const MNT_DETACH = 2;
const MAX_SHADOW_ENTRIES = 4096;
const MAX_SYMLINKS = 40;

export type BindMount = { source: string; target: string; readOnly: boolean };
/** A generated file, e.g. /etc/resolv.conf. */
export type MountedFile = { target: string; content: string };

/** Makes the mounts, and moves the thread's root when a mount point lies in a new top-level folder. Throws on what cannot be mounted. */
export function arrangeMounts(binds: BindMount[], files: MountedFile[]): void {
  libc().mount('none', '/', null, MS_REC | MS_PRIVATE);
  const wanted = binds.map((bind) => ({ ...bind, target: path.resolve('/', bind.target) }));
  const arrangement = createArrangement(pickStaging([...wanted, ...files].map(({ target }) => target)));
  const sources = files.map(({ target, content }, i): BindMount => {
    const source = `${arrangement.staging}/file-${i}`;
    writeFileSync(source, content);
    return { source, target, readOnly: false };
  });
  const all = [...sources, ...arrangement.keepSources(wanted)].sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
  if (all.some(({ target }) => landing(target).existing === '/' && target !== '/')) arrangement.moveRoot();
  for (const bind of all) arrangement.bind(bind);
  libc().umount(arrangement.staging, MNT_DETACH);
}

// Any folder will do as a place to build in: it is hidden only in this namespace and only until the pod starts.
function pickStaging(targets: string[]): string {
  const free = (folder: string) => targets.every((target) => !within(target, folder));
  const staging = ['/mnt', '/media', '/srv', '/opt', '/tmp', '/var', '/usr'].find((folder) => free(folder) && existsSync(folder));
  if (staging) return staging;
  throw new CodedError({ code: 'LAT4108', what: 'no folder to prepare the mounts of the pod in', fix: 'create an empty /mnt' });
}

type Arrangement = {
  staging: string;
  /** Makes sources reachable that one of the mounts will hide. */
  keepSources(mounts: BindMount[]): BindMount[];
  moveRoot(): void;
  bind(mount: BindMount): void;
};

function createArrangement(staging: string): Arrangement {
  const kernel = libc();
  // Folders of ours, in which a mount point can simply be made, and volumes, in which Kubernetes makes them too.
  const ours = new Set<string>();
  const volumes: string[] = [];
  let shadows = 0;
  kernel.mount('tmpfs', staging, 'tmpfs', MS_NOSUID | MS_NODEV);

  const shadow = (folder: string) => {
    const base = `${staging}/shadow-${shadows++}`;
    mkdirSync(`${base}/old`, { recursive: true });
    mkdirSync(`${base}/new`);
    kernel.mount(folder, `${base}/old`, null, MS_BIND | MS_REC);
    copyTree(`${base}/old`, `${base}/new`);
    kernel.mount(`${base}/new`, folder, null, MS_BIND | MS_REC);
    ours.add(folder);
  };
  const mountPoint = (target: string, isFolder: boolean): string => {
    const { existing, missing } = landing(target);
    if (missing.length === 0) return existing;
    if (!ours.has(existing) && !volumes.some((volume) => within(existing, volume))) shadow(existing);
    let at = existing;
    for (const [i, name] of missing.entries()) {
      at = path.join(at, name);
      if (i === missing.length - 1 && !isFolder) writeFileSync(at, '');
      else mkdirSync(at);
      ours.add(at);
    }
    return at;
  };
  return {
    staging,
    keepSources: (mounts) =>
      mounts.map((mount, i) => {
        if (!mounts.some(({ target }) => within(mount.source, target))) return mount;
        const kept = `${staging}/source-${i}`;
        if (statSync(mount.source).isDirectory()) mkdirSync(kept);
        else writeFileSync(kept, '');
        kernel.mount(mount.source, kept, null, MS_BIND | MS_REC);
        return { ...mount, source: kept };
      }),
    moveRoot() {
      const root = `${staging}/root`;
      mkdirSync(root);
      copyTree('/', root, path.dirname(staging) === '/' ? path.basename(staging) : undefined);
      kernel.chroot(root);
      process.chdir('/');
      ours.add('/');
    },
    bind({ source, target, readOnly }) {
      const point = mountPoint(target, statSync(source).isDirectory());
      kernel.mount(source, point, null, MS_BIND | MS_REC);
      if (readOnly) remountReadOnly(point);
      else volumes.push(point);
    },
  };
}

/** The entries of a folder, bound one by one into an empty one; `first` goes first. */
function copyTree(from: string, to: string, first?: string): void {
  const entries = readdirSync(from, { withFileTypes: true });
  if (entries.length > MAX_SHADOW_ENTRIES) {
    throw new CodedError({ code: 'LAT4102', what: `cannot add a mount point in ${from}`, why: `it has ${entries.length} entries` });
  }
  chmodSync(to, statSync(from).mode & 0o7777);
  entries.sort((a, b) => Number(b.name === first) - Number(a.name === first));
  for (const entry of entries) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isSymbolicLink()) {
      symlinkSync(readlinkSync(source), target);
      continue;
    }
    if (entry.isDirectory()) mkdirSync(target);
    else writeFileSync(target, '');
    try {
      libc().mount(source, target, null, MS_BIND | MS_REC);
    } catch (error) {
      // What may not be bound (vanished, or locked by an outer namespace) stays an empty entry.
      if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EACCES') throw error;
    }
  }
}

// In a user namespace the flags that the original mount carries are locked: they must be repeated, and may be added to.
function remountReadOnly(target: string): void {
  const additions = [0, MS_NOSUID | MS_NODEV, MS_NOSUID | MS_NODEV | MS_NOEXEC];
  for (const [i, added] of additions.entries()) {
    try {
      return libc().mount('none', target, null, MS_REMOUNT | MS_BIND | MS_RDONLY | added);
    } catch (error) {
      if (codeOf(error) !== 'EPERM' || i === additions.length - 1) throw error;
    }
  }
}

/** How far a path exists, with links resolved, and what is missing below. */
function landing(target: string, links = 0): { existing: string; missing: string[] } {
  try {
    return { existing: realpathSync(target), missing: [] };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || links > MAX_SYMLINKS) throw error;
  }
  if (isLink(target)) return landing(path.resolve(path.dirname(target), readlinkSync(target)), links + 1);
  const parent = landing(path.dirname(target), links);
  return { existing: parent.existing, missing: [...parent.missing, path.basename(target)] };
}

const isLink = (file: string) => lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
const within = (file: string, folder: string) => file === folder || file.startsWith(`${folder}/`);
