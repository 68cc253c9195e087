// Path conditions of a route, and the rewrites that depend on which condition matched.

import type { RouteMatch } from '@lateen/xds/messages/proxy';
import { regexMatch } from './match.ts';
import type { Report } from './report.ts';

export type PathCondition = {
  readonly kind: 'prefix' | 'path' | 'regex' | 'separated_prefix' | 'connect';
  readonly text: string;
  /** The literal of prefix and path conditions; empty for others. */
  readonly literal: string;
  /** False: the index by literal does not apply. */
  readonly caseSensitive: boolean;
  /** `path` has no query. */
  test(path: string, method: string): boolean;
};

/** The part before "?" and "#": what path conditions look at. */
export function pathOf(pathWithQuery: string): string {
  const query = pathWithQuery.indexOf('?');
  const path = query < 0 ? pathWithQuery : pathWithQuery.slice(0, query);
  const hash = path.indexOf('#');
  return hash < 0 ? path : path.slice(0, hash);
}

export function compilePathMatch(match: RouteMatch, report: Report): PathCondition {
  const specifier = match.pathSpecifier;
  const caseSensitive = match.caseSensitive ?? true;
  const fold = caseSensitive ? (path: string) => path : (path: string) => path.toLowerCase();
  const condition = (kind: PathCondition['kind'], literal: string, test: (path: string, wanted: string) => boolean): PathCondition => {
    const wanted = fold(literal);
    return {
      kind,
      literal,
      caseSensitive,
      text: `path ${kind === 'path' ? 'exact' : kind.replace('_', ' ')} ${JSON.stringify(literal)}${caseSensitive ? '' : ' (any case)'}`,
      test: (path) => test(fold(path), wanted),
    };
  };
  switch (specifier.case) {
    case 'prefix':
      return condition('prefix', specifier.value, (path, wanted) => path.startsWith(wanted));
    case 'path':
      return condition('path', specifier.value, (path, wanted) => path === wanted);
    case 'pathSeparatedPrefix':
      if (!/^\/.*[^/]$/.test(specifier.value)) report.at('path_separated_prefix').refuse('must start with "/" and not end with it');
      return condition(
        'separated_prefix',
        specifier.value,
        (path, wanted) => path.startsWith(wanted) && (path.length === wanted.length || path.charCodeAt(wanted.length) === 0x2f),
      );
    case 'safeRegex': {
      const regex = regexMatch(specifier.value, report.at('safe_regex'));
      return { kind: 'regex', literal: '', caseSensitive, text: `path ${regex.text}`, test: (path) => regex.test(path) };
    }
    case 'connectMatcher':
      return { kind: 'connect', literal: '', caseSensitive, text: 'method CONNECT', test: (_path, method) => method === 'CONNECT' };
    case 'pathMatchPolicy':
      report.at('path_match_policy').refuse(`${specifier.value.typedConfig?.typeUrl ?? 'it'} is not supported`);
      break;
    case undefined:
      report.refuse('a path condition (prefix, path, safe_regex, …) is required');
  }
  return { kind: 'path', literal: '', caseSensitive, text: 'nothing', test: () => false };
}

/** Replaces the matched part of the path and keeps the query. The matched part of a regex match is the whole path. */
export function replaceMatchedPrefix(condition: PathCondition, replacement: string): (pathWithQuery: string) => string {
  const fixedLength = condition.kind === 'prefix' || condition.kind === 'separated_prefix' ? condition.literal.length : undefined;
  return (pathWithQuery) => {
    const rest = pathWithQuery.slice(fixedLength ?? pathOf(pathWithQuery).length);
    return replacement + rest;
  };
}
