// One normaliser for request targets. Routing, policy and the upstream see its result and nothing else. Follows Envoy's
// normalize_path (RFC 3986 dot segments, backslashes, needless and missing escapes), merge_slashes and
// path_with_escaped_slashes_action.

import { hexValue } from './bytes.ts';

export type PathRules = {
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'keep_unchanged' | 'reject_request' | 'unescape_and_redirect' | 'unescape_and_forward';
};

export type NormalizedPath =
  | { readonly kind: 'path'; readonly path: string }
  /** The client should ask again for this path. */
  | { readonly kind: 'redirect'; readonly path: string }
  | { readonly kind: 'invalid'; readonly details: string };

const ESCAPED_SLASH = /%(?:2[fF]|5[cC])/;
/** No URI has them in a path; parsers that take them disagree. */
const UNESCAPED = /["<>^`{|}]/g;
const NOT_PLAIN = new Uint8Array(128);
for (const character of '%\\#"<>^`{|}') NOT_PLAIN[character.charCodeAt(0)] = 1;

/** `target` is in origin form ("/…"); a fragment is dropped. */
export function normalizePath(target: string, rules: PathRules): NormalizedPath {
  if (isPlain(target)) return { kind: 'path', path: target };
  const hash = target.indexOf('#');
  const whole = hash < 0 ? target : target.slice(0, hash);
  const question = whole.indexOf('?');
  let path = question < 0 ? whole : whole.slice(0, question);
  const query = question < 0 ? '' : whole.slice(question);
  if (path.includes('%00')) return { kind: 'invalid', details: 'path_normalization_failed' };
  let redirect = false;
  if (rules.escapedSlashes !== 'keep_unchanged' && ESCAPED_SLASH.test(path)) {
    if (rules.escapedSlashes === 'reject_request') return { kind: 'invalid', details: 'path_normalization_failed' };
    path = path.replaceAll(/%2[fF]/g, '/').replaceAll(/%5[cC]/g, '\\');
    redirect = rules.escapedSlashes === 'unescape_and_redirect';
  }
  if (rules.normalizePath) path = escapeOthers(removeDotSegments(unescapeUnreserved(path.replaceAll('\\', '/'))));
  if (rules.mergeSlashes) path = path.replaceAll(/\/{2,}/g, '/');
  return { kind: redirect ? 'redirect' : 'path', path: path + query };
}

function isPlain(target: string): boolean {
  // A scan without backtracking: segments of plain characters that do not begin with a dot, single slashes.
  let afterSlash = false;
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === 63) return target.indexOf('#', i) < 0;
    if (code === 47) {
      if (afterSlash) return false;
      afterSlash = true;
      continue;
    }
    if (NOT_PLAIN[code] === 1 || (code === 46 && afterSlash)) return false;
    afterSlash = false;
  }
  return true;
}

function escapeOthers(path: string): string {
  return path.replaceAll(UNESCAPED, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

const UNRESERVED = /^[A-Za-z0-9._~-]$/;

/**
 * Decodes what needs no escape. A "%" that escapes nothing must not come to do so by what is decoded behind it ("%2%65" is no
 * "%2e"): it is escaped then.
 */
function unescapeUnreserved(path: string): string {
  if (!path.includes('%')) return path;
  let out = '';
  let dangling = -1;
  for (let i = 0; i < path.length; i++) {
    let character = path[i] as string;
    if (character === '%') {
      const code = hexPair(path, i + 1);
      const decoded = code < 0 ? '' : String.fromCharCode(code);
      if (code >= 0) {
        character = UNRESERVED.test(decoded) ? decoded : path.slice(i, i + 3);
        i += 2;
      }
      if (character !== decoded) dangling = code < 0 ? out.length : -1;
    }
    out += character;
    if (dangling >= 0 && out.length - dangling === 3) {
      if (hexPair(out, dangling + 1) >= 0) out = `${out.slice(0, dangling)}%25${out.slice(dangling + 1)}`;
      dangling = -1;
    }
  }
  return out;
}

/** The value of two hexadecimal digits, or -1. */
function hexPair(text: string, at: number): number {
  const high = hexValue(text.charCodeAt(at));
  const low = hexValue(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    const isLast = i === segments.length - 1;
    // Servers that know path parameters take "..;x" for "..".
    const name = segment.startsWith('.') ? segment.split(';', 1)[0] : segment;
    if (name === '.' || name === '..') {
      if (name === '..') out.pop();
      if (isLast) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}
