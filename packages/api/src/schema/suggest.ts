// "Did you mean": the name closest to a misspelt one, and the place of a field that stands elsewhere.

import type { SchemaNode } from './build.ts';

/** The candidate within a third of the length in edits, or undefined. Case and underscores count nothing. */
export function closestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

const plain = (name: string): string => name.slice(0, 80).replace(/[_-]/g, '').toLowerCase();

// Damerau-Levenshtein (adjacent swaps count once), given up at `limit`.
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let twoBack: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? limit) + 1, (row[j - 1] ?? limit) + 1, (previous[j - 1] ?? limit) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (twoBack[j - 2] ?? limit) + 1);
      row.push(cost);
    }
    [twoBack, previous] = [previous, row];
  }
  return previous[b.length] ?? limit;
}

/** Paths below `node` (at most `depth` levels) at which a field `name` exists, shortest first, as `match[].uri`. */
export function placesBelow(node: SchemaNode, name: string, depth = 4): string[] {
  const found: string[] = [];
  let level: { node: SchemaNode; path: string }[] = [{ node, path: '' }];
  for (let i = 0; i < depth && found.length === 0; i++) {
    const next: { node: SchemaNode; path: string }[] = [];
    for (const { node: parent, path } of level) {
      for (const [field, child] of Object.entries(parent.properties ?? {})) {
        const inner = child.items ?? child;
        const place = `${path}${path ? '.' : ''}${field}${child.items ? '[]' : ''}`;
        if (inner.properties && Object.hasOwn(inner.properties, name)) found.push(`${place}.${name}`);
        next.push({ node: inner, path: place });
      }
    }
    level = next;
  }
  return found;
}
