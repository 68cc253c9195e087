// CEL expressions as text: what cannot be one, without evaluating it. https://github.com/google/cel-spec

const MAX_CHARS = 16 * 1024;
const CLOSING: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/** Why the text is no CEL expression, as far as brackets, quotes and its ends tell; undefined when it may be one. */
export function expressionProblem(source: string): string | undefined {
  const text = source.trim();
  if (text === '') return 'expression is empty';
  if (text.length > MAX_CHARS) return `expression is longer than ${MAX_CHARS} characters`;
  const open: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (character === '"' || character === "'") {
      const end = stringEnd(text, i);
      if (end === undefined) return `expression has an open quote: ${text.slice(i, i + 40)}`;
      i = end;
    } else if ('([{'.includes(character)) open.push(character);
    else if (Object.hasOwn(CLOSING, character) && open.pop() !== CLOSING[character]) return `expression has an unexpected ${character}`;
  }
  if (open.length > 0) return `expression has an open ${open.at(-1)}`;
  return /(&&|\|\||[-+*/%<>=!?:.,&|])$/.test(text) ? 'expression ends in the middle' : undefined;
}

// The index of the closing quote; three quotes close a text opened with three.
function stringEnd(text: string, start: number): number | undefined {
  const quote = text[start] as string;
  const triple = quote.repeat(3);
  const isRaw = /[rR][bB]?$/.test(text.slice(Math.max(0, start - 2), start));
  const closing = text.startsWith(triple, start) ? triple : quote;
  for (let i = start + closing.length; i < text.length; i++) {
    if (text[i] === '\\' && !isRaw) i++;
    else if (text.startsWith(closing, i)) return i + closing.length - 1;
  }
  return undefined;
}
