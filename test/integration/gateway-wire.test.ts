// HTTP/1.1 as it stands on the wire: Lateen's proxy and real Envoy get the same bytes and must answer and forward the same.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRaw, type RawAnswer } from '../support/raw-client.ts';
import { ENGINES, type Gateway, startGateway } from './gateway-setup.ts';
import type { Seen } from './gateway-upstream.ts';

type Case = {
  name: string;
  /** Sent one after the other, 30 ms apart. */
  parts: (string | Buffer)[];
  /** Of all answers, in order. */
  statuses: number[];
  head?: boolean;
  /** What Envoy does instead, and why we do not. */
  differs?: { envoy: number[]; why: string };
};

const HOST = 'Host: shop.example.com\r\n';
const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const post = (path: string, headers: string, body: string): string => `POST ${path} HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
const chunked = 'Transfer-Encoding: chunked\r\n';
const big = 'b'.repeat(2 * 1024 * 1024);

const CASES: Case[] = [
  { name: 'a plain request', parts: [get('/exact')], statuses: [200] },
  { name: 'no Host', parts: ['GET /exact HTTP/1.1\r\n\r\n'], statuses: [400] },
  {
    name: 'an empty Host',
    parts: ['GET /exact HTTP/1.1\r\nHost:\r\n\r\n'],
    statuses: [400],
    differs: { envoy: [404], why: 'RFC 9112 3.2: a request without a valid Host is answered 400' },
  },
  {
    name: 'two Hosts',
    parts: [get('/exact', 'Host: other.example.com\r\n')],
    statuses: [400],
    differs: { envoy: [404], why: 'RFC 9112 3.2: more than one Host is answered 400' },
  },
  {
    name: 'the same Host twice',
    parts: [get('/exact', HOST)],
    statuses: [400],
    differs: { envoy: [404], why: 'RFC 9112 3.2: more than one Host is answered 400' },
  },
  { name: 'an absolute target', parts: [get('http://shop.example.com/exact?a=b')], statuses: [200] },
  {
    name: 'an absolute target against another Host',
    parts: ['GET http://shop.example.com/exact HTTP/1.1\r\nHost: other\r\n\r\n'],
    statuses: [200],
  },
  { name: 'a target that is nothing', parts: [get('exact')], statuses: [400] },
  { name: 'OPTIONS of the server', parts: [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`], statuses: [404] },
  {
    name: 'CONNECT',
    parts: ['CONNECT shop.example.com:80 HTTP/1.1\r\nHost: shop.example.com:80\r\n\r\n'],
    statuses: [404],
  },
  { name: 'an unknown method', parts: [`BREW /exact HTTP/1.1\r\n${HOST}\r\n`], statuses: [400] },
  { name: 'a method in small letters', parts: [`get /exact HTTP/1.1\r\n${HOST}\r\n`], statuses: [400] },
  { name: 'HTTP/1.0', parts: ['GET /exact HTTP/1.0\r\nHost: shop.example.com\r\n\r\n'], statuses: [426] },
  { name: 'HTTP/1.0 without Host', parts: ['GET /exact HTTP/1.0\r\n\r\n'], statuses: [426] },
  {
    name: 'HTTP/2.5',
    parts: [`GET /exact HTTP/2.5\r\n${HOST}\r\n`],
    statuses: [505],
    differs: { envoy: [426], why: '505 says what is wrong' },
  },
  { name: 'an empty line before the request', parts: [`\r\n${get('/exact')}`], statuses: [200] },
  { name: 'a head in pieces', parts: ['GET /exact HT', 'TP/1.1\r\nHost: shop.exam', 'ple.com\r\n', '\r\n'], statuses: [200] },
  {
    name: 'two spaces in the request line',
    parts: [`GET  /exact HTTP/1.1\r\n${HOST}\r\n`],
    statuses: [400],
    differs: { envoy: [200], why: 'RFC 9112 3: one space; other parsers may see another target' },
  },
  { name: 'a space before the colon', parts: [get('/exact', 'X-A : b\r\n')], statuses: [400] },
  { name: 'a line without a colon', parts: [get('/exact', 'nothing\r\n')], statuses: [400] },
  {
    name: 'a continued line',
    parts: [get('/exact', 'X-A: b\r\n c\r\n')],
    statuses: [400],
    differs: { envoy: [200], why: 'RFC 9112 5.2: obsolete folding may be refused, and other parsers may see two headers' },
  },
  { name: 'NUL in a value', parts: [get('/exact', 'X-A: b\0c\r\n')], statuses: [400] },
  { name: 'an empty value', parts: [get('/exact', 'X-A:\r\nX-B:   \r\n')], statuses: [200] },
  { name: 'bytes beyond ASCII in a value', parts: [get('/exact', 'X-A: \xe4\xf6\r\n')], statuses: [200] },
  { name: 'spaces around a value', parts: [get('/exact', 'X-A: \t b \t\r\n')], statuses: [200] },
  { name: 'a header several times', parts: [get('/exact', 'X-A: 1\r\nX-A: 2\r\n')], statuses: [200] },
  { name: 'an underscore in a name', parts: [get('/exact', 'x_a: 1\r\n')], statuses: [200] },
  { name: 'a head of more than 60 KiB', parts: [get('/exact', `X-Long: ${'l'.repeat(70_000)}\r\n`)], statuses: [431] },
  { name: 'a head of 50 KiB', parts: [get('/exact', `X-Long: ${'l'.repeat(50_000)}\r\n`)], statuses: [200] },
  { name: 'more than a hundred headers', parts: [get('/exact', 'X-A: 1\r\n'.repeat(110))], statuses: [431] },
  { name: 'escaped characters', parts: [get('/%65xact')], statuses: [200] },
  { name: 'an escaped slash', parts: [get('/old%2Fthing')], statuses: [200] },
  { name: 'escaped dots', parts: [get('/a/%2e%2e/exact')], statuses: [200] },
  { name: 'dots above the root', parts: [get('/../../exact')], statuses: [200] },
  { name: 'a backslash', parts: [get('/a\\..\\exact')], statuses: [200] },
  {
    name: 'a fragment',
    parts: [get('/exact#part')],
    statuses: [200],
    differs: { envoy: [400], why: 'Istio starts Envoy with http_reject_path_with_fragment off: the fragment is dropped' },
  },
  { name: 'a body of a length', parts: [post('/exact', 'Content-Length: 5\r\n', 'hello')], statuses: [200] },
  { name: 'a body after its head', parts: [post('/exact', 'Content-Length: 5\r\n', ''), 'he', 'llo'], statuses: [200] },
  { name: 'a chunked body', parts: [post('/exact', chunked, '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n')], statuses: [200] },
  {
    name: 'a chunked body in pieces',
    parts: [post('/exact', chunked, '5\r\nhel'), 'lo\r\n6;x=y\r\n world', '\r\n0\r\n\r\n'],
    statuses: [200],
  },
  { name: 'a chunked body with trailers', parts: [post('/exact', chunked, '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n')], statuses: [200] },
  { name: 'a chunk size that is none', parts: [post('/exact', chunked, 'zz\r\nhello\r\n0\r\n\r\n')], statuses: [400] },
  { name: 'a length and chunks', parts: [post('/exact', `Content-Length: 5\r\n${chunked}`, '0\r\n\r\n')], statuses: [400] },
  { name: 'two lengths', parts: [post('/exact', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')], statuses: [400] },
  { name: 'a length that is none', parts: [post('/exact', 'Content-Length: +5\r\n', 'hello')], statuses: [400] },
  { name: 'a transfer coding nobody knows', parts: [post('/exact', 'Transfer-Encoding: gzip\r\n', '0\r\n\r\n')], statuses: [501] },
  { name: 'GET with a body', parts: [`GET /exact HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`], statuses: [200] },
  { name: 'POST without a body', parts: [`POST /exact HTTP/1.1\r\n${HOST}\r\n`], statuses: [200] },
  { name: 'two megabytes to the upstream', parts: [post('/exact', `Content-Length: ${big.length}\r\n`, big)], statuses: [200] },
  { name: 'two megabytes from the upstream', parts: [get(`/exact?size=${big.length}`)], statuses: [200] },
  { name: 'two megabytes in chunks', parts: [get(`/exact?size=${big.length}&chunked`)], statuses: [200] },
  { name: 'a chunked answer', parts: [get('/exact?chunked')], statuses: [200] },
  { name: 'HEAD', parts: [`HEAD /exact HTTP/1.1\r\n${HOST}\r\n`], statuses: [200], head: true },
  { name: 'HEAD of what the gateway answers', parts: [`HEAD /teapot HTTP/1.1\r\n${HOST}\r\n`], statuses: [418], head: true },
  { name: 'no content', parts: [get('/exact?status=204')], statuses: [204] },
  { name: 'not modified', parts: [get('/exact?status=304')], statuses: [304] },
  { name: 'Expect', parts: [post('/exact', 'Expect: 100-continue\r\nContent-Length: 5\r\n', ''), 'hello'], statuses: [100, 200] },
  {
    name: 'Expect of something else',
    parts: [post('/exact', 'Expect: the-unexpected\r\nContent-Length: 5\r\n', 'hello')],
    statuses: [417],
  },
  { name: 'one after the other', parts: [get('/exact?n=1'), get('/exact?n=2')], statuses: [200, 200] },
  {
    name: 'pipelined',
    parts: [get('/exact?n=1') + get('/teapot') + get('/exact?n=3')],
    statuses: [200, 418, 200],
    differs: { envoy: [200, 418], why: 'Envoy ends the connection after a direct response when another request has been read with it' },
  },
  { name: 'pipelined after a body', parts: [post('/exact', 'Content-Length: 2\r\n', 'hi') + get('/exact')], statuses: [200, 200] },
  { name: 'Connection: close', parts: [get('/exact', 'Connection: close\r\n')], statuses: [200] },
  {
    name: 'headers for one hop',
    parts: [get('/exact', 'Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n')],
    statuses: [200],
  },
  {
    name: 'what a client says of itself',
    parts: [
      get(
        '/exact',
        'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine\r\nX-Envoy-Internal: true\r\nX-Envoy-Retry-On: 5xx\r\n',
      ),
    ],
    statuses: [200],
  },
  { name: 'a WebSocket', parts: [get('/exact', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'), 'ping'], statuses: [101] },
  { name: 'another upgrade', parts: [get('/exact', 'Connection: Upgrade\r\nUpgrade: other\r\n')], statuses: [403] },
  {
    name: 'an upgrade to HTTP/2',
    parts: [get('/exact', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n')],
    statuses: [200],
  },
  { name: 'TLS', parts: [Buffer.from('16030100050100000101', 'hex')], statuses: [400] },
  { name: 'nothing that is HTTP', parts: ['hello, is anybody there?\r\n\r\n'], statuses: [400] },
];

type Exchange = { answers: RawAnswer[]; closed: boolean };
type Transcript = { answers: Comparable[]; closed: boolean; seen: Partial<Seen>[] };
const transcripts = new Map<string, Map<string, Transcript>>();

for (const engine of ENGINES) {
  test(`on the wire, by ${engine.name}`, { skip: engine.skip ?? false }, async (t) => {
    const gateway = await startGateway(t, engine);
    const mine = new Map<string, Transcript>();
    transcripts.set(engine.name, mine);
    for (const one of CASES) {
      await t.test(one.name, async () => {
        const transcript = await play(gateway, one);
        mine.set(one.name, transcript);
        const { answers } = transcript;
        assert.deepEqual(
          answers.map(({ status }) => status),
          engine.name === 'Envoy' ? (one.differs?.envoy ?? one.statuses) : one.statuses,
          JSON.stringify(answers).slice(0, 2000),
        );
        const invented = answers.filter(({ status }) => status >= 200);
        for (const { fields } of invented) assert.ok(fields.some(([name, value]) => name === 'server' && value === 'istio-envoy'));
      });
    }
  });
}

test('both engines answer and forward the same', { skip: ENGINES.some(({ skip }) => skip) }, async (t: TestContext) => {
  const [ours, envoys] = ENGINES.map(({ name }) => transcripts.get(name));
  for (const { name, differs } of CASES) {
    if (differs) continue;
    await t.test(name, () => assert.deepEqual(ours?.get(name), envoys?.get(name)));
  }
});

async function play({ port, v1, v2 }: Gateway, one: Case): Promise<Transcript> {
  const marks = [v1.seen.length, v2.seen.length];
  const { answers, closed } = await exchange(port, one);
  const seen = [...v1.seen.slice(marks[0]), ...v2.seen.slice(marks[1])];
  // After a refusal Envoy waits a second for the client to go first.
  const refused = answers.some(({ status }) => status >= 400);
  return { answers: answers.map(comparable), closed: refused || closed, seen: seen.map(forwarded) };
}

/** What came back, and whether the connection ended: where an answer says that it will, however late; else within 40 ms. */
async function exchange(port: number, { parts, statuses, head = false }: Case): Promise<Exchange> {
  const client = await openRaw(port);
  try {
    for (const [i, part] of parts.entries()) {
      if (i > 0) await sleep(30);
      await client.send([part]);
    }
    // Fewer than expected are judged by the caller.
    await client.expectAnswers(statuses.length, { isHead: head }).catch(() => {});
    const willClose = client.answers(head).at(-1)?.headers.get('connection')?.toLowerCase() === 'close';
    await client.closedWithin(willClose ? 10_000 : 40);
    return { answers: client.answers(head), closed: client.isClosed() };
  } finally {
    client.close();
  }
}

const CHANGING = new Set(['x-envoy-upstream-service-time']);

type Comparable = Pick<RawAnswer, 'status' | 'fields' | 'body'>;

/** Without what is another every time. */
function comparable({ status, fields: all, headers, body }: RawAnswer): Comparable {
  // The echo holds what differs.
  const isEcho = headers.get('content-type') === 'application/json';
  const fields = all
    .filter(([name]) => name !== 'date' && name !== 'keep-alive')
    .map(([name, value]): [string, string] => [name, isUnlike(name, isEcho) ? 'N' : name === 'connection' ? value.toLowerCase() : value])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { status, fields, body: isEcho ? '' : body.length > 1000 ? `${body.length} bytes` : body };
}

const isUnlike = (name: string, isEcho: boolean): boolean => CHANGING.has(name) || (isEcho && name === 'content-length');

function forwarded({ method, path, headers, body, upstream }: Seen): Seen {
  const id = headers['x-request-id'];
  // Plain Envoy has no Istio filters. Instead of a loopback client it names its own machine.
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('x-envoy-peer-metadata'));
  const clients = headers['x-forwarded-for']?.replace(/[0-9.]+$/, 'client');
  const sorted = Object.entries({
    ...Object.fromEntries(kept),
    'x-forwarded-for': String(clients),
    'x-request-id': id && id !== 'mine' ? 'made' : String(id),
  });
  return { upstream, method, path, body, headers: Object.fromEntries(sorted.sort(([a], [b]) => (a < b ? -1 : 1))) };
}
