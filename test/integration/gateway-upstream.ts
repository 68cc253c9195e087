// The application behind the gateway in these tests: says what it was asked, and misbehaves on demand.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** What the upstream saw. */
export type Seen = { upstream: string; method: string; path: string; headers: Record<string, string>; body: string };

export type Upstream = { port: number; seen: Seen[] };

/**
 * An HTTP server on 127.0.0.1; it ends with the test. The query tells how it behaves: `status`, `delay` (ms), `size` (an answer of so
 * many bytes), `chunked`, and for the first N requests of a `key`: `fail=N` (503), `reset=N` (connection broken off), `late=N` (1 s).
 */
export async function startUpstream(t: TestContext, name: string): Promise<Upstream> {
  const seen: Seen[] = [];
  const tries = new Map<string, number>();
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const one = await read(request, name);
    if (!one) return;
    seen.push(one);
    const query = new URL(one.path, 'http://x').searchParams;
    const key = query.get('key') ?? '';
    const nth = (tries.get(key) ?? 0) + 1;
    tries.set(key, nth);
    const first = (what: string) => nth <= Number(query.get(what) ?? 0);
    if (first('reset')) return void request.socket.destroy();
    const delayMs = first('late') ? 1000 : Number(query.get('delay') ?? 0);
    const status = first('fail') ? 503 : Number(query.get('status') ?? 200);
    setTimeout(() => answer({ response, status, query }, one), Math.min(delayMs, 5000));
  };
  const server = createServer({ maxHeaderSize: 128 * 1024 }, (request, response) => void serve(request, response));
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => {});
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade}\r\nx-upstream: ${name}\r\n\r\n`,
    );
    socket.on('data', (bytes: Buffer) => socket.write(bytes.toString('latin1').toUpperCase()));
    socket.on('end', () => socket.end());
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

async function read(request: IncomingMessage, name: string): Promise<Seen | undefined> {
  let body = '';
  try {
    for await (const chunk of request) body += chunk;
  } catch {
    return undefined;
  }
  const { method = '', url: path = '' } = request;
  return {
    upstream: name,
    method,
    path,
    headers: request.headers as Record<string, string>,
    body: body.length > 1000 ? `${body.length} bytes` : body,
  };
}

type Order = { response: ServerResponse; status: number; query: URLSearchParams };

function answer({ response, status, query }: Order, one: Seen): void {
  const size = query.get('size');
  const body = size ? 'x'.repeat(Number(size)) : JSON.stringify(one);
  const withoutBody = status === 204 || status === 304;
  const headers: Record<string, string> = { 'x-upstream': one.upstream };
  if (!withoutBody) headers['content-type'] = size ? 'text/plain' : 'application/json';
  if (!withoutBody && !query.has('chunked')) headers['content-length'] = String(Buffer.byteLength(body));
  response.writeHead(status, headers);
  if (withoutBody) return void response.end();
  if (!query.has('chunked')) return void response.end(body);
  const half = Math.ceil(body.length / 2);
  response.write(body.slice(0, half));
  setImmediate(() => response.end(body.slice(half)));
}
