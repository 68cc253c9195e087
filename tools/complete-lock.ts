// npm leaves out of package-lock.json the optional packages that the registry at hand does not have (binaries for other
// platforms, on a partial mirror), and `npm ci` then refuses the lock file. This adds them, with the platform that their names
// say, so that the lock is complete everywhere. Run it after every `npm install`: `npm run lock`.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

type LockEntry = {
  version?: string;
  optionalDependencies?: Record<string, string>;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
};
type Lock = { packages: Record<string, LockEntry> };

const OS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const CPU: [mark: string, cpu: string][] = [
  ['arm64', 'arm64'],
  ['armv7', 'arm'],
  ['arm', 'arm'],
  ['ia32', 'ia32'],
  ['ppc64', 'ppc64'],
  ['riscv64', 'riscv64'],
  ['s390x', 's390x'],
  ['x64', 'x64'],
];

/** The entry of a package that could not be looked at. @throws Error when its name tells no platform */
export function entryFromName(name: string, version: string, isDev: boolean): LockEntry {
  const marks = name.split(/[/-]/);
  const os = OS.find((one) => marks.includes(one));
  const cpu = CPU.find(([mark]) => marks.includes(mark))?.[1];
  if (!os || !cpu) throw new Error(`${name}: cannot tell its platform by its name`);
  const libc = os === 'linux' ? [marks.some((mark) => mark.startsWith('musl')) ? 'musl' : 'glibc'] : undefined;
  return { version, cpu: [cpu], ...(isDev ? { dev: true } : {}), ...(libc ? { libc } : {}), optional: true, os: [os] };
}

/** Adds what is missing; the number of entries added. */
export function completeLock(lock: Lock): number {
  let added = 0;
  for (const entry of Object.values({ ...lock.packages })) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (lock.packages[path]) continue;
      lock.packages[path] = entryFromName(name, version, entry.dev === true);
      added++;
    }
  }
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  lock.packages = Object.fromEntries(sorted);
  return added;
}

if (import.meta.main) {
  const file = join(resolve(import.meta.dirname, '..'), 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock;
  const added = completeLock(lock);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`package-lock.json: ${added} packages of other platforms added`);
}
