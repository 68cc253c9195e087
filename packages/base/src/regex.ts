// RE2 semantics: linear time, no look-around, no back-references. V8's own RegExp backtracks, so configuration from users
// and header values from the network never meet it.

import { RE2JS } from 're2js';
import { messageOf } from './errors.ts';
import { fail, ok, type Result } from './result.ts';

export type Regex = {
  readonly source: string;
  /** Whether the whole text matches. */
  matchesFully(text: string): boolean;
  /** Whether some part of the text matches. */
  matchesPartly(text: string): boolean;
  /** Replaces every match; `\1` in `substitution` is the first capture group, as in Envoy's regex_rewrite. */
  replaceAll(text: string, substitution: string): string;
};

const MAX_SOURCE = 2048;

/** Compiles a pattern; the error is RE2's message. Patterns over 2 KiB are refused. */
export function compileRegex(source: string): Result<Regex> {
  if (source.length > MAX_SOURCE) return fail(`regular expression is longer than ${MAX_SOURCE} characters`);
  try {
    const compiled = RE2JS.compile(source);
    return ok({
      source,
      matchesFully: (text) => compiled.matcher(text).matches(),
      matchesPartly: (text) => compiled.matcher(text).find(),
      replaceAll: (text, substitution) => compiled.matcher(text).replaceAll(toJavaSubstitution(substitution)),
    });
  } catch (error) {
    return fail(messageOf(error));
  }
}

// re2js takes Java's "$1"; Envoy's and RE2's notation is "\1".
function toJavaSubstitution(substitution: string): string {
  return substitution.replaceAll('$', '\\$').replace(/\\(\\|\d)/g, (whole, next: string) => (next === '\\' ? whole : `$${next}`));
}
