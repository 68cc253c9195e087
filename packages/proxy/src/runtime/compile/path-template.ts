// Envoy's URI templates: "/users/{id}/{rest=**}" as a path condition, "/{rest}/of/{id}" as a rewrite.

import { compileRegex, fail, ok, type Regex, type Result } from '@lateen/base';

export type PathTemplate = {
  readonly text: string;
  matches(path: string): boolean;
  /** The substitution for `apply`: which variable stands where. */
  compileRewrite(template: string): Result<(path: string) => string>;
};

const MAX_VARIABLES = 5;
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;
const ONE_SEGMENT = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=]+";
const MANY_SEGMENTS = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=/]*";
const VARIABLE = /^\{([a-zA-Z][a-zA-Z0-9_]{0,15})(?:=([^{}]*))?\}$/;

export function compilePathTemplate(text: string): Result<PathTemplate> {
  if (!text.startsWith('/')) return fail('must start with "/"');
  const segments = splitSegments(text.slice(1));
  if (!segments) return fail('has unbalanced braces');
  const variables: string[] = [];
  const patterns: string[] = [];
  for (const [i, segment] of segments.entries()) {
    const variable = VARIABLE.exec(segment);
    if (segment.includes('{') && !variable) return fail(`malformed variable ${JSON.stringify(segment)}`);
    const pattern = segmentPattern(variable ? (variable[2] ?? '*') : segment);
    if (!pattern.ok) return pattern;
    if (pattern.value.includes(MANY_SEGMENTS) && i < segments.length - 1) return fail('"**" must be the last operator');
    if (!variable) {
      patterns.push(pattern.value);
      continue;
    }
    const name = variable[1] as string;
    if (variables.includes(name)) return fail(`variable ${name} is there twice`);
    variables.push(name);
    patterns.push(`(${pattern.value})`);
  }
  if (variables.length > MAX_VARIABLES) return fail(`more than ${MAX_VARIABLES} variables`);
  const regex = compileRegex(`/${patterns.join('/')}`);
  if (!regex.ok) return regex;
  return ok({
    text,
    matches: (path) => regex.value.matchesFully(path),
    compileRewrite: (template) => compileRewrite(template, { variables, regex: regex.value }),
  });
}

/** Splits at slashes outside of braces. */
function splitSegments(text: string): string[] | undefined {
  const segments: string[] = [''];
  let depth = 0;
  for (const char of text) {
    if (char === '{') depth++;
    if (char === '}') depth--;
    if (depth < 0 || depth > 1) return undefined;
    if (char === '/' && depth === 0) segments.push('');
    else segments[segments.length - 1] += char;
  }
  return depth === 0 ? segments : undefined;
}

/** A literal, "*", "**", or a path of them. */
function segmentPattern(text: string): Result<string> {
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
