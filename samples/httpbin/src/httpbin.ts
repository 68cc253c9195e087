// httpbin: says back what it was asked, in the paths that httpbin's users know.

import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { deflateSync, gzipSync } from 'node:zlib';
import { createHttpApp, type Exchange, type Route, readBody, sendJson, sendText, serve } from '../../src/http-app.ts';

const MAX_BYTES = 100 * 1024;
const MAX_DELAY_SECONDS = 10;
const MAX_REDIRECTS = 20;

export const httpbinRoutes: Route[] = [
  { method: 'GET', pattern: '/', handle: ({ response }) => sendText(response, 200, INDEX, 'text/html; charset=utf-8') },
  { method: 'GET', pattern: '/health', handle: ({ response }) => sendText(response, 200, 'ok\n') },
  { method: 'GET', pattern: '/get', handle: (exchange) => sendJson(exchange.response, 200, describeRequest(exchange)) },
  ...(['POST', 'PUT', 'PATCH', 'DELETE'] as const).map((method) => ({ method, pattern: `/${method.toLowerCase()}`, handle: echo })),
  { method: '*', pattern: '/anything', handle: echo },
  { method: '*', pattern: '/anything/**', handle: echo },
  { method: 'GET', pattern: '/headers', handle: ({ request, response }) => sendJson(response, 200, { headers: headersOf(request) }) },
  { method: 'GET', pattern: '/ip', handle: ({ request, response }) => sendJson(response, 200, { origin: originOf(request) }) },
  {
    method: 'GET',
    pattern: '/user-agent',
    handle: ({ request, response }) => sendJson(response, 200, { 'user-agent': request.headers['user-agent'] ?? '' }),
  },
  { method: 'GET', pattern: '/uuid', handle: ({ response }) => sendJson(response, 200, { uuid: randomUUID() }) },
  { method: '*', pattern: '/status/:code', handle: status },
  { method: '*', pattern: '/delay/:seconds', handle: delay },
  { method: 'GET', pattern: '/bytes/:count', handle: bytes },
  { method: 'GET', pattern: '/stream/:count', handle: stream },
  { method: 'GET', pattern: '/redirect/:count', handle: redirectChain },
  { method: 'GET', pattern: '/relative-redirect/:count', handle: redirectChain },
  { method: '*', pattern: '/redirect-to', handle: redirectTo },
  { method: '*', pattern: '/response-headers', handle: responseHeaders },
  { method: 'GET', pattern: '/cookies', handle: ({ request, response }) => sendJson(response, 200, { cookies: cookiesOf(request) }) },
  { method: 'GET', pattern: '/cookies/set', handle: setCookies },
  { method: 'GET', pattern: '/basic-auth/:user/:password', handle: basicAuth },
  { method: 'GET', pattern: '/bearer', handle: bearer },
  {
    method: 'GET',
    pattern: '/base64/:text',
    handle: ({ response, params }) => sendText(response, 200, Buffer.from(params.text as string, 'base64url').toString('utf8')),
  },
  { method: 'GET', pattern: '/gzip', handle: (exchange) => compressed(exchange, 'gzip') },
  { method: 'GET', pattern: '/deflate', handle: (exchange) => compressed(exchange, 'deflate') },
  { method: 'GET', pattern: '/json', handle: ({ response }) => sendJson(response, 200, { slideshow: { title: 'Sample', slides: [] } }) },
  { method: 'GET', pattern: '/html', handle: ({ response }) => sendText(response, 200, '<h1>A page</h1>\n', 'text/html; charset=utf-8') },
  {
    method: 'GET',
    pattern: '/xml',
    handle: ({ response }) => sendText(response, 200, '<?xml version="1.0"?><page/>\n', 'application/xml'),
  },
  { method: 'GET', pattern: '/robots.txt', handle: ({ response }) => sendText(response, 200, 'User-agent: *\nDisallow: /deny\n') },
  { method: 'GET', pattern: '/deny', handle: ({ response }) => sendText(response, 200, 'robots should not be here\n') },
];

const INDEX =
  '<!DOCTYPE html><title>httpbin</title><h1>httpbin</h1><p>Try <a href="/get">/get</a> or <a href="/headers">/headers</a>.</p>\n';

/** Header names in Go's canonical form with lists of values, as go-httpbin answers. */
function headersOf(request: IncomingMessage): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    headers[name.replace(/(^|-)([a-z])/g, (letters) => letters.toUpperCase())] = values ?? [];
  }
  return headers;
}

