import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** What the upstream saw. */
export type Echo = { upstream: string; method: string; path: string; headers: Record<string, string>; body: string };

/** An HTTP server on 127.0.0.1 that says what it was asked; gives its port. `?status=N` and `?delay=MS` change the answer. */
export async function startEchoUpstream(t: TestContext, name: string): Promise<number> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk;
    });
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://x');
      const status = Number(url.searchParams.get('status') ?? 200);
      const echo: Echo = {
        upstream: name,
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers as Record<string, string>,
        body,
      };
      const answer = () => {
        response.writeHead(status, { 'content-type': 'application/json', 'x-upstream': name });
        response.end(JSON.stringify(echo));
      };
      const delayMs = Number(url.searchParams.get('delay') ?? 0);
      if (delayMs > 0) setTimeout(answer, Math.min(delayMs, 5_000));
      else answer();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}
