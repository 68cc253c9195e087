// Tells plaintext HTTP from other protocols by its first bytes, as Envoy's HTTP inspector does.

/** `more`: undecided yet. */
export type HttpSniff = 'http/1.0' | 'http/1.1' | 'h2c' | 'other' | 'more';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** A request line longer than this is not looked at. */
const MAX_LINE = 8 * 1024;
const METHODS = (
  'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ' +
  'ACL REPORT MKACTIVITY CHECKOUT MERGE MSEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK SOURCE QUERY'
).split(' ');

export function sniffHttp(bytes: Uint8Array): HttpSniff {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_LINE)).toString('latin1');
  if (PREFACE.startsWith(text.slice(0, PREFACE.length))) return text.length >= PREFACE.length ? 'h2c' : 'more';
  const start = text.startsWith('\r\n') ? 2 : 0;
  const space = text.indexOf(' ', start);
  if (space < 0) {
    const word = text.slice(start);
    return METHODS.some((method) => method.startsWith(word)) ? 'more' : 'other';
  }
  if (!METHODS.includes(text.slice(start, space))) return 'other';
  const lineEnd = text.indexOf('\n', space);
  if (lineEnd < 0) return bytes.length >= MAX_LINE ? 'other' : 'more';
  const version = / HTTP\/1\.([01])\r?$/.exec(text.slice(space, lineEnd));
  if (!version) return 'other';
  return version[1] === '1' ? 'http/1.1' : 'http/1.0';
}
