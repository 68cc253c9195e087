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
      replaceAll: (text, substitution) => replaceAll(compiled, text, substitution),
    });
  } catch (error) {
    return fail(messageOf(error));
  }
}

// re2js's own replacement has another notation, in which a dollar sign cannot be written.
function replaceAll(compiled: RE2JS, text: string, substitution: string): string {
  const matcher = compiled.matcher(text);
  let result = '';
  let from = 0;
  while (matcher.find()) {
    const rewritten = substitution.replace(/\\(\\|\d)/g, (_, mark: string) =>
      mark === '\\' ? '\\' : Number(mark) <= matcher.groupCount() ? (matcher.group(Number(mark)) ?? '') : '',
    );
    result += text.slice(from, matcher.start()) + rewritten;
    from = matcher.end();
  }
  return result + text.slice(from);
}
