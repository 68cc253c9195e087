// What Envoy answered when the goldens were recorded: one file for each group, one line for each pair.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result, Results } from './run.ts';

const folder = join(import.meta.dirname, 'goldens');
const fileOf = (group: string) => join(folder, `${group}.json`);

/** Empty when none are recorded. */
export function readGoldens(group: string): Results {
  if (!existsSync(fileOf(group))) return new Map();
  return new Map(Object.entries(JSON.parse(readFileSync(fileOf(group), 'utf8')) as Record<string, Result>));
}

export function writeGoldens(group: string, results: Results): void {
  const lines = [...results]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, result]) => `${JSON.stringify(key)}: ${JSON.stringify(result)}`);
  writeFileSync(fileOf(group), `{\n${lines.join(',\n')}\n}\n`);
}
