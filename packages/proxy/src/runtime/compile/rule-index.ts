// Finds the first rule in order without trying every one: rules with a literal path are found by map, the rest are scanned.

import type { Random, RequestView } from '../model.ts';
import type { CompiledRoute } from './route.ts';

export type RuleIndex = {
  readonly rules: readonly CompiledRoute[];
  /** `path` has no query. */
  find(path: string, view: RequestView, random: Random): CompiledRoute | undefined;
};

/** Below this a scan is cheaper than the lookups. */
const SCAN_LIMIT = 6;

export function createRuleIndex(rules: readonly CompiledRoute[]): RuleIndex {
  return { rules, find: rules.length <= SCAN_LIMIT ? (path, view, random) => firstOf(rules, { path, view, random }) : indexed(rules) };
}

type Request = { path: string; view: RequestView; random: Random };

function matches(rule: CompiledRoute, { path, view, random }: Request): boolean {
  if (!rule.path.test(path, view.method)) return false;
  for (const condition of rule.conditions) if (!condition.test(view)) return false;
  return rule.fraction >= 1 || random() < rule.fraction;
}

function firstOf(rules: readonly CompiledRoute[], request: Request): CompiledRoute | undefined {
  for (const rule of rules) if (matches(rule, request)) return rule;
  return undefined;
}

function indexed(rules: readonly CompiledRoute[]): RuleIndex['find'] {
  const byPath = new Map<string, number[]>();
  const byPrefix = new Map<string, number[]>();
  const others: number[] = [];
  rules.forEach(({ path }, i) => {
    const map = path.caseSensitive ? (path.kind === 'path' ? byPath : path.kind === 'prefix' ? byPrefix : undefined) : undefined;
    const positions = map ? map.get(path.literal) : others;
    if (positions) positions.push(i);
    else map?.set(path.literal, [i]);
  });
  const prefixLengths = [...new Set([...byPrefix.keys()].map((prefix) => prefix.length))];
  return (path, view, random) => {
    const candidates = others.slice();
    const exact = byPath.get(path);
    if (exact) candidates.push(...exact);
    for (const length of prefixLengths) {
      const found = length <= path.length ? byPrefix.get(path.slice(0, length)) : undefined;
      if (found) candidates.push(...found);
    }
    candidates.sort((a, b) => a - b);
    for (const position of candidates) {
      const rule = rules[position] as CompiledRoute;
      if (matches(rule, { path, view, random })) return rule;
    }
    return undefined;
  };
}
