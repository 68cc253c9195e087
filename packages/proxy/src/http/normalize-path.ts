// One normaliser for request targets. Routing, policy and the upstream see its result and nothing else. Follows Envoy's
// normalize_path (RFC 3986 dot segments, backslashes, needless escapes), merge_slashes and path_with_escaped_slashes_action.

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
    if (rules.escapedSlashes === 'reject_request') return { kind: 'invalid', details: 'path_with_escaped_slashes_not_allowed' };
    path = path.replaceAll(/%2[fF]/g, '/').replaceAll(/%5[cC]/g, '\\');
    redirect = rules.escapedSlashes === 'unescape_and_redirect';
  }
  if (rules.normalizePath) path = removeDotSegments(unescapeUnreserved(path.replaceAll('\\', '/')));
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
    if (code === 37 || code === 92 || code === 35 || (code === 46 && afterSlash)) return false;
    afterSlash = false;
  }
  return true;
}

const UNRESERVED_ESCAPE = /%(?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])/g;

function unescapeUnreserved(path: string): string {
  if (!path.includes('%')) return path;
  return path.replaceAll(UNRESERVED_ESCAPE, (escaped) => String.fromCharCode(Number.parseInt(escaped.slice(1), 16)));
}

function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const out: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    const isLast = i === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..') out.pop();
      if (isLast) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}
