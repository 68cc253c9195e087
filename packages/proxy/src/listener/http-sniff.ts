// Tells plaintext HTTP from other protocols by its first line, as Envoy's HTTP inspector does: by the shape of a request line, whatever
// its method, so that nobody gets around the rules for HTTP with a method of his own.

/** `more`: undecided yet. `too_long`: no line that a request may have. */
export type HttpSniff = 'http/1.0' | 'http/1.1' | 'h2c' | 'other' | 'more' | 'too_long';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const MAX_LINE = 64 * 1024;
/** RFC 9110 5.6.2. */
const TOKEN_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]*/;
const REQUEST_LINE = /^[^ ]+ +[^ \x80-\xff]+ +HTTP\/(\d)\.(\d)[ \r]*$/;

export function sniffHttp(bytes: Uint8Array): HttpSniff {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_LINE)).toString('latin1');
  if (PREFACE.startsWith(text.slice(0, PREFACE.length))) return text.length >= PREFACE.length ? 'h2c' : 'more';
  const method = TOKEN_START.exec(text)?.[0].length ?? 0;
  if (method < text.length && (method === 0 || text[method] !== ' ')) return 'other';
  const lineEnd = text.indexOf('\n');
  if (lineEnd < 0) return bytes.length >= MAX_LINE ? 'too_long' : 'more';
  const version = REQUEST_LINE.exec(text.slice(0, lineEnd));
  if (!version) return 'other';
  // What is not 1.1 goes to the same codec as 1.0, which refuses it.
  return version[1] === '1' && version[2] === '1' ? 'http/1.1' : 'http/1.0';
}
