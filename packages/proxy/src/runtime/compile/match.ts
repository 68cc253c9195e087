// Matchers of strings, headers and query parameters, each with the words that explain it.

import { compileRegex, isObject, type Regex } from '@lateen/base';
import type {
  CookieMatcher,
  HeaderMatcher,
  QueryParameterMatcher,
  RouteMatch_TlsContextMatchOptions,
  typeMatcherFilterState,
  typeMatcherMetadata,
  typeMatcherRegex,
  typeMatcherString,
  typeMatcherValue,
} from '@lateen/xds/messages/proxy';
import type { RequestView } from '../model.ts';
import type { Report } from './report.ts';

export type TextMatch = { readonly text: string; test(value: string): boolean };
export type RequestCondition = { readonly text: string; test(view: RequestView): boolean };

const NEVER: TextMatch = { text: 'nothing', test: () => false };

export function compileRegexMatcher(matcher: typeMatcherRegex.RegexMatcher, report: Report): Regex | undefined {
  return report.at('regex').take(compileRegex(matcher.regex));
}

export function regexMatch(matcher: typeMatcherRegex.RegexMatcher, report: Report): TextMatch {
  const regex = compileRegexMatcher(matcher, report);
  return regex ? { text: `regex ${JSON.stringify(matcher.regex)}`, test: (value) => regex.matchesFully(value) } : NEVER;
}

type TextOperator = 'exact' | 'prefix' | 'suffix' | 'contains';
const TEXT_TESTS: Record<TextOperator, (value: string, pattern: string) => boolean> = {
  exact: (value, pattern) => value === pattern,
  prefix: (value, pattern) => value.startsWith(pattern),
  suffix: (value, pattern) => value.endsWith(pattern),
  contains: (value, pattern) => value.includes(pattern),
};

export function textMatch(operator: TextOperator, pattern: string, ignoreCase = false): TextMatch {
  const test = TEXT_TESTS[operator];
  const wanted = ignoreCase ? pattern.toLowerCase() : pattern;
  return {
    text: `${operator} ${JSON.stringify(pattern)}${ignoreCase ? ' (any case)' : ''}`,
    test: ignoreCase ? (value) => test(value.toLowerCase(), wanted) : (value) => test(value, wanted),
  };
}

export function compileStringMatcher(matcher: typeMatcherString.StringMatcher, report: Report): TextMatch {
  const pattern = matcher.matchPattern;
  switch (pattern.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
    case 'contains':
      return textMatch(pattern.case, pattern.value, matcher.ignoreCase);
    case 'safeRegex':
      if (matcher.ignoreCase) report.at('ignore_case').refuse('has no effect on safe_regex');
      return regexMatch(pattern.value, report.at('safe_regex'));
    case 'custom':
      report.at('custom').refuse('is not supported');
      return NEVER;
    case undefined:
      report.refuse('match_pattern is missing');
      return NEVER;
  }
}

/** Reads a header or pseudo-header as matchers and formats see it. */
export function headerReader(name: string): (view: RequestView) => string | undefined {
  switch (name) {
    case ':method':
      return (view) => view.method;
    case ':path':
      return (view) => view.path;
    case ':authority':
    case 'host':
      return (view) => view.authority;
    case ':scheme':
      return (view) => view.scheme;
    default:
      return (view) => view.header(name);
  }
}

/** As above; of several lines of a header the first. */
export function firstHeaderReader(name: string): (view: RequestView) => string | undefined {
  const read = headerReader(name);
  return (view) => {
    const value = read(view);
    return value?.includes(',') ? (view.headerValues(name)[0] ?? value) : value;
  };
}

type HeaderTest = { readonly text: string; test(header: (name: string) => string | undefined): boolean };

