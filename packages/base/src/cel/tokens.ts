// The words of a CEL expression.

import { fail, ok, type Result } from '../result.ts';

export type Token =
  | { readonly kind: 'name' | 'symbol'; readonly text: string }
  | { readonly kind: 'literal'; readonly value: string | bigint | number }
  | { readonly kind: 'end' };

const WORD =
  /\s*(?:(?<name>[A-Za-z_]\w*)|(?<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)|(?<hex>0x[\da-fA-F]+)u?|(?<int>\d+)u?|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<symbol>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()[\]{}]))/y;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\u0007', b: '\b', f: '\f', v: '\v' };

export function tokenize(source: string): Result<Token[]> {
  const tokens: Token[] = [];
  const end = source.trimEnd().length;
  WORD.lastIndex = 0;
  while (WORD.lastIndex < end) {
    const at = WORD.lastIndex;
    const groups = WORD.exec(source)?.groups;
    if (!groups) {
      const rest = source.slice(at, at + 40).trim();
      return fail(/^["']/.test(rest) ? `the quote is not closed: ${rest}` : `unexpected ${rest}`);
    }
    const { name, float, hex, int, text, symbol } = groups;
    if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol });
    else if (float !== undefined) tokens.push({ kind: 'literal', value: Number(float) });
    else if (text !== undefined) tokens.push({ kind: 'literal', value: literalText(text.slice(1, -1)) });
    else tokens.push({ kind: 'literal', value: BigInt(hex ?? int ?? 0) });
  }
  tokens.push({ kind: 'end' });
  return ok(tokens);
}

const literalText = (text: string): string =>
  text.replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|(.))/g, (_, hex?: string, unicode?: string, char = '') => {
    const code = hex ?? unicode;
    return code === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16));
  });
