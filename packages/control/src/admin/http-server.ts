// Plain HTTP servers of the control plane: readiness and debug pages on one address, metrics and version on another.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Closable, CodedError, type Logger, messageOf } from '@lateen/base';

export type HttpAddress = { host: string; port: number };
export type HttpAnswer = { status: number; contentType: string; body: string };
/** The answer to GET `path`, or undefined for 404. */
export type HttpHandler = (path: string, query: URLSearchParams) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>;
export type ListeningServer = Closable & { readonly port: number };

/** @throws CodedError LAT0404 when the address cannot be bound. */
export function listenHttp(address: HttpAddress, handler: HttpHandler, logger: Logger): Promise<ListeningServer> {
  const server = createServer((request, response) => {
    answer(request, response, handler).catch((error: unknown) => {
      logger.error('an HTTP request failed', { path: request.url, error: messageOf(error) });
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end('internal error\n');
    });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new CodedError({
          code: 'LAT0404',
          what: `cannot serve HTTP on ${address.host}:${address.port}`,
          why: error.message,
          fix: 'choose another address, or stop what listens there',
          cause: error,
        }),
      ),
    );
    server.listen(address.port, address.host, () => {
      server.on('error', (error) => logger.error('HTTP server failed', { error: error.message }));
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise<void>((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, handler: HttpHandler): Promise<void> {
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const url = new URL(request.url ?? '/', 'http://localhost');
  const found = await handler(url.pathname, url.searchParams);
  if (!found) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
    return;
  }
  response.writeHead(found.status, { 'content-type': found.contentType }).end(request.method === 'HEAD' ? undefined : found.body);
}

export const text = (body: string, status = 200): HttpAnswer => ({ status, contentType: 'text/plain; charset=utf-8', body });
export const json = (value: unknown): HttpAnswer => ({
  status: 200,
  contentType: 'application/json',
  body: `${JSON.stringify(value, undefined, 2)}\n`,
});
