// Checks of values that several kinds share: headers, expressions, percentages, visibility.

import { compileRegex, parseDuration } from '@lateen/base';
import type { Report } from '../findings/report.ts';
import type { StringMatch } from '../schema/shared.ts';
import { isDnsLabel } from './names.ts';

const HEADER_NAME = /^[-_A-Za-z0-9]+$/;
const HEADER_VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/;
const MAX_REGEX = 1024;

export function headerNameProblem(name: string): string | undefined {
  if (name === '') return 'header name cannot be empty';
  return HEADER_NAME.test(name) ? undefined : `header name ${JSON.stringify(name)} is not a valid header name`;
}

const PSEUDO_HEADERS = [':authority', ':method', ':path', ':scheme'];

/** Name of a header to match, which may be a pseudo header of HTTP/2. */
export const matchedHeaderProblem = (name: string): string | undefined =>
  PSEUDO_HEADERS.includes(name) ? undefined : headerNameProblem(name);

const isHost = (name: string): boolean => name.toLowerCase() === 'host';
export const isAuthorityHeader = (name: string): boolean => isHost(name) || name.toLowerCase() === ':authority';

/** Name of a request header to add or set: pseudo headers are refused, the authority is allowed. */
export function requestHeaderEditProblem(name: string): string | undefined {
  if (name === '') return 'header name cannot be empty';
  return name.startsWith(':') && !isAuthorityHeader(name)
    ? `invalid header ${JSON.stringify(name)}: header cannot have ":" prefix`
    : undefined;
}

/** Name of a header to remove, or of a response header to change. */
export function headerEditProblem(name: string): string | undefined {
  if (name === '') return 'header name cannot be empty';
  if (isHost(name)) return `invalid header ${JSON.stringify(name)}: cannot set Host header`;
  return name.startsWith(':') ? `invalid header ${JSON.stringify(name)}: header cannot have ":" prefix` : undefined;
}

/** A header value with Envoy's %VARIABLES%: every % is doubled or part of a pair. */
export function headerValueProblem(value: string): string | undefined {
  if (!HEADER_VALUE.test(value)) return `header value configuration ${JSON.stringify(value)} is invalid`;
  for (let i = value.indexOf('%'); i >= 0; i = value.indexOf('%', i)) {
    const end = value[i + 1] === '%' ? i + 1 : variableEnd(value, i + 1);
    if (end === undefined) return `header value configuration: unmatched % in ${JSON.stringify(value)}; write %% for a percent sign`;
    i = end + 1;
  }
  return undefined;
}

// The index of the % that ends NAME, NAME(args) or NAME(args):n; arguments may contain %.
function variableEnd(value: string, start: number): number | undefined {
  for (let i = start; i < value.length; i++) {
    if (value[i] === '%') return i;
    if (value[i] === '(') {
      const close = value.indexOf(')', i);
      if (close < 0) return undefined;
      i = close;
    }
  }
  return undefined;
}

export function regexProblem(source: string, where: string): string | undefined {
  if (source.length > MAX_REGEX) return `${JSON.stringify(where)}: regex is too large, max length allowed is ${MAX_REGEX}`;
  const compiled = compileRegex(source);
  return compiled.ok
    ? undefined
    : `${JSON.stringify(where)}: ${compiled.error}; expressions use RE2 syntax (no look-around, no back-references)`;
}

export function stringMatchProblem(match: StringMatch | undefined, where: string): string | undefined {
  if (match?.prefix === '') return `${JSON.stringify(where)}: prefix string match should not be empty`;
  if (match?.regex === undefined) return undefined;
  return match.regex === '' ? `${JSON.stringify(where)}: regex string match should not be empty` : regexProblem(match.regex, where);
}

export function percentProblem(value: number | undefined): string | undefined {
  return value !== undefined && (value < 0 || value > 100) ? `percentage ${value} is not in range 0..100` : undefined;
}

/** 0, or between 0.0001 and 100. */
export function fractionProblem(value: number | undefined): string | undefined {
  if (value === undefined || value === 0) return undefined;
  return value < 0.0001 || value > 100 ? `percentage ${value} is neither 0.0, nor in range [0.0001, 100.0]` : undefined;
}

/** At least 1 ms (0 with `allowZero`), whole milliseconds. */
export function durationProblem(text: string, allowZero = false): string | undefined {
  const parsed = parseDuration(text);
  if (!parsed.ok) return `must be a valid duration like 1.5s or 250ms: ${parsed.error}`;
  if (allowZero && parsed.value === 0) return undefined;
  if (parsed.value < (allowZero ? 0 : 1)) return 'duration must be greater than 1ms';
  return Math.abs(parsed.value - Math.round(parsed.value)) > 1e-9 ? 'only durations to ms precision are supported' : undefined;
}

/** Whether a header match name asks for a claim of the token, like `@request.auth.claims.sub` or `@request.auth.claims[a][b]`. */
export function isClaimName(name: string): boolean {
  const prefix = '@request.auth.claims';
  if (!name.toLowerCase().startsWith(prefix)) return false;
  const rest = name.slice(prefix.length);
  if (rest.startsWith('.')) return rest.length > 1;
  return rest.startsWith('[') && rest.endsWith(']') && rest.length > 2;
}

type ExportToOptions = { namespace: string; allowNone?: boolean; selectorOnly?: boolean };

/** `exportTo`: ".", "*", "~" (ServiceEntry only) or namespaces, no duplicates, nothing beside "*" or "~". */
export function checkExportTo(exportTo: readonly string[] | undefined, report: Report, options: ExportToOptions): void {
  const { namespace, allowNone = false, selectorOnly = false } = options;
  const path = 'spec.exportTo';
  const seen = new Set<string>();
  for (const [i, entry] of (exportTo ?? []).entries()) {
    const key = entry === '.' ? namespace : entry;
    if (seen.has(key)) report.error(`${path}[${i}]`, `duplicate entries in exportTo: ${JSON.stringify(entry)}`);
    else if (entry === '*' || entry === '.' || (entry === '~' && allowNone) || isDnsLabel(entry)) seen.add(key);
    else report.error(`${path}[${i}]`, `only ., *, or a valid DNS 1123 label is allowed as exportTo entry, not ${JSON.stringify(entry)}`);
  }
  if (selectorOnly && seen.size > 0 && (seen.size > 1 || !seen.has(namespace))) {
    report.error(path, 'destination rule with workload selector cannot have exportTo beyond current namespace');
  }
  if (seen.has('*') && (exportTo?.length ?? 0) > 1)
    report.error(path, 'cannot have both public (*) and non-public exportTo values for a resource');
  if (seen.has('~') && (exportTo?.length ?? 0) > 1) report.error(path, 'cannot export service entry to no one (~) and someone');
}
