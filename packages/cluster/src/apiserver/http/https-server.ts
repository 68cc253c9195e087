// TLS and HTTP/1.1 around the handler. Sockets come from any listener through `accept`.

import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Logger, messageOf } from '@lateen/base';
import type { Authenticator } from '../auth/authenticate.ts';
import { ANONYMOUS, type Handler } from '../handler.ts';
import { ApiError, tooLarge, unauthorized } from '../status.ts';
import type { ApiReply, ApiRequest } from './exchange.ts';

export type Upgrade = (request: ApiRequest, socket: Duplex, head: Buffer) => Promise<void>;

export type HttpsServerOptions = {
  /** PEM. */
  ca: string;
  cert: string;
  key: string;
  authenticate: Authenticator;
  handle: Handler;
  /** Serves an authenticated upgrade; owns the socket. */
  upgrade: Upgrade;
  logger: Logger;
};

export type HttpsServer = { accept(socket: Socket): void; close(): Promise<void> };

const MAX_BODY = 3 * 1024 * 1024;
/** Read and dropped beyond the limit, so that the client gets to read its answer. */
const MAX_DRAINED = 64 * 1024 * 1024;

export function createHttpsServer(options: HttpsServerOptions): HttpsServer {
  const { logger } = options;
  const closing = new AbortController();
  const sockets = new Set<Socket>();
  // Clients may come without a certificate (tokens); a wrong one just does not count.
  const server = https.createServer({
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
  });
  server.keepAliveTimeout = 60_000;
  server.on('tlsClientError', (error) => logger.debug('TLS handshake failed', { error: messageOf(error) }));
  server.on(
    'clientError',
    (_error, socket) => void (socket.writable ? socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n') : socket.destroy()),
  );
  server.on('request', (request, response) => {
    serveRequest(options, { request, response, closing: closing.signal }).catch((error: unknown) => {
      logger.debug('connection ended early', { error: messageOf(error) });
      response.destroy();
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {}); // the peer left
    serveUpgrade(options, { request, socket, head, closing: closing.signal }).catch((error: unknown) => {
      logger.debug('upgraded connection failed', { error: messageOf(error) });
      socket.destroy();
    });
  });
  return {
    accept(socket) {
      if (closing.signal.aborted) return void socket.destroy();
      sockets.add(socket);
      socket.on('error', () => {}); // reported by the TLS layer
      socket.on('close', () => sockets.delete(socket));
      server.emit('connection', socket);
    },
    async close() {
      closing.abort(new Error('the API server is closing'));
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}

type Exchange = { request: IncomingMessage; response: ServerResponse; closing: AbortSignal };

async function serveRequest(options: HttpsServerOptions, { request, response, closing }: Exchange): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort(new Error('the client is gone'));
  response.on('close', leave);
  response.on('error', leave);
  closing.addEventListener('abort', leave, { once: true });
  try {
    const body = await readBody(request);
    const reply = body ? await options.handle(toApiRequest(request, { options, body, signal: gone.signal })) : replyOf(tooLarge(MAX_BODY));
    await send(reply, { request, response, signal: gone.signal });
  } finally {
    closing.removeEventListener('abort', leave);
  }
}

function toApiRequest(request: IncomingMessage, context: { options: HttpsServerOptions; body: Buffer; signal: AbortSignal }): ApiRequest {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const { authorization } = request.headers;
  return {
    method: request.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
    headers: flatHeaders(request),
    body: context.body,
    user: context.options.authenticate({ authorization, socket: request.socket }) ?? {
      username: ANONYMOUS,
      groups: ['system:unauthenticated'],
    },
    signal: context.signal,
  };
}

const flatHeaders = (request: IncomingMessage): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
    else chunks.length = 0;
    if (size > MAX_DRAINED) break;
  }
  return size > MAX_BODY ? undefined : Buffer.concat(chunks);
}

const replyOf = (error: ApiError): ApiReply => ({ status: error.status.code ?? 500, body: error.status });

async function send(
  reply: ApiReply,
  { request, response, signal }: { request: IncomingMessage; response: ServerResponse; signal: AbortSignal },
): Promise<void> {
  const headers = { 'cache-control': 'no-cache, private', ...reply.headers };
  if (reply.stream) {
    response.writeHead(reply.status, headers);
    // kubectl waits for the headers of a watch before anything happens.
    response.flushHeaders();
    const source = reply.stream instanceof Readable ? reply.stream : Readable.from(reply.stream);
    signal.addEventListener('abort', () => source.destroy(), { once: true });
    source.on('error', () => response.destroy());
    source.pipe(response);
    await finished(response).catch(() => {});
    source.destroy();
    return;
  }
  const isPlain = typeof reply.body === 'string' || Buffer.isBuffer(reply.body);
  const payload = isPlain ? (reply.body as string | Buffer) : `${JSON.stringify(reply.body)}\n`;
  response.writeHead(reply.status, {
    'content-type': 'application/json',
    ...headers,
    'content-length': Buffer.byteLength(payload),
    ...(reply.status === 413 ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : payload);
}

async function serveUpgrade(
  options: HttpsServerOptions,
  { request, socket, head, closing }: { request: IncomingMessage; socket: Duplex; head: Buffer; closing: AbortSignal },
): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort(new Error('the connection is closed'));
  socket.on('close', leave);
  closing.addEventListener('abort', leave, { once: true });
  const api = toApiRequest(request, { options, body: Buffer.alloc(0), signal: gone.signal });
  try {
    if (api.user.username === ANONYMOUS) throw unauthorized();
    await options.upgrade(api, socket, head);
  } catch (error) {
    refuseUpgrade(socket, error);
  } finally {
    closing.removeEventListener('abort', leave);
  }
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  if (!socket.writable) return;
  const api = error instanceof ApiError ? error : new ApiError(500, 'InternalError', { message: messageOf(error) });
  const body = JSON.stringify(api.status);
  socket.end(
    `HTTP/1.1 ${api.status.code} ${api.status.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
