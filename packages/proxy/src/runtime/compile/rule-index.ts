// Finds the first rule in order without trying every one. Rules with a literal path are found by maps: of the whole path, of
// prefixes by length. The rest (regular expressions, templates, any case) are tried one by one, and only those that stand before
// the best literal match. So the cost of a request grows with the rules that could take it, not with those that could not.

import { type Random, type RequestView, selects } from '../model.ts';
import type { PathCondition } from './path-match.ts';
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
  return selects(rule.share, view, random);
}

function firstOf(rules: readonly CompiledRoute[], request: Request): CompiledRoute | undefined {
  for (const rule of rules) if (matches(rule, request)) return rule;
  return undefined;
}

/** Positions of rules, ascending. Each list is searched until it passes the best position found so far. */
type Positions = readonly number[];
const NONE: Positions = [];

type Literals = {
  /** Keys are folded to lower case where case does not count. */
  readonly paths: ReadonlyMap<string, Positions>;
  readonly prefixes: ReadonlyMap<string, Positions>;
  readonly lengths: readonly number[];
};

function indexed(rules: readonly CompiledRoute[]): RuleIndex['find'] {
  const exact = literalsOf(rules, true);
  const anyCase = literalsOf(rules, false);
  const others = rules.flatMap((rule, i) => (isLiteral(rule.path) ? [] : [i]));
  return (path, view, random) => {
    const request = { path, view, random };
    let best = findLiteral(rules, exact, { ...request, key: path, limit: rules.length });
    if (anyCase.lengths.length > 0 || anyCase.paths.size > 0) {
      best = findLiteral(rules, anyCase, { ...request, key: path.toLowerCase(), limit: best });
    }
    best = firstBelow(rules, others, { ...request, limit: best });
    return rules[best];
  };
}

const isLiteral = ({ kind }: PathCondition): boolean => kind === 'path' || kind === 'prefix' || kind === 'separated_prefix';

function literalsOf(rules: readonly CompiledRoute[], caseSensitive: boolean): Literals {
  const paths = new Map<string, number[]>();
  const prefixes = new Map<string, number[]>();
  rules.forEach(({ path }, i) => {
    if (!isLiteral(path) || path.caseSensitive !== caseSensitive) return;
    const map = path.kind === 'path' ? paths : prefixes;
    const key = caseSensitive ? path.literal : path.literal.toLowerCase();
    const positions = map.get(key);
    if (positions) positions.push(i);
    else map.set(key, [i]);
  });
  return { paths, prefixes, lengths: [...new Set([...prefixes.keys()].map((prefix) => prefix.length))].sort((a, b) => b - a) };
}

type Search = Request & { limit: number };

/** The position of the first rule below `limit` that takes the request, or `limit`. */
function findLiteral(rules: readonly CompiledRoute[], literals: Literals, search: Search & { key: string }): number {
  const { key } = search;
  let best = firstBelow(rules, literals.paths.get(key) ?? NONE, search);
  for (const length of literals.lengths) {
    if (length > key.length) continue;
    const positions = literals.prefixes.get(key.slice(0, length));
    if (positions) best = firstBelow(rules, positions, { ...search, limit: best });
  }
  return best;
}

function firstBelow(rules: readonly CompiledRoute[], positions: Positions, search: Search): number {
  const { limit } = search;
  for (const position of positions) {
    if (position >= limit) break;
    if (matches(rules[position] as CompiledRoute, search)) return position;
  }
  return limit;
}
