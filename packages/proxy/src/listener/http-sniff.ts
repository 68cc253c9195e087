// Tells plaintext HTTP from other protocols by its first line, as Envoy's HTTP inspector does: by the shape of a request line, whatever
// its method, so that nobody gets around the rules for HTTP with a method of his own.

/** `more`: undecided yet. `too_long`: no line that a request may have. */
export type HttpSniff = 'http/1.0' | 'http/1.1' | 'h2c' | 'other' | 'more' | 'too_long';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const MAX_LINE = 64 * 1024;
/** Enough for the preface and for any method. */
const LONGEST_START = 128;
const NEWLINE = 10;
/** RFC 9110 5.6.2. */
const TOKEN_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]*/;
const REQUEST_LINE = /^[^ ]+ +[^ \x80-\xff]+ +HTTP\/(\d)\.(\d)[ \r]*$/;

export function sniffHttp(bytes: Buffer): HttpSniff {
  const start = bytes.toString('latin1', 0, Math.min(bytes.length, LONGEST_START));
  if (PREFACE.startsWith(start.slice(0, PREFACE.length))) return start.length >= PREFACE.length ? 'h2c' : 'more';
  const method = TOKEN_START.exec(start)?.[0].length ?? 0;
  if (method < start.length && (method === 0 || start[method] !== ' ')) return 'other';
  // Bytes may come one by one: what was looked at is not made a text again.
  const lineEnd = bytes.indexOf(NEWLINE);
  if (lineEnd < 0 || lineEnd >= MAX_LINE) return bytes.length >= MAX_LINE ? 'too_long' : 'more';
  const version = REQUEST_LINE.exec(bytes.toString('latin1', 0, lineEnd));
  if (!version) return 'other';
  // What is not 1.1 goes to the same codec as 1.0, which refuses it.
  return version[1] === '1' && version[2] === '1' ? 'http/1.1' : 'http/1.0';
}
