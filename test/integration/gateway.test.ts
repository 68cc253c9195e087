// One control plane on a folder of YAML, one ingress gateway: Lateen's proxy and, where it is installed, real Envoy. Both must do
// the same with the same configuration and the same requests, and it must be what Istio's API says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { type HttpOptions, httpRequest } from '../support/http.ts';
import { ENGINES, type Gateway, startGateway } from './gateway-setup.ts';
import type { Seen } from './gateway-upstream.ts';

type Case = {
  name: string;
  path: string;
  options?: HttpOptions;
  status: number;
  /** Which upstream answered; undefined: the gateway itself. */
  upstream?: string;
  /** What the upstream was sent. */
  seen?: Partial<Omit<Seen, 'headers'>>;
  /** Headers that the upstream saw; undefined: must not be there. */
  sent?: Record<string, string | RegExp | undefined>;
  /** Headers of the answer. */
  headers?: Record<string, string | RegExp | undefined>;
  /** Of the answer. */
  body?: string | RegExp;
  /** [at least, less than] */
  tookMs?: [number, number];
};

const host = { host: 'shop.example.com' };
const v1 = { status: 200, upstream: 'v1' };
const v2 = { status: 200, upstream: 'v2' };
const get = (headers: Record<string, string> = {}): HttpOptions => ({ headers: { ...host, ...headers } });
const preflight = (origin: string): HttpOptions => ({
  method: 'OPTIONS',
  headers: { ...host, origin, 'access-control-request-method': 'GET' },
});

