// The servers behind the proxies: they do what a request's X-Do header says, and remember what they saw.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { UPSTREAMS } from './bootstrap.ts';
import type { HeaderList, Headers, Seen, UpstreamOrder } from './model.ts';

export type Upstreams = {
  /** By name; those that speak HTTP/2 with prior knowledge apart. Nothing listens on `nobody`. */
  http1: ReadonlyMap<string, number>;
  http2: ReadonlyMap<string, number>;
  /** By the X-Case of a request, '' without; forgets them. */
  take(): Map<string, Seen[]>;
  close(): Promise<void>;
};

/** A port that no test is given by the kernel, so that connections are refused. */
const CLOSED_PORT = 1;

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

/** Starts `a`, `b` and `c` in both protocols. The caller closes them. */
export async function startUpstreams(): Promise<Upstreams> {
  let seen = new Map<string, Seen[]>();
  const attempts = new Map<string, number>();
  const sockets = new Set<Socket>();
  const servers: (Server | Http2Server)[] = [];
  const remember = (tag: string, one: Seen) => void seen.set(tag, [...(seen.get(tag) ?? []), one]);
  const listen = async (server: Server | Http2Server): Promise<number> => {
    servers.push(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const serve = (name: string) => async (request: AnyRequest, response: AnyResponse) => {
    request.on('error', () => {});
    response.on('error', () => {});
    const { tag, order } = await readInto(request, name, remember);
    const attempt = (attempts.get(tag) ?? 0) + 1;
    attempts.set(tag, attempt);
    await answer({ request, response, name, order, attempt });
  };
  const http1 = new Map([['nobody', CLOSED_PORT]]);
  const http2 = new Map([['nobody', CLOSED_PORT]]);
  for (const name of UPSTREAMS) {
    const plain = createServer({ maxHeaderSize: 512 * 1024 }, (request, response) => void serve(name)(request, response));
    plain.on('upgrade', (request: IncomingMessage, socket: Socket) => upgrade(request, socket, { name, remember }));
    plain.on('clientError', (error: Error & { code?: string }, socket: Socket) => {
      if (error.code !== 'ECONNRESET') remember('', { upstream: name, method: 'malformed', path: error.message, headers: [], body: '' });
      socket.destroy();
    });
    http1.set(name, await listen(plain));
    const two = createHttp2Server({ settings: { enableConnectProtocol: true, maxHeaderListSize: 512 * 1024 } }, (request, response) => {
      void serve(name)(request, response);
    });
    http2.set(name, await listen(two));
  }
  return {
    http1,
    http2,
    take() {
      const taken = seen;
      seen = new Map();
      attempts.clear();
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
    },
  };
}

async function readInto(request: AnyRequest, name: string, remember: (tag: string, one: Seen) => void) {
  const one = headOf(request, name);
  const tag = one.headers.find(([key]) => key === 'x-case')?.[1] ?? '';
  const asked = one.headers.find(([key]) => key === 'x-do')?.[1];
  one.headers = one.headers.filter(([key]) => key !== 'x-case' && key !== 'x-do');
  one.written = writtenNames(request.rawHeaders);
  // What is remembered is filled in while the body comes, so that an aborted request is seen as well.
  remember(tag, one);
  const order = (asked ? JSON.parse(asked) : {}) as UpstreamOrder;
  try {
    for await (const chunk of request) one.body += chunk;
  } catch {
    one.body += '<aborted>';
  }
  const trailers = listOf(request.rawTrailers);
  if (trailers.length > 0) one.trailers = trailers;
  if (trailers.length > 0) one.written.push(...writtenNames(request.rawTrailers));
  if (one.body.length > 300) one.body = `${one.body.length} bytes`;
  return { tag, order };
}

function headOf(request: AnyRequest, name: string): Seen {
  const all = listOf(request.rawHeaders);
  const isHttp2 = request.httpVersionMajor === 2;
  const authority = all.find(([key]) => key === ':authority')?.[1];
  const headers = all.filter(([key]) => !key.startsWith(':'));
  // The same fact in both protocols.
  if (isHttp2 && authority !== undefined) headers.push(['host', authority]);
  return { upstream: name, method: request.method ?? '', path: request.url ?? '', headers: headers.sort(byName), body: '' };
}

type Order = { request: AnyRequest; response: AnyResponse; name: string; order: UpstreamOrder; attempt: number };

async function answer({ request, response, name, order, attempt }: Order): Promise<void> {
  const { socket } = request;
  const delayMs = nth(order.delayMs, attempt) ?? 0;
  if (delayMs > 0) await new Promise((next) => setTimeout(next, delayMs));
  if (attempt <= (order.resets ?? 0)) {
    if ('stream' in response) response.stream.close(2);
    else socket.destroy();
    return;
  }
  if (order.raw !== undefined)
    return void socket.end(Buffer.from(order.raw.replace('{padding}', 'l'.repeat(order.padding ?? 0)), 'latin1'));
  for (const status of order.informational ?? []) inform(response, status);
  const status = nth(order.status, attempt) ?? 200;
  // Node ends an answer with 205 at its head, whatever is written.
  const isEmpty = status === 204 || status === 205 || status === 304;
  const body = isEmpty ? '' : (order.body ?? `from ${name}`);
  const headers: Headers = { 'x-upstream': name, ...(!isEmpty && { 'content-type': 'text/plain' }), ...order.headers };
  response.sendDate = false;
  if (!('stream' in response)) response.removeHeader('connection');
  for (const [key, value] of Object.entries(headers)) response.setHeader(key, value as string | string[]);
  if (!order.isChunked && !order.trailers && !isEmpty) response.setHeader('content-length', Buffer.byteLength(body));
  response.statusCode = status;
  const isHead = request.method === 'HEAD';
  // Both kinds have these methods, but types that do not meet.
  const out = response as ServerResponse;
  if (body && !isHead) out.write(body);
  if (order.trailers) out.addTrailers(order.trailers as Record<string, string>);
  out.end();
}

function inform(response: AnyResponse, status: number): void {
  if ('stream' in response) response.stream.additionalHeaders({ ':status': status });
  else if (status === 100) response.writeContinue();
  else response.socket?.write(`HTTP/1.1 ${status} Informational\r\nx-early: yes\r\n\r\n`);
}

function upgrade(
  request: IncomingMessage,
  socket: Socket,
  { name, remember }: { name: string; remember: (tag: string, one: Seen) => void },
) {
  const one = headOf(request, name);
  const tag = one.headers.find(([key]) => key === 'x-case')?.[1] ?? '';
  one.headers = one.headers.filter(([key]) => key !== 'x-case' && key !== 'x-do');
  one.written = writtenNames(request.rawHeaders);
  remember(tag, one);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade}\r\nx-upstream: ${name}\r\n\r\n`,
  );
  socket.on('data', (bytes: Buffer) => socket.write(bytes.toString('latin1').toUpperCase()));
  socket.on('end', () => socket.end());
}

function nth<T>(value: T | readonly T[] | undefined, attempt: number): T | undefined {
  return Array.isArray(value) ? ((value as readonly T[])[attempt - 1] ?? (value as readonly T[]).at(-1)) : (value as T | undefined);
}

/** A flat list of names and values, as Node gives them raw. */
export function listOf(raw: readonly string[]): HeaderList {
  const list: HeaderList = [];
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string]);
  return list.sort(byName);
}

const writtenNames = (raw: readonly string[]): string[] => raw.filter((name, i) => i % 2 === 0 && !/^x-(?:case|do)$/i.test(name)).sort();

const byName = ([a]: [string, string], [b]: [string, string]) => (a < b ? -1 : a > b ? 1 : 0);
