// Envoy's URI templates: "/users/{id}/{rest=**}" as a path condition, "/{rest}/of/{id}" as a rewrite.

import { compileRegex, fail, ok, type Regex, type Result } from '@lateen/base';

export type PathTemplate = {
  readonly text: string;
  matches(path: string): boolean;
  /** The substitution for `apply`: which variable stands where. */
  compileRewrite(template: string): Result<(path: string) => string>;
};

const MAX_VARIABLES = 5;
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]*$/;
const ONE_SEGMENT = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=]+";
const MANY_SEGMENTS = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=/]*";
const VARIABLE = /^\{([a-zA-Z][a-zA-Z0-9_]{0,15})(?:=([^{}]*))?\}$/;

export function compilePathTemplate(text: string): Result<PathTemplate> {
  if (!text.startsWith('/')) return fail('must start with "/"');
  const variables: string[] = [];
  let pattern = '';
  const operators: string[] = [];
  for (const piece of text.split(/(\{[^{}]*\})/)) {
    const variable = VARIABLE.exec(piece);
    if (!variable && /[{}]/.test(piece)) return fail(`malformed variable ${JSON.stringify(piece)}`);
    const inner = variable ? (variable[2] ?? '*') : piece;
    operators.push(...(inner.match(/\*+/g) ?? []));
    const part = patternOf(inner);
    if (!part.ok) return part;
    if (!variable) {
      pattern += part.value;
      continue;
    }
    const name = variable[1] as string;
    if (variables.includes(name)) return fail(`variable ${name} is there twice`);
    variables.push(name);
    pattern += `(${part.value})`;
  }
  if (operators.slice(0, -1).includes('**')) return fail('"**" must be the last operator');
  if (variables.length > MAX_VARIABLES) return fail(`more than ${MAX_VARIABLES} variables`);
  const regex = compileRegex(pattern);
  if (!regex.ok) return regex;
  return ok({
    text,
    matches: (path) => regex.value.matchesFully(path),
    compileRewrite: (template) => compileRewrite(template, { variables, regex: regex.value }),
  });
}

/** Literals, "*" and "**", with slashes between. */
function patternOf(text: string): Result<string> {
  const parts: string[] = [];
  for (const part of text.split('/')) {
    if (part === '**') parts.push(MANY_SEGMENTS);
    else if (part === '*') parts.push(ONE_SEGMENT);
    else if (LITERAL.test(part)) parts.push(part.replaceAll(/[^a-zA-Z0-9\-_~%!&',;:@=]/g, (char) => `\\${char}`));
    else return fail(`invalid segment ${JSON.stringify(part)}`);
  }
  return ok(parts.join('/'));
}

type Compiled = { variables: readonly string[]; regex: Regex };

function compileRewrite(template: string, { variables, regex }: Compiled): Result<(path: string) => string> {
  if (!template.startsWith('/')) return fail('must start with "/"');
  let substitution = '';
  for (const piece of template.split(/(\{[^{}]*\})/)) {
    if (!piece.startsWith('{')) {
      if (/[{}*]/.test(piece)) return fail(`invalid literal ${JSON.stringify(piece)}`);
      substitution += piece.replaceAll('\\', '\\\\');
      continue;
    }
    const index = variables.indexOf(piece.slice(1, -1));
    if (index < 0) return fail(`${piece} is not a variable of the matching path template`);
    substitution += `\\${index + 1}`;
  }
  return ok((path) => (regex.matchesFully(path) ? regex.replaceAll(path, substitution) : path));
}