const CASES: Case[] = [
  { name: 'an exact path', path: '/exact', options: { headers: host }, status: 200, upstream: 'v1', seen: { path: '/exact' } },
  { name: 'an exact path does not match what is longer', path: '/exact/more', options: { headers: host }, status: 404 },
  {
    name: 'a prefix, rewritten',
    path: '/old/thing?q=1',
    options: { headers: host },
    status: 200,
    upstream: 'v1',
    seen: { path: '/new/thing?q=1' },
  },
  { name: 'a regular expression must match the whole path', path: '/item/12', options: { headers: host }, status: 200, upstream: 'v2' },
  { name: 'and not only a part', path: '/item/12x', options: { headers: host }, status: 404 },
  { name: 'a header picks the subset', path: '/user', options: { headers: { ...host, 'end-user': 'jason' } }, status: 200, upstream: 'v2' },
  { name: 'without it the default', path: '/user', options: { headers: host }, status: 200, upstream: 'v1' },
  {
    name: 'a method',
    path: '/method',
    options: { method: 'POST', headers: host, body: 'x' },
    status: 200,
    upstream: 'v2',
    seen: { method: 'POST', body: 'x' },
  },
  { name: 'another method', path: '/method', options: { headers: host }, status: 404 },
  { name: 'a query parameter', path: '/query?beta=yes', options: { headers: host }, status: 200, upstream: 'v2' },
  { name: 'another query parameter', path: '/query?beta=no', options: { headers: host }, status: 200, upstream: 'v1' },
  { name: 'a redirect', path: '/moved', options: { headers: host }, status: 301, headers: { location: 'http://shop.example.com/target' } },
  { name: 'a direct response', path: '/teapot', options: { headers: host }, status: 418 },
  { name: 'an abort', path: '/broken', options: { headers: host }, status: 555 },
  { name: 'an unknown subset', path: '/nowhere', options: { headers: host }, status: 503 },
  { name: 'a timeout', path: '/slow?delay=3000', options: { headers: host }, status: 504 },
  {
    name: 'header operations',
    path: '/headers',
    options: { headers: { ...host, 'x-gone': '1' } },
    status: 200,
    upstream: 'v1',
    sent: { 'x-gone': undefined, 'x-new': 'set' },
    headers: { 'x-answer': 'added' },
  },
  { name: 'a host that no rule has', path: '/exact', options: { headers: { host: 'other.example.com' } }, status: 404 },
  {
    name: 'the host is compared without its port and case',
    path: '/exact',
    options: { headers: { host: 'SHOP.example.com:8080' } },
    status: 200,
    upstream: 'v1',
  },
  {
    name: 'dot segments are resolved before routing',
    path: '/a/../exact',
    options: { headers: host },
    status: 200,
    upstream: 'v1',
    seen: { path: '/exact' },
  },
  { name: 'an upstream error is passed on', path: '/exact?status=500', options: { headers: host }, status: 500, upstream: 'v1' },
  // --- matching
  { name: 'a path in any case', path: '/CaSe', options: get(), ...v2 },
  { name: 'a cookie by a regular expression', path: '/cookie', options: get({ cookie: 'a=b;user=jason;c=d' }), ...v2 },
  { name: 'and not by half of it', path: '/cookie', options: get({ cookie: 'user=jasonx' }), status: 404 },
  { name: 'a header that is there', path: '/present', options: get({ 'x-key': '' }), ...v2 },
  { name: 'and one that is not', path: '/present', options: get(), status: 404 },
  { name: 'the beginning of a header', path: '/prefixed', options: get({ 'x-key': 'abc' }), ...v2 },
  { name: 'without a header that is missing', path: '/without', options: get(), ...v2 },
  { name: 'without a header that has another value', path: '/without', options: get({ 'x-key': 'yes' }), ...v2 },
  { name: 'not with it', path: '/without', options: get({ 'x-key': 'no' }), status: 404 },
  { name: 'a query parameter by a regular expression', path: '/digits?number=12', options: get(), ...v2 },
  { name: 'of which the whole value must match', path: '/digits?number=12x', options: get(), status: 404 },
  { name: 'an authority', path: '/here', options: get(), ...v2 },
  { name: 'a query is no part of an exact path', path: '/exact?x=/more', options: get(), ...v1 },
  { name: 'an exact path with a slash more', path: '/exact/', options: get(), status: 404 },
  { name: 'two slashes are not one', path: '//exact', options: get(), status: 404 },
  // --- rewriting
  { name: 'a rewritten prefix alone', path: '/old', options: get(), ...v1, seen: { path: '/new' } },
  { name: 'a rewritten prefix and a slash', path: '/old/', options: get(), ...v1, seen: { path: '/new/' } },
  { name: 'a rewritten prefix that is only half a segment', path: '/older', options: get(), ...v1, seen: { path: '/newer' } },
  { name: 'a prefix taken off', path: '/slash/a/b', options: get(), ...v1, seen: { path: '/a/b' } },
  { name: 'a prefix without a slash taken off', path: '/strip/a?b', options: get(), ...v1, seen: { path: '//a?b' } },
  { name: 'nothing but the prefix', path: '/strip', options: get(), ...v1, seen: { path: '/' } },
  {
    name: 'a whole path and the authority',
    path: '/whole?q=1',
    options: get(),
    ...v1,
    seen: { path: '/other?q=1' },
    sent: { host: 'elsewhere.internal', 'x-envoy-original-path': '/whole?q=1' },
  },
  {
    name: 'a regular expression with groups',
    path: '/service/foo/v1/api?x=y',
    options: get(),
    ...v1,
    seen: { path: '/v1/api/instance/foo?x=y' },
  },
  { name: 'a regular expression that does not match', path: '/service', options: get(), ...v1, seen: { path: '/service' } },
  // --- answers of the gateway itself
  {
    name: 'a redirect elsewhere',
    path: '/away?a=b',
    options: get(),
    status: 308,
    headers: { location: 'https://away.example.org/there?a=b' },
  },
  {
    name: 'a redirect to a port',
    path: '/port?a=b',
    options: get(),
    status: 302,
    headers: { location: 'https://shop.example.com:8443/port?a=b' },
  },
  {
    name: 'a redirect to the port of the request',
    path: '/derived',
    options: get(),
    status: 301,
    headers: { location: /^http:\/\/shop\.example\.com:\d+\/target$/ },
  },
  {
    name: 'the body of a direct response',
    path: '/teapot',
    options: get(),
    status: 418,
    body: 'short and stout',
    headers: { 'content-type': 'text/plain' },
  },
  { name: 'the body of an abort', path: '/broken', options: get(), status: 555, body: 'fault filter abort' },
  { name: 'no route: no body', path: '/none', options: get(), status: 404, body: '' },
  { name: 'an unknown cluster: no body', path: '/nowhere', options: get(), status: 503, body: '' },
  {
    name: 'the body of a timeout',
    path: '/slow?delay=3000',
    options: get(),
    status: 504,
    body: 'upstream request timeout',
    tookMs: [250, 900],
  },
  // --- destinations
  { name: 'a weight of zero gets nothing', path: '/zero', options: get(), ...v2 },
  { name: 'a delay', path: '/delayed', options: get(), ...v1, tookMs: [390, 1000] },
  // --- retries
  { name: '503 and then 200', path: '/retry?fail=1&key=a', options: get(), ...v1, headers: { 'x-envoy-attempt-count': undefined } },
  { name: 'a reset and then 200', path: '/retry?reset=2&key=b', options: get(), ...v1 },
  { name: 'more failures than attempts', path: '/retry?fail=5&key=c', options: get(), status: 503, upstream: 'v1' },
  {
    name: 'a body is sent again',
    path: '/retry?fail=1&key=d',
    options: { ...get(), method: 'POST', body: 'again' },
    ...v1,
    seen: { body: 'again' },
  },
  { name: 'no retries', path: '/no-retry?fail=1&key=e', options: get(), status: 503, upstream: 'v1' },
  {
    // Not GET: what is idempotent we send again when a kept connection turns out to be closed; Envoy answers 503 then.
    name: 'a reset without retries',
    path: '/no-retry?reset=1&key=f',
    options: { ...get(), method: 'POST', body: 'x' },
    status: 503,
    body: /^upstream connect error or disconnect\/reset before headers\. (?:retried and the latest )?reset reason: connection termination$/,
  },
  { name: 'a slow attempt is given up', path: '/per-try?late=1&key=g', options: get(), ...v1, tookMs: [240, 900] },
  { name: 'the whole request has its own limit', path: '/hurry?late=9&key=h', options: get(), status: 504, tookMs: [280, 700] },
  // --- cross-origin requests
  {
    name: 'a preflight',
    path: '/cors',
    options: preflight('https://ok.example'),
    status: 200,
    headers: {
      'access-control-allow-origin': 'https://ok.example',
      'access-control-allow-methods': 'GET,POST',
      'access-control-allow-headers': 'x-one,x-two',
      'access-control-max-age': '86400',
      'access-control-allow-credentials': 'true',
    },
    body: '',
  },
  {
    name: 'a preflight by a regular expression',
    path: '/cors',
    options: preflight('https://this.also.example'),
    status: 200,
    headers: { 'access-control-allow-origin': 'https://this.also.example' },
  },
  {
    name: 'a cross-origin request',
    path: '/cors',
    options: get({ origin: 'https://ok.example' }),
    ...v1,
    headers: { 'access-control-allow-origin': 'https://ok.example', 'access-control-expose-headers': 'x-seen' },
  },
  {
    name: 'a cross-origin request from elsewhere',
    path: '/cors',
    options: get({ origin: 'https://no.example' }),
    ...v1,
    headers: { 'access-control-allow-origin': undefined },
  },
  // --- headers
  {
    name: 'formatters',
    path: '/format',
    options: get({ 'x-other': 'there', 'x-twice': 'first' }),
    status: 200,
    sent: {
      'x-peer': '127.0.0.1',
      'x-protocol': 'HTTP/1.1',
      'x-made': 'GET-there',
      'x-percent': '100%',
      'x-twice': 'first, second',
      'x-destination': 'here',
    },
    headers: { 'x-code': '200', 'x-flags': '-', 'content-type': 'text/changed', 'x-upstream': undefined, 'x-destination': 'back' },
  },
  {
    name: 'what a client says about the network is not believed',
    path: '/exact',
    options: get({
      'x-envoy-internal': 'false',
      'x-envoy-upstream-rq-timeout-ms': '1',
      'x-envoy-expected-rq-timeout-ms': '7',
      'x-forwarded-proto': 'https',
    }),
    ...v1,
    sent: {
      'x-envoy-internal': undefined,
      'x-envoy-external-address': '127.0.0.1',
      'x-envoy-upstream-rq-timeout-ms': undefined,
      'x-envoy-expected-rq-timeout-ms': undefined,
      'x-forwarded-proto': 'http',
    },
  },
  {
    name: 'the chain of clients',
    path: '/exact',
    options: get({ 'x-forwarded-for': '1.2.3.4' }),
    ...v1,
    sent: { 'x-forwarded-for': /^1\.2\.3\.4,[0-9.]+$/ },
  },
  {
    name: 'headers for one hop',
    path: '/exact',
    options: get({ connection: 'x-hop', 'x-hop': '1', te: 'trailers', 'keep-alive': '5', 'proxy-connection': 'close' }),
    ...v1,
    sent: { 'x-hop': undefined, 'keep-alive': undefined, 'proxy-connection': undefined },
  },
];

