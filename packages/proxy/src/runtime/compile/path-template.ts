// Envoy's URI templates: "/users/{id}/{rest=**}" as a path condition, "/{rest}/of/{id}" as a rewrite.

import { compileRegex, fail, ok, type Regex, type Result } from '@lateen/base';

export type PathTemplate = {
  readonly text: string;
  matches(path: string): boolean;
  /** The substitution for `apply`: which variable stands where. */
  compileRewrite(template: string): Result<(path: string) => string>;
};

const MAX_VARIABLES = 5;
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()*+,;:@=]+$/;
const REWRITE_LITERAL = /^[a-zA-Z0-9\-._~%!$&'()*+,;:@=/]*$/;
const ONE_SEGMENT = "[a-zA-Z0-9\\-._~%!$&'()*+,;:@=]+";
const MANY_SEGMENTS = "[a-zA-Z0-9\\-._~%!$&'()*+,;:@=/]*";
const VARIABLE_NAME = /^[a-zA-Z][a-zA-Z0-9_]{0,15}$/;

/** A regular expression for a piece, and whether a "**" is in it. */
type Piece = { readonly pattern: string; readonly operators: readonly string[] };

export function compilePathTemplate(text: string): Result<PathTemplate> {
  if (!/^\/[!-~]*$/.test(text)) return fail('must start with "/" and consist of printable letters');
  const variables: string[] = [];
  const operators: string[] = [];
  const patterns: string[] = [];
  let suffix = '';
  for (let rest: string | undefined = text.slice(1); rest !== undefined && rest !== ''; ) {
    const head = /^(?:\*\*?|\{[^}]*\}|[^*{/][^/]*)/.exec(rest)?.[0] ?? '';
    const piece = pieceOf(head, variables);
    if (!piece.ok) return piece;
    patterns.push(piece.value.pattern);
    operators.push(...piece.value.operators);
    const after: string = rest.slice(head.length);
    rest = after.startsWith('/') ? after.slice(1) : undefined;
    if (after === '/') patterns.push('');
    if (after === '' || rest !== undefined) continue;
    // Behind an operator or a variable, up to the end.
    if (!LITERAL.test(after)) return fail(`invalid suffix ${JSON.stringify(after)}`);
    suffix = escaped(after);
  }
  if (operators.slice(0, -1).includes('**')) return fail('"**" must be the last operator');
  if (variables.length > MAX_VARIABLES) return fail(`more than ${MAX_VARIABLES} variables`);
  const regex = compileRegex(`/${patterns.join('/')}${suffix}`);
  if (!regex.ok) return regex;
  return ok({
    text,
    matches: (path) => regex.value.matchesFully(path),
    compileRewrite: (template) => compileRewrite(template, { variables, regex: regex.value }),
  });
}

/** A segment: operator, variable or literal. Adds its variable to `variables`. */
function pieceOf(text: string, variables: string[]): Result<Piece> {
  if (text === '*' || text === '**') return ok({ pattern: text === '*' ? ONE_SEGMENT : MANY_SEGMENTS, operators: [text] });
  if (!text.startsWith('{'))
    return LITERAL.test(text) && !text.startsWith('*') ? ok({ pattern: escaped(text), operators: [] }) : invalid(text);
  const variable = /^\{([^=}]*)(?:=([^}]*))?\}$/.exec(text);
  const name = variable?.[1] ?? '';
  if (!VARIABLE_NAME.test(name)) return fail(`malformed variable ${JSON.stringify(text)}`);
  if (variables.includes(name)) return fail(`variable ${name} is there twice`);
  variables.push(name);
  const inner = (variable?.[2] ?? '*').split('/').map((segment) => pieceOf(segment, variables));
  const operators: string[] = [];
  const patterns: string[] = [];
  for (const piece of inner) {
    if (!piece.ok) return piece;
    patterns.push(piece.value.pattern);
    operators.push(...piece.value.operators);
  }
  return ok({ pattern: `(${patterns.join('/')})`, operators });
}

const invalid = (segment: string): Result<never> => fail(`invalid segment ${JSON.stringify(segment)}`);
const escaped = (literal: string): string => literal.replaceAll(/[^a-zA-Z0-9\-_~%!&',;:@=]/g, (char) => `\\${char}`);

type Compiled = { variables: readonly string[]; regex: Regex };

function compileRewrite(template: string, { variables, regex }: Compiled): Result<(path: string) => string> {
  if (!template.startsWith('/')) return fail('must start with "/"');
  if (template.includes('//')) return fail('must not have an empty segment');
  let substitution = '';
  for (const piece of template.split(/(\{[^{}]*\})/)) {
    if (!piece.startsWith('{')) {
      if (!REWRITE_LITERAL.test(piece)) return fail(`invalid literal ${JSON.stringify(piece)}`);
      substitution += piece;
      continue;
    }
    const index = variables.indexOf(piece.slice(1, -1));
    if (index < 0) return fail(`${piece} is not a variable of the matching path template`);
    substitution += `\\${index + 1}`;
  }
  return ok((path) => (regex.matchesFully(path) ? regex.replaceAll(path, substitution) : path));
}
