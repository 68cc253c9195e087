// Small HTTP endpoints (admin, agent, metrics) on sockets of the transport. Not the data path: node:http is good enough here.

import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { CodedError, type Logger, messageOf, type SocketAddress, systemClock, type Transport } from '@lateen/base';
import type { HttpStats } from '../observe/stats.ts';

/** What an answer that is under way may take once the endpoint closes. */
const LAST_ANSWER_MS = 1000;
/** Whoever asks closes. */
const BY_CLIENT = { endedByPeer: true, brokeOff: false };

export type EndpointRequest = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  /** Each name and value as sent, one after the other. */
  rawHeaders: readonly string[];
  /** Who asks; empty when that is not known. */
  remoteIp: string;
};
export type EndpointReply = { status: number; body: string; contentType?: string; headers?: Record<string, string> };
export type EndpointHandler = (request: EndpointRequest) => EndpointReply | Promise<EndpointReply>;

export type Endpoint = { readonly address: SocketAddress; close(): Promise<void> };

export type EndpointOptions = {
  transport: Transport;
  address: SocketAddress;
  logger: Logger;
  handle: EndpointHandler;
  /** Counts its connections and requests. Default: nobody does. */
  stats?: HttpStats;
};

/** Listens until closed; `close` also ends open connections. @throws CodedError LAT4002 when the address cannot be bound. */
export async function serveEndpoint({ transport, address, logger, handle, stats }: EndpointOptions): Promise<Endpoint> {
  /** node:http knows the connections of servers only that listen themselves. Values: requests under way. */
  const open = new Map<Socket, number>();
  let isClosing = false;
  const server = createServer({ maxHeaderSize: 16 * 1024, requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    // Bodies mean nothing to any of these endpoints.
    request.resume();
    request.on('error', () => {});
    const startedMs = performance.now();
    const { socket } = request;
    open.set(socket, (open.get(socket) ?? 0) + 1);
    response.once('close', () => {
      if (!open.has(socket)) return;
      open.set(socket, (open.get(socket) ?? 1) - 1);
      if (isClosing) socket.destroySoon();
    });
    if (stats) {
      stats.downstream_rq_total++;
      stats.downstream_rq_active++;
      response.once('close', () => stats.finishOwn(response.statusCode, performance.now() - startedMs));
    }
    const reply = async () => {
      const url = parseTarget(request.url ?? '/');
      if (!url) return { status: 400, body: 'malformed request target\n' };
      const { method = 'GET', headers, rawHeaders, socket } = request;
      return handle({ method, path: url.pathname, query: url.searchParams, headers, rawHeaders, remoteIp: socket.remoteAddress ?? '' });
    };
    void reply()
      .catch((error: unknown): EndpointReply => {
        logger.error('endpoint failed', { path: request.url, error: messageOf(error) });
        return { status: 500, body: `${messageOf(error)}\n` };
      })
      .then(({ status, body, contentType = 'text/plain; charset=UTF-8', headers }) => {
        response.on('error', () => {});
        response.writeHead(status, {
          'content-type': contentType,
          'cache-control': 'no-cache, max-age=0',
          'x-content-type-options': 'nosniff',
          'content-length': Buffer.byteLength(body),
          ...headers,
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const listener = await transport
    .listen(address, (socket) => {
      socket.on('error', () => {});
      open.set(socket, 0);
      socket.once('close', () => open.delete(socket));
      if (stats) {
        const openedMs = performance.now();
        stats.connectionOpened('http1', socket);
        socket.once('close', () => stats.connectionClosed(performance.now() - openedMs, socket, BY_CLIENT));
      }
      server.emit('connection', socket);
    })
    .catch((error: unknown) => {
      throw new CodedError({
        code: 'LAT4002',
        what: `cannot listen on ${address.host}:${address.port}`,
        why: messageOf(error),
        cause: error,
      });
    });
  return {
    address: listener.address,
    async close() {
      isClosing = true;
      for (const [socket, requests] of open) if (requests === 0) socket.destroy();
      await listener.close();
      const destroyAll = () => {
        for (const socket of open.keys()) socket.destroy();
      };
      systemClock.after(LAST_ANSWER_MS, destroyAll, { background: true });
    },
  };
}

function parseTarget(target: string): URL | undefined {
  // A plus is itself, as to Envoy: it stands in expressions more often than for a space.
  const url = target.replaceAll('+', '%2B');
  return url.startsWith('/') && URL.canParse(url, 'http://localhost') ? new URL(url, 'http://localhost') : undefined;
}