for (const engine of ENGINES) {
  test(`the ingress gateway, by ${engine.name}`, { skip: engine.skip ?? false }, async (t) => {
    const gateway = await startGateway(t, engine);
    for (const one of CASES) await t.test(one.name, () => check(gateway, one));

    await t.test('a split follows its weights', async () => {
      const seen = new Map<unknown, number>();
      for (let i = 0; i < 300; i++) {
        const { headers: answered } = await httpRequest(`${gateway.url}/split`, { headers: host });
        seen.set(answered['x-upstream'], (seen.get(answered['x-upstream']) ?? 0) + 1);
      }
      const sigma = Math.sqrt(300 * 0.8 * 0.2);
      assert.ok(Math.abs((seen.get('v1') ?? 0) - 240) <= 4 * sigma, JSON.stringify([...seen]));
    });

    await t.test('a mirror sees the request, the caller does not see the mirror', async () => {
      const answer = await httpRequest(`${gateway.url}/mirrored`, { method: 'POST', headers: host, body: 'both' });
      assert.equal(answer.headers['x-upstream'], 'v1');
      await eventually(() => {
        const copy = gateway.v2.seen.find(({ path }) => path === '/mirrored');
        assert.equal(copy?.body, 'both');
        assert.equal(copy?.headers.host, 'shop.example.com');
      });
    });

    await t.test('a key keeps its host', async () => {
      const homes = new Set<string>();
      for (let user = 0; user < 12; user++) {
        const answers = [];
        for (let i = 0; i < 3; i++) answers.push(await httpRequest(`${gateway.url}/sticky`, get({ 'x-user': `user-${user}` })));
        const upstreams = new Set(answers.map((answer) => String(answer.headers['x-upstream'])));
        assert.equal(upstreams.size, 1, `user ${user}`);
        for (const upstream of upstreams) homes.add(upstream);
      }
      assert.equal(homes.size, 2, 'twelve keys are spread over both hosts');
    });

    await t.test('a client without a cookie is given one, and it leads back', async () => {
      const first = await httpRequest(`${gateway.url}/cookie-sticky`, get());
      const [cookie = ''] = first.headers['set-cookie'] ?? [];
      assert.match(cookie, /^session="[0-9a-f]+"; Max-Age=60; (?:Path=\/; )?HttpOnly$/);
      for (let i = 0; i < 5; i++) {
        const again = await httpRequest(`${gateway.url}/cookie-sticky`, get({ cookie: cookie.split(';')[0] as string }));
        assert.equal(again.headers['x-upstream'], first.headers['x-upstream']);
        assert.equal(again.headers['set-cookie'], undefined);
      }
    });
  });
}

