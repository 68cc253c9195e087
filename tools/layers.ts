// Checks layers.json: a package imports only the packages its row names, by their exported entry points, and never itself by
// name; samples import nothing of ours.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** Every violation, one line each with file and import. */
export function checkLayers(): string[] {
  const layers = JSON.parse(readFileSync(join(root, 'layers.json'), 'utf8')) as Record<string, string[]>;
  const problems: string[] = [];
  for (const name of readdirSync(join(root, 'packages'))) {
    const allowed = layers[name];
    if (!allowed) {
      problems.push(`packages/${name} has no row in layers.json`);
      continue;
    }
    for (const { file, imported } of importsBelow(join(root, 'packages', name))) {
      const target = /^@lateen\/([a-z-]+)/.exec(imported)?.[1];
      if (target === name) problems.push(`${file} imports its own package by name: ${imported}`);
      else if (target && !allowed.includes(target))
        problems.push(`${file} imports ${imported}; ${name} may import only: ${allowed.join(', ') || 'nothing'}`);
      if (imported.startsWith('.') && escapes(file, imported, `packages/${name}`))
        problems.push(`${file} reaches out of its package: ${imported}`);
    }
  }
  for (const { file, imported } of importsBelow(join(root, 'samples'))) {
    if (imported.startsWith('@lateen/') || (imported.startsWith('.') && escapes(file, imported, 'samples'))) {
      problems.push(`${file} imports ${imported}; samples import nothing of the project`);
    }
  }
  return problems;
}

function escapes(file: string, imported: string, folder: string): boolean {
  return relative(join(root, folder), resolve(root, file, '..', imported)).startsWith('..');
}

function* importsBelow(folder: string): Generator<{ file: string; imported: string }> {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    if (/\/(node_modules|dist|gen)\//.test(path)) continue;
    const text = readFileSync(path, 'utf8');
    for (const match of text.matchAll(
      /^\s*(?:import|export)\b[^'"]*?from\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm,
    )) {
      yield { file: relative(root, path), imported: (match[1] ?? match[2] ?? match[3]) as string };
    }
  }
}

if (import.meta.main) {
  const problems = checkLayers();
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
