// What Envoy did when the goldens were recorded: one file for each group, one line for each case and what it led to; legs that led to the same share a line.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result, Results } from './run.ts';

const folder = join(import.meta.dirname, 'testdata');
const fileOf = (group: string) => join(folder, `${group}.json`);

/** Empty when none are recorded. */
export function readGoldens(group: string): Results {
  if (!existsSync(fileOf(group))) return new Map();
  const lines = JSON.parse(readFileSync(fileOf(group), 'utf8')) as Record<string, Result>;
  return new Map(
    Object.entries(lines).flatMap(([keys, result]) => {
      const [one, legs] = splitKey(keys);
      return legs.split(' ').map((leg): [string, Result] => [`${one} / ${leg}`, result]);
    }),
  );
}

export function writeGoldens(group: string, results: Results): void {
  const lines = new Map<string, { one: string; legs: string[]; text: string }>();
  for (const [key, result] of results) {
    const [one, leg] = splitKey(key);
    const text = JSON.stringify(result);
    const line = lines.get(`${one}\n${text}`) ?? { one, legs: [], text };
    line.legs.push(leg);
    lines.set(`${one}\n${text}`, line);
  }
  const sorted = [...lines.values()].map(({ one, legs, text }) => `${JSON.stringify(`${one} / ${legs.sort().join(' ')}`)}: ${text}`).sort();
  writeFileSync(fileOf(group), `{\n${sorted.join(',\n')}\n}\n`);
}

function splitKey(key: string): [one: string, legs: string] {
  const at = key.lastIndexOf(' / ');
  return [key.slice(0, at), key.slice(at + 3)];
}