/** A matcher over any set of headers (of a request, of a response). */
export function compileHeaderTest(matcher: HeaderMatcher, report: Report): HeaderTest {
  const name = matcher.name.toLowerCase();
  const { invertMatch, treatMissingHeaderAsEmpty } = matcher;
  const not = invertMatch ? 'not ' : '';
  const specifier = matcher.headerMatchSpecifier;
  if (specifier.case === undefined || specifier.case === 'presentMatch') {
    const wanted = (specifier.case === undefined ? true : specifier.value) !== invertMatch;
    return {
      text: `header ${name} ${wanted ? 'present' : 'absent'}`,
      test: (header) => (treatMissingHeaderAsEmpty || header(name) !== undefined) === wanted,
    };
  }
  const value = compileHeaderValue(specifier, report);
  return {
    text: `header ${name} ${not}${value.text}`,
    test(header) {
      const actual = header(name) ?? (treatMissingHeaderAsEmpty ? '' : undefined);
      // As Envoy: what is not there matches nothing, not even an inverted matcher.
      return actual !== undefined && value.test(actual) !== invertMatch;
    },
  };
}

function compileHeaderValue(specifier: HeaderMatcher['headerMatchSpecifier'], report: Report): TextMatch {
  switch (specifier.case) {
    case 'exactMatch':
      return textMatch('exact', specifier.value);
    case 'prefixMatch':
      return textMatch('prefix', specifier.value);
    case 'suffixMatch':
      return textMatch('suffix', specifier.value);
    case 'containsMatch':
      return textMatch('contains', specifier.value);
    case 'safeRegexMatch':
      return regexMatch(specifier.value, report.at('safe_regex_match'));
    case 'stringMatch':
      return compileStringMatcher(specifier.value, report.at('string_match'));
    case 'rangeMatch': {
      const { start, end } = specifier.value;
      const test = (value: string) => {
        if (!/^[-+]?\d{1,19}$/.test(value)) return false;
        const number = BigInt(value.startsWith('+') ? value.slice(1) : value);
        return number >= start && number < end;
      };
      return { text: `in [${start}, ${end})`, test };
    }
    default:
      return NEVER;
  }
}

export function compileHeaderMatcher(matcher: HeaderMatcher, report: Report): RequestCondition {
  const { text, test } = compileHeaderTest(matcher, report);
  const name = matcher.name.toLowerCase();
  const read = headerReader(name);
  return {
    text,
    test(view) {
      const value = read(view);
      // Of several lines each is looked at by itself; an inverted matcher must hold for all.
      const values = value?.includes(',') ? view.headerValues(name) : [];
      if (values.length < 2) return test(() => value);
      const holds = (each: string) => test(() => each);
      return matcher.invertMatch ? values.every(holds) : values.some(holds);
    },
  };
}

export function compileQueryMatcher(matcher: QueryParameterMatcher, report: Report): RequestCondition {
  const specifier = matcher.queryParameterMatchSpecifier;
  if (specifier.case === 'stringMatch') {
    const value = compileStringMatcher(specifier.value, report.at('string_match'));
    return {
      text: `query ${matcher.name} ${value.text}`,
      test(view) {
        const actual = queryParameter(view.path, matcher.name);
        return actual !== undefined && value.test(actual);
      },
    };
  }
  const wanted = specifier.case === 'presentMatch' ? specifier.value : true;
  return {
    text: `query ${matcher.name} ${wanted ? 'present' : 'absent'}`,
    test: (view) => (queryParameter(view.path, matcher.name) !== undefined) === wanted,
  };
}

/** The first value of a query parameter, not percent-decoded (as Envoy matches it). */
export function queryParameter(path: string, name: string): string | undefined {
  const start = path.indexOf('?');
  if (start < 0) return undefined;
  const hash = path.indexOf('#', start);
  for (const pair of path.slice(start + 1, hash < 0 ? undefined : hash).split('&')) {
    const equals = pair.indexOf('=');
    if ((equals < 0 ? pair : pair.slice(0, equals)) === name) return equals < 0 ? '' : pair.slice(equals + 1);
  }
  return undefined;
}

