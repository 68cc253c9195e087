// Splits Go template text into literal text and the tokens of its actions.

export type Token = {
  kind: 'word' | 'field' | 'variable' | 'string' | 'number' | 'symbol';
  text: string;
  /** No space before it: ".A.B" is one value, ".A .B" are two. */
  isAttached: boolean;
};
export type Piece = { kind: 'text'; text: string } | { kind: 'action'; tokens: Token[]; line: number };

export class TemplateSyntaxError extends Error {}

const TOKEN =
  /\s+|(\$[A-Za-z0-9_]*)|(\.[A-Za-z_][A-Za-z0-9_]*)|("(?:[^"\\\n]|\\.)*")|(`[^`]*`)|(-?\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z0-9_]*)|(:=|[().,|=])/y;

/** Cuts the text at {{ and }}, applying the trim markers "{{-" and "-}}" and dropping comments. */
export function lex(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    let text = source.slice(at, open < 0 ? undefined : open);
    const trimsLeft = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4));
    if (trimNext) text = text.trimStart();
    if (trimsLeft) text = text.trimEnd();
    if (text !== '') pieces.push({ kind: 'text', text });
    if (open < 0) break;
    const line = source.slice(0, open).split('\n').length;
    const start = open + (trimsLeft ? 3 : 2);
    const close = closeOf(source, start);
    if (close < 0) throw new TemplateSyntaxError(`line ${line}: an action is not closed`);
    let body = source.slice(start, close);
    trimNext = /\s-$/.test(body);
    if (trimNext) body = body.slice(0, -1);
    if (!body.trim().startsWith('/*')) pieces.push({ kind: 'action', tokens: tokenize(body, line), line });
    at = close + 2;
  }
  return pieces;
}

// "}}" inside a string or comment does not close an action.
function closeOf(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    const c = source[at];
    if (c === '}' && source[at + 1] === '}') return at;
    if (c === '`') at = source.indexOf('`', at + 1);
    else if (c === '/' && source[at + 1] === '*') at = source.indexOf('*/', at + 2) + 1;
    else if (c === '"') {
      at++;
      while (at < source.length && source[at] !== '"') at += source[at] === '\\' ? 2 : 1;
    }
    if (at < from) return -1;
  }
  return -1;
}

function tokenize(body: string, line: number): Token[] {
  const tokens: Token[] = [];
  let isAttached = false;
  const push = (kind: Token['kind'], text: string) => tokens.push({ kind, text, isAttached });
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < body.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(body);
    if (!match) throw new TemplateSyntaxError(`line ${line}: unexpected ${JSON.stringify(body.slice(at, at + 20))}`);
    const [, variable, field, quoted, raw, number, word, symbol] = match;
    if (variable !== undefined) push('variable', variable);
    else if (field !== undefined) push('field', field.slice(1));
    else if (quoted !== undefined) push('string', unquote(quoted, line));
    else if (raw !== undefined) push('string', raw.slice(1, -1));
    else if (number !== undefined) push('number', number);
    else if (word !== undefined) push('word', word);
    else if (symbol !== undefined) push('symbol', symbol);
    isAttached = (match[0] as string).trim() !== '';
  }
  return tokens;
}

function unquote(text: string, line: number): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw new TemplateSyntaxError(`line ${line}: invalid string ${text.slice(0, 40)}`);
  }
}
