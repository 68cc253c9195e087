// Names of headers in the letters of their sender, and the other options of HTTP/1.1 that change how a message is read.

import { type, withEndpoints } from '../bootstrap.ts';
import type { Case, Scene } from '../model.ts';
import { ANY, add, ask, exact, raw, says, to } from './build.ts';

const PRESERVE_CASE = 'http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';
const preserves = (fields: object = {}) => ({
  header_key_format: { stateful_formatter: { name: 'preserve_case', typed_config: { '@type': type(PRESERVE_CASE), ...fields } } },
});
const PROPER = { header_key_format: { proper_case_words: {} } };

const HOST = 'HOST: example.test\r\n{tag}';
/** The upstream ends the connection after it, so that says it. */
const answer = (lines: string, { reason = 'OK', status = 200, body = 'Content-LENGTH: 2\r\n\r\nhi' } = {}) => ({
  upstream: { raw: `HTTP/1.1 ${status} ${reason}\r\nCONNection: close\r\n${lines}${body}` },
});
/** A raw request, and the raw answer to it. */
const pair = (name: string, request: string, { upstream } = answer('')): Case => {
  const one = raw(name, request);
  return { ...one, request: { ...(one.request as { raw: string[] }), upstream } };
};
const isHttp1 = { legs: ['h1-h1'], comparesLetters: true } as const;
const CHUNKED = 'TRANSFER-encoding: chunked\r\n';
const BOTH_ADDED = {
  routeConfig: {
    request_headers_to_add: [add('X-Route-Added', '1'), add('X-Own', 'route')],
    response_headers_to_add: [add('X-Answer-Added', '1')],
  },
};

/** One listener with `manager`, in front of a cluster with `upstream`. */
function letters(name: string, manager: object, upstream: object): Scene {
  const cluster = `${name}-up`;
  const mirror = `${name}-mirror`;
  return {
    name,
    ...isHttp1,
    ...BOTH_ADDED,
    manager: { http_protocol_options: manager, upgrade_configs: [{ upgrade_type: 'websocket' }] },
    clusters: {
      [cluster]: { ...withEndpoints('a'), http1_options: upstream },
      [mirror]: { ...withEndpoints('b'), http1_options: upstream },
    },
    sortsSeen: true,
    routes: [
      says(exact('/own'), 200, 'own'),
      to({ prefix: '/mirror' }, cluster, { request_mirror_policies: [{ cluster: mirror }] }),
      to(ANY, cluster),
    ],
    cases: [
      pair(
        'letters',
        `GET / HTTP/1.1\r\n${HOST}X-CamelCASE: One\r\nx-lower: 2\r\nX-9a.b_C: 3\r\n\r\n`,
        answer('X-Answer-NAME: v\r\nx-small: 2\r\n'),
      ),
      pair('one name in several letters', `GET / HTTP/1.1\r\n${HOST}X-Twice: a\r\nx-TWICE: b\r\n\r\n`, answer('x-TWO: 1\r\nX-Two: 2\r\n')),
      pair(
        'names that the proxy sets, too',
        `GET / HTTP/1.1\r\n${HOST}X-Request-ID: a\r\nX-FORWARDED-Proto: b\r\nX-OWN: c\r\n\r\n`,
        answer('SERVER: x\r\nDATE: y\r\nX-ENVOY-Upstream-Service-TIME: 77\r\n'),
      ),
      pair(
        'names that are taken out',
        `GET / HTTP/1.1\r\n${HOST}Connection: X-Gone, keep-alive\r\nX-Gone: 1\r\nTE: trailers\r\nX-ENVOY-Internal: true\r\n\r\n`,
        answer('KEEP-Alive: 1\r\n'),
      ),
      pair('an answer that ends the connection', `GET / HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`, answer('')),
      pair('chunks', `POST / HTTP/1.1\r\n${HOST}${CHUNKED}\r\n2\r\nhi\r\n0\r\n\r\n`, answer(CHUNKED, { body: '\r\n2\r\nhi\r\n0\r\n\r\n' })),
      pair('no body', `POST / HTTP/1.1\r\nhOST: example.test\r\n{tag}\r\n`, answer('X-A: 1\r\n', { status: 204, body: '\r\n' })),
      pair('a reason', `GET / HTTP/1.1\r\n${HOST}\r\n`, answer('', { reason: 'Fine "By" Me\xe9\xa0 ' })),
      pair('no reason', `GET / HTTP/1.1\r\n${HOST}\r\n`, answer('', { reason: '' })),
      pair('a status without a name', `GET / HTTP/1.1\r\n${HOST}\r\n`, answer('', { reason: 'Lucky', status: 777 })),
      pair('an error', `GET / HTTP/1.1\r\n${HOST}\r\n`, answer('', { reason: 'Later', status: 503 })),
      raw('an answer of the proxy', `GET /own HTTP/1.1\r\n${HOST}X-Own: 1\r\n\r\n`),
      raw('a mirrored request', `GET /mirror HTTP/1.1\r\n${HOST}X-CASED: 1\r\n\r\n`),
      raw('in pieces', [`GET / HTTP/1.1\r\nHO`, `ST: example.test\r\n{tag}X-PIE`, `ces: One\r\nX-Two`, `: 2\r\n\r`, '\n']),
      raw(
        'pipelined',
        `POST /1 HTTP/1.1\r\n${HOST}Content-LENGTH: 2\r\nX-FIRST: 1\r\n\r\nhiGET /2 HTTP/1.1\r\n${HOST}X-SECOND: 2\r\n\r\n`,
        { answers: 2 },
      ),
      raw('the same again', `GET /1 HTTP/1.1\r\n${HOST}X-SAME: 1\r\n\r\n`.repeat(3), { answers: 3 }),
      raw('an upgrade', `GET /1 HTTP/1.1\r\n${HOST}CONNECTION: Upgrade\r\nUPgrade: WebSocket\r\n\r\n`),
    ],
  };
}

