// The frame that the HTTP samples share: a route table, JSON and text answers, a clean stop on SIGTERM. A request that no
// route takes is 404; an error in a handler is 500 and goes to the log.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export type Exchange = {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** Path parameters, by the names in the pattern. */
  params: Record<string, string>;
};

export type Route = { method: string; pattern: string; handle: (exchange: Exchange) => void | Promise<void> };

const MAX_BODY_BYTES = 1024 * 1024;

/** A server over the routes; method "*" takes any. The caller listens and closes. */
export function createHttpApp(routes: Route[]): Server {
  const compiled = routes.map((route) => ({ ...route, segments: route.pattern.split('/') }));
  return createServer((request, response) => {
    response.on('error', () => response.destroy());
    const url = new URL(request.url ?? '/', 'http://localhost');
    const segments = url.pathname.split('/');
    for (const route of compiled) {
      if (route.method !== '*' && route.method !== request.method && !(route.method === 'GET' && request.method === 'HEAD')) continue;
      const params = matchSegments(route.segments, segments);
      if (!params) continue;
      Promise.resolve()
        .then(() => route.handle({ request, response, url, params }))
        .catch((error: unknown) => {
          console.error(error);
          if (!response.headersSent) sendText(response, 500, 'Internal Server Error\n');
          else response.destroy();
        });
      return;
    }
    sendText(response, 404, 'Not Found\n');
  });
}

function matchSegments(pattern: string[], segments: string[]): Record<string, string> | undefined {
  const rest = pattern.at(-1) === '**';
  if (rest ? segments.length < pattern.length - 1 : segments.length !== pattern.length) return undefined;
  const params: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i++) {
    const expected = pattern[i] as string;
    if (expected === '**') return params;
    const actual = segments[i] as string;
    if (expected.startsWith(':')) params[expected.slice(1)] = decode(actual);
    else if (expected !== actual) return undefined;
  }
  return params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function sendText(response: ServerResponse, status: number, text: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, `${JSON.stringify(value)}\n`, 'application/json');
}

/** The whole body as text; rejects over 1 MiB. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the request body is larger than 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Listens on HOST:PORT (default 0.0.0.0 and `defaultPort`) and stops on SIGTERM, letting requests finish. */
export function serve(server: Server, defaultPort: number): void {
  const port = Number(process.env.PORT ?? defaultPort);
  server.listen(port, process.env.HOST ?? '0.0.0.0', () => console.log(`listening on port ${port}`));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    });
  }
}