function same(actual: unknown, expected: string | RegExp | undefined, what: string): void {
  if (expected instanceof RegExp) assert.match(String(actual), expected, what);
  else assert.equal(actual, expected, what);
}

async function check({ url, v1: one, v2: two }: Gateway, expected: Case): Promise<void> {
  const { path, options, status, upstream, seen, sent, headers, body, tookMs } = expected;
  const before = Date.now();
  const answer = await httpRequest(url, { ...options, rawPath: path });
  const took = Date.now() - before;
  assert.equal(answer.status, status, answer.body);
  if (upstream || status >= 300) assert.equal(answer.headers['x-upstream'], upstream);
  const last = (upstream === 'v2' ? two : one).seen.at(-1);
  for (const [key, value] of Object.entries(seen ?? {})) assert.equal(last?.[key as keyof Seen], value, key);
  for (const [key, value] of Object.entries(sent ?? {})) same(last?.headers[key], value, key);
  for (const [key, value] of Object.entries(headers ?? {})) same(answer.headers[key], value, key);
  if (typeof body === 'string') assert.equal(answer.body, body);
  else if (body) assert.match(answer.body, body);
  if (tookMs) assert.ok(took >= tookMs[0] && took < tookMs[1], `took ${took} ms`);
  assert.equal(answer.headers.server, 'istio-envoy');
  assert.equal(answer.headers['x-envoy-upstream-service-time'] === undefined, upstream === undefined && sent === undefined);
}
