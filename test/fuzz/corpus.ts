// The committed corpus: one file per input, named by its digest (or by what it once broke).

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Target } from './target.ts';

const folderOf = (target: Target): string => join(import.meta.dirname, 'corpus', target.name);

export type Entry = { readonly name: string; readonly bytes: Buffer };

/** Seeds of the target and its committed files. */
export function loadCorpus(target: Target): Entry[] {
  const folder = folderOf(target);
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  return [
    ...target.seeds().map((bytes, i) => ({ name: `seed ${i}`, bytes })),
    ...files.map((name) => ({ name, bytes: readFileSync(join(folder, name)) })),
  ];
}

/** Gives the path. */
export function saveInput(target: Target, bytes: Buffer, prefix = ''): string {
  const folder = folderOf(target);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, prefix + createHash('sha256').update(bytes).digest('hex').slice(0, 16));
  writeFileSync(path, bytes);
  return path;
}
