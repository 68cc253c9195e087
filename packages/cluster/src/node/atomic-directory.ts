// A directory of projected files that changes all at once, laid out as the kubelet does it: the files live in a
// timestamped directory, `..data` is a symbolic link to it that is replaced by rename, and each visible name is a link
// through `..data`. A reader that resolves `..data` once sees one consistent generation.

import { mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type ProjectedFile = { data: Buffer; mode: number };

/** Makes `directory` hold exactly `files` (by relative path). Does nothing when it already does; gives whether it changed. */
export async function writeAtomicDirectory(directory: string, files: ReadonlyMap<string, ProjectedFile>): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const dataLink = join(directory, '..data');
  const current = await readlink(dataLink).catch(() => undefined);
  if (current !== undefined && (await sameContent(join(directory, current), files))) return false;
  const generation = await freeGeneration(directory);
  for (const [path, file] of files) {
    const target = join(directory, generation, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, file.data, { mode: file.mode });
  }
  await mkdir(join(directory, generation), { recursive: true, mode: 0o755 });
  await symlink(generation, `${dataLink}_tmp`);
  await rename(`${dataLink}_tmp`, dataLink);
  await syncVisibleNames(directory, new Set([...files.keys()].map((path) => path.split('/')[0] as string)));
  if (current !== undefined) await rm(join(directory, current), { recursive: true, force: true });
  return true;
}

async function freeGeneration(directory: string): Promise<string> {
  const taken = new Set(await readdir(directory));
  for (let n = taken.size; ; n++) if (!taken.has(`..generation_${n}`)) return `..generation_${n}`;
}

async function syncVisibleNames(directory: string, names: ReadonlySet<string>): Promise<void> {
  const present = (await readdir(directory)).filter((name) => !name.startsWith('..'));
  for (const name of present) if (!names.has(name)) await rm(join(directory, name), { force: true });
  for (const name of names) if (!present.includes(name)) await symlink(join('..data', name), join(directory, name));
}

async function sameContent(directory: string, files: ReadonlyMap<string, ProjectedFile>): Promise<boolean> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const present = entries.filter((entry) => entry.isFile()).length;
  if (present !== files.size) return false;
  for (const [path, file] of files) {
    const data = await readFile(join(directory, path)).catch(() => undefined);
    if (!data?.equals(file.data)) return false;
  }
  return true;
}
