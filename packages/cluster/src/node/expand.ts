/**
 * Kubernetes' `$(NAME)` references in env values, commands and arguments. `$$` is a literal `$`; a reference to an unknown
 * name stays as written.
 */
export function expandReferences(text: string, values: ReadonlyMap<string, string>): string {
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const next = text[i + 1];
    if (text[i] !== '$' || (next !== '$' && next !== '(')) {
      result += text[i];
      continue;
    }
    if (next === '$') {
      result += '$';
      i++;
      continue;
    }
    const end = text.indexOf(')', i + 2);
    if (end < 0) return result + text.slice(i);
    const name = text.slice(i + 2, end);
    result += values.get(name) ?? text.slice(i, end + 1);
    i = end;
  }
  return result;
}