/** Like Envoy, a cookie that is not there satisfies an inverted matcher. */
export function compileCookieMatcher(matcher: CookieMatcher, report: Report): RequestCondition {
  const value = matcher.stringMatch ? compileStringMatcher(matcher.stringMatch, report.at('string_match')) : NEVER;
  return {
    text: `cookie ${matcher.name} ${matcher.invertMatch ? 'not ' : ''}${value.text}`,
    test(view) {
      const actual = cookieOf(view, matcher.name);
      return (actual !== undefined && value.test(actual)) !== matcher.invertMatch;
    },
  };
}

/** The value of the first cookie of the name, quotes removed. As Envoy: blanks count but for those before the name. */
export function cookieOf(view: RequestView, name: string): string | undefined {
  for (const line of view.headerValues('cookie')) {
    for (const pair of line.split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || pair.slice(0, equals).trimStart() !== name) continue;
      const value = pair.slice(equals + 1);
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}

/** Requests without TLS satisfy neither. */
export function compileTlsCondition(options: RouteMatch_TlsContextMatchOptions): RequestCondition {
  const { presented, validated } = options;
  return {
    text: `TLS client certificate${presented === undefined ? '' : ` presented ${presented}`}${validated === undefined ? '' : ` validated ${validated}`}`,
    test(view) {
      const tls = view.connection?.tls;
      if (presented !== undefined && (tls?.peer !== undefined) !== presented) return false;
      return validated === undefined || (tls?.peerVerified ?? false) === validated;
    },
  };
}

export function compileMetadataMatcher(matcher: typeMatcherMetadata.MetadataMatcher, report: Report): RequestCondition {
  const path = matcher.path.map((segment) => (segment.segment.case === 'key' ? segment.segment.value : ''));
  const value = compileValueMatcher(matcher.value, report.at('value'));
  return {
    text: `metadata ${[matcher.filter, ...path].join(':')} ${matcher.invert ? 'not ' : ''}matches`,
    test: (view) => value(metadataValue(view.dynamicMetadata?.get(matcher.filter), path)) !== matcher.invert,
  };
}

/** Follows keys into nested objects. */
export function metadataValue(fields: unknown, path: readonly string[]): unknown {
  let value = fields;
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  return value;
}

function compileValueMatcher(matcher: typeMatcherValue.ValueMatcher | undefined, report: Report): (value: unknown) => boolean {
  const pattern = matcher?.matchPattern;
  switch (pattern?.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'boolMatch':
      return (value) => value === pattern.value;
    case 'presentMatch':
      // As Envoy: false takes nothing.
      return (value) => pattern.value && value !== undefined;
    case 'stringMatch': {
      const text = compileStringMatcher(pattern.value, report.at('string_match'));
      return (value) => typeof value === 'string' && text.test(value);
    }
    case 'doubleMatch': {
      const number = pattern.value.matchPattern;
      if (number.case === 'exact') return (value) => value === number.value;
      const { start = 0, end = 0 } = number.value ?? {};
      return (value) => typeof value === 'number' && value >= start && value < end;
    }
    case 'listMatch': {
      const list = pattern.value.matchPattern;
      const one = compileValueMatcher(list.value, report.at('list_match').at('one_of'));
      return (value) => Array.isArray(value) && value.some(one);
    }
    case 'orMatch': {
      const all = pattern.value.valueMatchers.map((each, i) => compileValueMatcher(each, report.at('or_match').at('value_matchers', i)));
      return (value) => all.some((each) => each(value));
    }
    case undefined:
      if (matcher) report.refuse('match_pattern is missing');
      return () => false;
  }
}

export function compileFilterStateMatcher(matcher: typeMatcherFilterState.FilterStateMatcher, report: Report): RequestCondition {
  const { matcher: specifier } = matcher;
  const value = specifier.case === 'stringMatch' ? compileStringMatcher(specifier.value, report.at('string_match')) : NEVER;
  return {
    text: `filter state ${matcher.key} ${value.text}`,
    test(view) {
      const actual = view.filterStateText?.(matcher.key);
      return actual !== undefined && value.test(actual);
    },
  };
}
