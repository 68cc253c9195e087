// Plan A2: 30 requests that are odd and legal. Each must reach the upstream as exactly one canonical request.

export type Legal = {
  name: string;
  payload: string;
  /** Default GET. */
  method?: string;
  /** What the upstream sees. Default /x. */
  target?: string;
  /** Default a.test. */
  host?: string;
  framing?: 'none' | 'length' | 'chunked';
  body?: string;
  /** Lines that the upstream must see ("name: value"). */
  sees?: readonly string[];
  /** Names that the upstream must not see. */
  misses?: readonly string[];
  /** The proxy ends the connection after the answer: no canary. */
  closes?: true;
  hcm?: Readonly<Record<string, unknown>>;
};

const HOST = 'Host: a.test\r\n';
const get = (headers: string, target = '/x'): string => `GET ${target} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const post = (headers: string, body: string): string => `POST /x HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
const chunked = (text: string, more = ''): string => post(`Transfer-Encoding: chunked\r\n${more}`, text);
const CHUNKED = { method: 'POST', framing: 'chunked', body: 'hello' } as const;

export const LEGAL: readonly Legal[] = [
  { name: 'an empty line before the request', payload: `\r\n${get('')}` },
  { name: 'an absolute target and the same Host', payload: get('', 'http://a.test/x') },
  { name: 'an absolute target wins over Host', payload: get('', 'http://b.test/x'), host: 'b.test' },
  { name: 'an absolute target in capital letters', payload: get('', 'HTTP://B.Test/x'), host: 'B.Test' },
  { name: 'an absolute target without path', payload: get('', 'http://b.test'), host: 'b.test', target: '/' },
  { name: 'an absolute target with a query and no path', payload: get('', 'http://b.test?q'), host: 'b.test', target: '/?q' },
  { name: 'Host in capital letters', payload: 'GET /x HTTP/1.1\r\nHOST: A.TEST\r\n\r\n', host: 'A.TEST' },
  { name: 'Host with a port', payload: 'GET /x HTTP/1.1\r\nHost: a.test:8080\r\n\r\n', host: 'a.test:8080' },
  { name: 'an IPv6 Host', payload: 'GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', host: '[::1]:80' },
  { name: 'Host as the last line', payload: `GET /x HTTP/1.1\r\nX-A: b\r\n${HOST}\r\n`, sees: ['x-a: b'] },
  { name: 'white space around a value', payload: get('X-A: \t b c \t\r\n'), sees: ['x-a: b c'] },
  { name: 'no white space before a value', payload: get('X-A:b\r\n'), sees: ['x-a: b'] },
  { name: 'an empty value', payload: get('X-A:\r\nX-B:  \r\n'), sees: ['x-a: ', 'x-b: '] },
  { name: 'bytes beyond ASCII in a value', payload: get('X-A: \xe4\xff\r\n'), sees: ['x-a: \xe4\xff'] },
  { name: 'every token character in a name', payload: get("a!#$%&'*+-.^`|~1: b\r\n"), sees: ["a!#$%&'*+-.^`|~1: b"] },
  { name: 'a header three times', payload: get('X-A: 1\r\nX-A: 2\r\nX-A: 1\r\n'), sees: ['x-a: 1', 'x-a: 2', 'x-a: 1'] },
  {
    name: 'names that objects have',
    payload: get('__proto__: 1\r\nconstructor: 2\r\n'.replace('__proto__', 'proto')),
    sees: ['constructor: 2'],
  },
  {
    name: 'hop-by-hop headers',
    payload: get('Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n'),
    misses: ['x-hop', 'keep-alive'],
  },
  { name: 'a GET with a body', payload: `${get('Content-Length: 2\r\n')}hi`, framing: 'length', body: 'hi' },
  {
    name: 'a length with leading zeros',
    payload: post('Content-Length: 0005\r\n', 'hello'),
    method: 'POST',
    framing: 'length',
    body: 'hello',
  },
  {
    name: 'a length with white space around it',
    payload: post('Content-Length: \t5 \r\n', 'hello'),
    method: 'POST',
    framing: 'length',
    body: 'hello',
  },
  { name: 'Chunked in capital letters', payload: post('TRANSFER-ENCODING: Chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'), ...CHUNKED },
  {
    name: 'chunk sizes in either case with leading zeros and blanks behind',
    payload: chunked('000A \t\r\n0123456789\r\n0b\r\n0123456789a\r\n0\r\n\r\n'),
    ...CHUNKED,
    body: '01234567890123456789a',
  },
  { name: 'chunk extensions', payload: chunked('5;a=b;c="d;e"\r\nhello\r\n0;last\r\n\r\n'), ...CHUNKED },
  { name: 'one byte in each chunk', payload: chunked(`${[...'hello'].map((char) => `1\r\n${char}\r\n`).join('')}0\r\n\r\n`), ...CHUNKED },
  { name: 'trailers', payload: chunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n'), ...CHUNKED },
  { name: 'framing and routing in trailers', payload: chunked('5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: b.test\r\n\r\n'), ...CHUNKED },
  { name: 'an empty chunked body', payload: chunked('0\r\n\r\n'), ...CHUNKED, body: '' },
  { name: 'Connection: close', payload: get('Connection: close\r\n'), closes: true },
  {
    name: 'Expect before a body that comes at once',
    payload: post('Expect: 100-continue\r\nContent-Length: 5\r\n', 'hello'),
    method: 'POST',
    framing: 'length',
    body: 'hello',
    misses: ['expect'],
  },
];
