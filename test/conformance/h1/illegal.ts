// Plan A1: 120 requests that must never become one upstream. A second request follows each on the same connection (the canary):
// whoever misjudges where the first one ends sends the canary, or a part of it, upstream.

export type Illegal = {
  name: string;
  payload: string;
  /** Status of the one answer. */
  status: number;
  /**
   * The head is good and the body is not: the head may have gone upstream by then, as in every proxy that streams. It must stay a
   * torso (never a complete request) and its connection must end. Everywhere else the upstream sees no byte at all.
   */
  torso?: true;
};

const HOST = 'Host: a.test\r\n';
const line = (requestLine: string): string => `${requestLine}\r\n${HOST}\r\n`;
const header = (text: string): string => `GET /x HTTP/1.1\r\n${HOST}${text}\r\n\r\n`;
const host = (text: string): string => `GET /x HTTP/1.1\r\n${text}\r\n`;
const body = (headers: string, text = 'hello'): string => `POST /x HTTP/1.1\r\n${HOST}${headers}\r\n\r\n${text}`;
const length = (value: string): string => body(`Content-Length: ${value}`);
const coding = (value: string): string => body(`Transfer-Encoding: ${value}`, '5\r\nhello\r\n0\r\n\r\n');
const chunks = (text: string): string => body('Transfer-Encoding: chunked', text);

type Rows = readonly (readonly [name: string, payload: string, status?: number])[];