const LENGTH = 'Content-Length: 5\r\n';
const post = (lines: string, body = '5\r\nhello\r\n0\r\n\r\n') => `POST / HTTP/1.1\r\nHost: example.test\r\n{tag}${lines}\r\n${body}`;
const TE = 'Transfer-Encoding: chunked\r\n';
const CLOSES = 'RFC 9112 6.1: nothing that follows such a message is trusted, so the connection ends; Envoy goes on';

const target = (text: string, name = `GET ${text}`) =>
  raw(name, `GET ${text} HTTP/1.1\r\nHost: example.test\r\n{tag}\r\n`, { seesClose: true });

export const letterCase: readonly Scene[] = [
  letters('letters-kept', preserves(), preserves()),
  letters('letters-kept-downstream', preserves(), {}),
  letters('letters-kept-upstream', {}, preserves()),
  letters('letters-kept-and-proper', preserves(), PROPER),
  letters('letters-proper-and-kept', PROPER, preserves()),
  letters(
    'letters-of-the-proxy',
    preserves({ formatter_type_on_envoy_headers: 'PROPER_CASE' }),
    preserves({ formatter_type_on_envoy_headers: 'PROPER_CASE' }),
  ),
  letters('letters-and-reason', preserves(), preserves({ forward_reason_phrase: true })),
  letters('letters-and-reason-downstream', preserves({ forward_reason_phrase: true }), preserves()),
  {
    name: 'letters-of-trailers',
    ...isHttp1,
    manager: { http_protocol_options: { ...preserves(), enable_trailers: true } },
    clusters: { 'letters-of-trailers-up': { ...withEndpoints('a'), http1_options: { ...preserves(), enable_trailers: true } } },
    routes: [to(ANY, 'letters-of-trailers-up')],
    cases: [
      pair(
        'trailers',
        `POST / HTTP/1.1\r\n${HOST}${CHUNKED}X-SUM: 1\r\n\r\n2\r\nhi\r\n0\r\nX-SUM: 2\r\nX-AFTER: 3\r\n\r\n`,
        answer(`${CHUNKED}X-END: 1\r\n`, { body: '\r\n2\r\nhi\r\n0\r\nX-END: 2\r\nX-LAST: 3\r\n\r\n' }),
      ),
    ],
  },
  {
    name: 'letters-and-http2',
    manager: { http_protocol_options: preserves() },
    clusters: { 'letters-and-http2-up': { ...withEndpoints('a'), http1_options: preserves() } },
    routes: [to(ANY, 'letters-and-http2-up')],
    cases: [ask('a request', { headers: { 'X-UPPER': '1' }, upstream: { headers: { 'X-ANSWER': '1' } } })],
  },
  {
    name: 'chunked-length',
    manager: { http_protocol_options: { allow_chunked_length: true } },
    clusters: { 'chunked-length-up': { ...withEndpoints('a'), http1_options: { allow_chunked_length: true } } },
    routes: [to(ANY, 'chunked-length-up')],
    legs: ['h1-h1'],
    cases: [
      raw('a length and chunks', post(LENGTH + TE), { seesClose: true, differs: CLOSES }),
      raw('two equal lengths and chunks', post(LENGTH + LENGTH + TE), { seesClose: true }),
      raw('two lengths and chunks', post(`${LENGTH}Content-Length: 6\r\n${TE}`), { seesClose: true }),
      raw('a length and another coding', post(`${LENGTH}Transfer-Encoding: gzip, chunked\r\n`), { seesClose: true }),
      raw('a length and no coding', post(`${LENGTH}Transfer-Encoding: identity\r\n`, 'hello'), { seesClose: true }),
      raw('a length and chunks twice', post(LENGTH + TE + TE), { seesClose: true }),
      ask('an answer with both', answer(TE + LENGTH, { body: '\r\n2\r\nhi\r\n0\r\n\r\n' })),
      ask('an answer with both to HEAD', { method: 'HEAD', ...answer(TE + LENGTH, { body: '\r\n' }) }),
      ask('304 with both', answer(TE + LENGTH, { status: 304, body: '\r\n' })),
      ask('an answer with two lengths', answer(TE + LENGTH + LENGTH, { body: '\r\n2\r\nhi\r\n0\r\n\r\n' })),
    ],
  },
  {
    name: 'no-absolute-url',
    manager: { http_protocol_options: { allow_absolute_url: false }, normalize_path: true },
    routes: [to(ANY, 'a')],
    legs: ['h1-h1'],
    cases: [
      ...['http://abs.test/x?y', 'http://abs.test', 'https://abs.test/x', 'ftp://abs.test/x', '*', '//x/y', '/http://x'].map((text) =>
        target(text),
      ),
      ...['x', 'abs.test:80', '?x', 'http:/x', 'http://', '://x'].map((text) => target(text)),
      raw('OPTIONS of an absolute target', 'OPTIONS http://abs.test/ HTTP/1.1\r\nHost: example.test\r\n{tag}\r\n'),
      raw('OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: example.test\r\n{tag}\r\n'),
      raw('CONNECT', 'CONNECT abs.test:80 HTTP/1.1\r\nHost: example.test\r\n{tag}\r\n', { seesClose: true }),
      raw('an absolute target without host', 'GET http://abs.test/ HTTP/1.1\r\n{tag}\r\n', { seesClose: true }),
    ],
  },
];
