// Path conditions of a route, and the rewrites that depend on which condition matched.

import type { Any } from '@bufbuild/protobuf/wkt';
import { type RouteMatch, uriTemplateMatch } from '@lateen/xds/messages/proxy';
import { compileAny, extension } from './any.ts';
import { regexMatch } from './match.ts';
import { compilePathTemplate, type PathTemplate } from './path-template.ts';
import type { Report } from './report.ts';

export type PathCondition = {
  readonly kind: 'prefix' | 'path' | 'regex' | 'separated_prefix' | 'template' | 'connect';
  readonly text: string;
  /** The literal of prefix and path conditions; empty for others. */
  readonly literal: string;
  /** False: the index by literal does not apply. */
  readonly caseSensitive: boolean;
  /** Of a template condition. */
  readonly template: PathTemplate | undefined;
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
      template: undefined,
      text: `path ${kind === 'path' ? 'exact' : kind.replace('_', ' ')} ${JSON.stringify(literal)}${caseSensitive ? '' : ' (any case)'}`,
      test: (path) => test(fold(path), wanted),
    };
  };
  const other = { literal: '', caseSensitive, template: undefined };
  switch (specifier.case) {
    case 'prefix':
      // A CONNECT request has no path: only the connect matcher takes it.
      return condition('prefix', specifier.value, (path, wanted) => path !== '' && path.startsWith(wanted));
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
      return { ...other, kind: 'regex', text: `path ${regex.text}`, test: (path) => path !== '' && regex.test(path) };
    }
    case 'connectMatcher':
      return { ...other, kind: 'connect', text: 'method CONNECT', test: (_path, method) => method === 'CONNECT' };
    case 'pathMatchPolicy': {
      const template = compileTemplateMatch(specifier.value.typedConfig, report.at('path_match_policy').at('typed_config'));
      if (!template) break;
      return { ...other, kind: 'template', template, text: `path template ${JSON.stringify(template.text)}`, test: template.matches };
    }
    case undefined:
      break;
  }
  return { ...other, kind: 'path', text: 'nothing', test: () => false };
}

function compileTemplateMatch(config: Any | undefined, report: Report): PathTemplate | undefined {
  return compileAny(
    config,
    [
      extension(uriTemplateMatch.UriTemplateMatchConfigSchema, (message, at) =>
        at.at('path_template').take(compilePathTemplate(message.pathTemplate)),
      ),
    ],
    report,
  );
}

const isLiteral = ({ kind }: PathCondition): boolean => kind === 'path' || kind === 'prefix' || kind === 'separated_prefix';

/** Replaces the matched part of the path and keeps the query. The matched part of a regex match is the whole path. */
export function replaceMatchedPrefix(condition: PathCondition, replacement: string): (pathWithQuery: string) => string {
  const fixedLength = isLiteral(condition) ? condition.literal.length : undefined;
  return (pathWithQuery) => {
    const rest = pathWithQuery.slice(fixedLength ?? pathOf(pathWithQuery).length);
    return replacement + rest;
  };
}