const REQUEST_LINES: Rows = [
  ['a space before the method', line(' GET /x HTTP/1.1')],
  ['NUL in the method', line('G\0ET /x HTTP/1.1')],
  ['a separator in the method', line('GE(T /x HTTP/1.1')],
  ['no target', line('GET HTTP/1.1')],
  ['an empty target', line('GET  HTTP/1.1')],
  ['HTTP/0.9', 'GET /x\r\n\r\n'],
  ['two spaces before the target', line('GET  /x HTTP/1.1')],
  ['two spaces before the version', line('GET /x  HTTP/1.1')],
  ['tabs between the parts', line('GET\t/x\tHTTP/1.1')],
  ['a vertical tab between the parts', line('GET\x0b/x HTTP/1.1')],
  ['a space after the version', line('GET /x HTTP/1.1 ')],
  ['four parts', line('GET /x /y HTTP/1.1')],
  ['a bare LF after the request line', `GET /x HTTP/1.1\n${HOST}\r\n`],
  ['a bare CR in the request line', `GET /x HTTP/1.1\rX: y\r\n${HOST}\r\n`],
  ['CR CR LF after the request line', `GET /x HTTP/1.1\r\r\n${HOST}\r\n`],
  ['a bare LF before the request line', `\n${line('GET /x HTTP/1.1')}`],
  ['a method in small letters', line('get /x HTTP/1.1')],
  ['a method nobody knows', line('BREW /x HTTP/1.1')],
  ['a TLS hello', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x01\r\n\r\n'],
];

const TARGETS: Rows = [
  ['a relative target', line('GET x HTTP/1.1')],
  ['an asterisk for GET', line('GET * HTTP/1.1')],
  ['an absolute target without authority', line('GET http:///x HTTP/1.1')],
  ['an absolute target of another scheme', line('GET ftp://a.test/x HTTP/1.1')],
  ['user information in an absolute target', line('GET http://u:p@a.test/x HTTP/1.1')],
  ['a backslash in the authority', line('GET http://a.test\\@b.test/x HTTP/1.1')],
  ['two ports in an absolute target', line('GET http://a.test:80:81/x HTTP/1.1')],
  ['CONNECT without a port', line('CONNECT a.test HTTP/1.1')],
  ['CONNECT with a path', line('CONNECT /x HTTP/1.1')],
  ['NUL in the target', line('GET /x\0y HTTP/1.1')],
  ['an escaped NUL in the path', line('GET /x%00y HTTP/1.1')],
  ['a control in the target', line('GET /x\x01 HTTP/1.1')],
  ['DEL in the target', line('GET /x\x7f HTTP/1.1')],
  ['a byte beyond ASCII in the target', line('GET /\xe4 HTTP/1.1')],
];

const VERSIONS: Rows = [
  ['HTTP/1.2', line('GET /x HTTP/1.2'), 505],
  ['HTTP/2.0', line('GET /x HTTP/2.0'), 505],
  ['HTTP/0.9 by name', line('GET /x HTTP/0.9'), 505],
  ['HTTP/1.10', line('GET /x HTTP/1.10')],
  ['HTTP/11', line('GET /x HTTP/11')],
  ['a comma in the version', line('GET /x HTTP/1,1')],
  ['http in small letters', line('GET /x http/1.1')],
  ['a letter after the version', line('GET /x HTTP/1.1x')],
];

const HOSTS: Rows = [
  ['no Host', host('X: y\r\n')],
  ['an empty Host', host('Host:\r\n')],
  ['two Hosts', host('Host: a.test\r\nHost: b.test\r\n')],
  ['the same Host twice', host('Host: a.test\r\nHost: a.test\r\n')],
  ['a space in Host', host('Host: a.test b.test\r\n')],
  ['a path in Host', host('Host: a.test/x\r\n')],
  ['user information in Host', host('Host: u@a.test\r\n')],
  ['a name for a port in Host', host('Host: a.test:http\r\n')],
  ['two ports in Host', host('Host: a.test:80:80\r\n')],
  ['an open bracket in Host', host('Host: [::1\r\n')],
  ['text after a bracket in Host', host('Host: [::1]a\r\n')],
];

const NAMES: Rows = [
  ['a space before the colon', header('X : y')],
  ['a tab before the colon', header('X\t: y')],
  ['a space before the colon of Content-Length', body('Content-Length : 5')],
  ['a space before the colon of Transfer-Encoding', body('Transfer-Encoding : chunked', '0\r\n\r\n')],
  ['a space before the first name', `GET /x HTTP/1.1\r\n X: y\r\n${HOST}\r\n`],
  ['no colon', header('nothing')],
  ['an empty name', header(': y')],
  ['NUL in a name', header('X\0Y: y')],
  ['a space in a name', header('X Y: y')],
  ['a separator in a name', header('X(: y')],
  ['a byte beyond ASCII in a name', header('X\xe4: y')],
  ['a vertical tab before the colon of Content-Length', body('Content-Length\x0b: 5')],
];

const VALUES: Rows = [
  ['NUL in a value', header('X: a\0b')],
  ['a bare CR in a value', header('X: a\rb')],
  ['a bare LF ends a line', header('X: a\nY: b')],
  ['a bare LF hides a length', body('X: a\nContent-Length: 5')],
  ['CR CR LF ends a line', header('X: a\r')],
  ['a folded line', header('X: a\r\n b')],
  ['a folded line by tab', header('X: a\r\n\tb')],
  ['a folded Transfer-Encoding', body('Transfer-Encoding:\r\n chunked', '0\r\n\r\n')],
  ['a control in a value', header('X: a\x01b')],
  ['DEL in a value', header('X: a\x7fb')],
  ['LF LF ends the head', `GET /x HTTP/1.1\r\n${HOST}X: y\n\n`],
  ['LF CR LF ends the head', `GET /x HTTP/1.1\r\n${HOST}X: y\n\r\n`],
];

const LENGTHS: Rows = [
  ['a length with plus', length('+5')],
  ['a length with minus', length('-5')],
  ['a length with a fraction', length('5.0')],
  ['a length with an exponent', length('5e0')],
  ['a hexadecimal length', length('0x5')],
  ['a length of two words', length('5 5')],
  ['a list of equal lengths', length('5, 5')],
  ['a list of different lengths', length('5, 6')],
  ['two different lengths', body('Content-Length: 5\r\nContent-Length: 6')],
  ['two equal lengths', body('Content-Length: 5\r\nContent-Length: 5')],
  ['a length and a zero length', body('Content-Length: 0\r\nContent-Length: 5')],
  ['an empty length', length('')],
  ['a quoted length', length('"5"')],
  ['a length with an underscore', length('5_0')],
  ['a length beyond 64 bits', length('18446744073709551621')],
];

const CODINGS: Rows = [
  ['length and chunks', body('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
  ['chunks and length', body('Transfer-Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n')],
  ['a coding nobody knows', coding('cow'), 501],
  ['gzip', coding('gzip'), 501],
  ['chunked, gzip', coding('chunked, gzip'), 501],
  ['gzip, chunked', coding('gzip, chunked'), 501],
  ['identity', coding('identity'), 501],
  ['identity, chunked', coding('identity, chunked'), 501],
  ['an empty element before chunked', coding(',chunked'), 501],
  ['an empty element after chunked', coding('chunked,'), 501],
  ['chunked, chunked', coding('chunked, chunked'), 501],
  ['two Transfer-Encoding lines', body('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '0\r\n\r\n'), 501],
  ['xchunked', coding('xchunked'), 501],
  ['chunked with a parameter', coding('chunked;q=1'), 501],
  ['quoted chunked', coding('"chunked"'), 501],
  ['an empty Transfer-Encoding', coding(''), 501],
  ['a vertical tab before chunked', coding('\x0bchunked')],
  ['chunks in HTTP/1.0', `POST /x HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
];

const CHUNKS: Rows = [
  ['a chunk size of no digits', chunks('zz\r\nhello\r\n0\r\n\r\n')],
  ['0x before a chunk size', chunks('0x5\r\nhello\r\n0\r\n\r\n')],
  ['a space before a chunk size', chunks(' 5\r\nhello\r\n0\r\n\r\n')],
  ['a word after a chunk size', chunks('5 x\r\nhello\r\n0\r\n\r\n')],
  ['a chunk size beyond 64 bits', chunks('10000000000000005\r\nhello\r\n0\r\n\r\n')],
  ['a bare LF after a chunk size', chunks('5\nhello\r\n0\r\n\r\n')],
  ['a bare LF in a chunk extension', chunks('5;a\nhello\r\n0\r\n\r\n')],
  ['a bare CR in a chunk extension', chunks('5;a\rb\r\nhello\r\n0\r\n\r\n')],
  ['no CRLF after chunk data', chunks('5\r\nhello0\r\n\r\n')],
  ['a trailer without a colon', chunks('0\r\nnothing\r\n\r\n')],
  ['a bare LF in the trailers', chunks('0\r\nX: y\nZ: z\r\n\r\n')],
];

const rowsOf = (rows: Rows, torso: boolean): Illegal[] =>
  rows.map(([name, payload, status = 400]) => ({ name, payload, status, ...(torso && { torso: true as const }) }));

export const ILLEGAL: readonly Illegal[] = [
  ...[REQUEST_LINES, TARGETS, VERSIONS, HOSTS, NAMES, VALUES, LENGTHS, CODINGS].flatMap((rows) => rowsOf(rows, false)),
  ...rowsOf(CHUNKS, true),
];