function originOf(request: IncomingMessage): string {
  const forwarded = request.headers['x-forwarded-for'];
  const first = typeof forwarded === 'string' ? forwarded.split(',')[0] : undefined;
  return first?.trim() || (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}

function describeRequest({ request, url }: Exchange) {
  const args: Record<string, string[]> = {};
  for (const key of new Set(url.searchParams.keys())) args[key] = url.searchParams.getAll(key);
  const proto = request.headers['x-forwarded-proto'] ?? 'http';
  return {
    args,
    headers: headersOf(request),
    method: request.method,
    origin: originOf(request),
    url: `${proto}://${request.headers.host ?? 'localhost'}${request.url}`,
  };
}

async function echo(exchange: Exchange): Promise<void> {
  const data = await readBody(exchange.request);
  const contentType = exchange.request.headers['content-type'] ?? '';
  const form: Record<string, string[]> = {};
  if (contentType.startsWith('application/x-www-form-urlencoded')) {
    const fields = new URLSearchParams(data);
    for (const key of new Set(fields.keys())) form[key] = fields.getAll(key);
  }
  sendJson(exchange.response, 200, { ...describeRequest(exchange), data, files: {}, form, json: parsedOrNull(data) });
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function status({ request, response, params }: Exchange): Promise<void> {
  await readBody(request);
  const choices = (params.code as string).split(',').map(Number);
  const code = choices[Math.floor(Math.random() * choices.length)] as number;
  if (!Number.isInteger(code) || code < 200 || code > 599) return sendText(response, 400, 'Invalid status code\n');
  if (code >= 300 && code < 400) response.setHeader('location', '/redirect/1');
  if (code === 401) response.setHeader('www-authenticate', 'Basic realm="Fake Realm"');
  response.writeHead(code, code === 204 || code === 304 ? {} : { 'content-length': 0 });
  response.end();
}

async function delay(exchange: Exchange): Promise<void> {
  const seconds = Math.min(MAX_DELAY_SECONDS, Number((exchange.params.seconds as string).replace(/s$/, '')));
  if (!(seconds >= 0)) return sendText(exchange.response, 400, 'Invalid duration\n');
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await echo(exchange);
}

function countOf(params: Record<string, string>, max: number): number | undefined {
  const count = Number(params.count);
  return Number.isInteger(count) && count >= 0 ? Math.min(count, max) : undefined;
}

function bytes({ response, params }: Exchange): void {
  const count = countOf(params, MAX_BYTES);
  if (count === undefined) return sendText(response, 400, 'Invalid count\n');
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': count });
  response.end(randomBytes(count));
}

function stream(exchange: Exchange): void {
  const count = countOf(exchange.params, 100);
  if (count === undefined) return sendText(exchange.response, 400, 'Invalid count\n');
  exchange.response.writeHead(200, { 'content-type': 'application/json' });
  for (let id = 0; id < count; id++) exchange.response.write(`${JSON.stringify({ id, ...describeRequest(exchange) })}\n`);
  exchange.response.end();
}

function redirectChain({ response, params }: Exchange): void {
  const count = countOf(params, MAX_REDIRECTS);
  if (!count) return sendText(response, 400, 'Invalid redirect count\n');
  response.writeHead(302, { location: count === 1 ? '/get' : `/relative-redirect/${count - 1}`, 'content-length': 0 });
  response.end();
}

function redirectTo({ response, url }: Exchange): void {
  const target = url.searchParams.get('url');
  const code = Number(url.searchParams.get('status_code') ?? 302);
  if (!target || /[\r\n]/.test(target) || code < 300 || code > 399) return sendText(response, 400, 'Invalid redirect\n');
  response.writeHead(code, { location: target, 'content-length': 0 });
  response.end();
}

function responseHeaders({ response, url }: Exchange): void {
  const wanted = [...new Set(url.searchParams.keys())].filter((name) => /^[\w-]+$/.test(name));
  for (const name of wanted) response.setHeader(name, url.searchParams.getAll(name));
  sendJson(response, 200, Object.fromEntries(wanted.map((name) => [name, url.searchParams.getAll(name)])));
}

function cookiesOf(request: IncomingMessage): Record<string, string> {
  const pairs = (request.headers.cookie ?? '').split(/; */).filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

function setCookies({ response, url }: Exchange): void {
  response.setHeader(
    'set-cookie',
    [...url.searchParams].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}; Path=/`),
  );
  response.writeHead(302, { location: '/cookies', 'content-length': 0 });
  response.end();
}

function basicAuth({ request, response, params }: Exchange): void {
  const expected = `Basic ${Buffer.from(`${params.user}:${params.password}`).toString('base64')}`;
  if (request.headers.authorization === expected) return sendJson(response, 200, { authenticated: true, user: params.user });
  response.setHeader('www-authenticate', 'Basic realm="Fake Realm"');
  sendJson(response, 401, { authenticated: false, user: '' });
}

function bearer({ request, response }: Exchange): void {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (token) return sendJson(response, 200, { authenticated: true, token });
  response.setHeader('www-authenticate', 'Bearer');
  sendText(response, 401, '');
}

function compressed(exchange: Exchange, encoding: 'gzip' | 'deflate'): void {
  const text = JSON.stringify({ ...describeRequest(exchange), [encoding === 'gzip' ? 'gzipped' : 'deflated']: true });
  const body = encoding === 'gzip' ? gzipSync(text) : deflateSync(text);
  exchange.response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding, 'content-length': body.length });
  exchange.response.end(body);
}

if (import.meta.main) serve(createHttpApp(httpbinRoutes), 8080);
