// The explicit HTTP proxy of one pod: what the app's `http_proxy` points to. Plain requests are forwarded, CONNECT gives a raw
// tunnel; both leave by the pod's way out, i.e. through its sidecar when it has one.

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SocketAddress } from '@lateen/base';
import { messageOf } from '@lateen/base';
import { relay } from '../relay.ts';

/** Headers that end at a proxy (RFC 9110 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export type HttpFront = { readonly port: number; close(): void };

export type HttpFrontOptions = {
  /** Addresses of a name as the pod sees it; empty when there are none. */
  lookup(name: string): Promise<string[]>;
  dial(address: SocketAddress): Socket;
};

export async function createHttpFront({ lookup, dial }: HttpFrontOptions): Promise<HttpFront> {
  const resolve = async (host: string): Promise<string> => {
    const [ip] = isIPv4(host) ? [host] : await lookup(host);
    if (ip === undefined) throw Object.assign(new Error(`no such host: ${host}`), { code: 'ENOTFOUND' });
    return ip;
  };

  const forwardRequest = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const target = parseTarget(incoming.url ?? '');
    if (!target) return refuse(outgoing, 400, 'this is a proxy: send an absolute http:// URL or CONNECT');
    const ip = await resolve(target.hostname).catch(() => undefined);
    if (ip === undefined) return refuse(outgoing, 503, `no such host: ${target.hostname}`);
    const upstream = httpRequest({
      method: incoming.method,
      path: target.pathname + target.search,
      headers: endToEnd(incoming),
      setHost: false,
      createConnection: () => dial({ host: ip, port: Number(target.port || 80) }),
    });
    upstream.on('error', (error) => {
      if (outgoing.headersSent) outgoing.destroy();
      else refuse(outgoing, 503, `cannot reach ${target.host}: ${error.message}`);
    });
    upstream.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.statusMessage, endToEnd(response));
      response.on('error', () => outgoing.destroy());
      response.pipe(outgoing);
    });
    outgoing.on('close', () => upstream.destroy());
    incoming.on('error', () => upstream.destroy());
    incoming.pipe(upstream);
  };

  const tunnel = async (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on('error', () => {});
    const address = parseAuthority(incoming.url ?? '');
    if (!address) return void client.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    try {
      const upstream = dial({ host: await resolve(address.host), port: address.port });
      await connected(upstream);
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      relay(client as Socket, upstream);
    } catch (error) {
      // A proper status: clients retry without end when a tunnel just ends.
      const body = `${messageOf(error)}\n`;
      client.end(`HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    }
  };

  const server = createServer((incoming, outgoing) => void forwardRequest(incoming, outgoing));
  server.on('connect', (incoming, client, head) => void tunnel(incoming, client, head));
  server.on('clientError', (_error, socket) => void socket.destroy());
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', listening);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function parseTarget(url: string): URL | undefined {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  return target?.protocol === 'http:' ? target : undefined;
}

function parseAuthority(text: string): SocketAddress | undefined {
  const match = /^([A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  return match?.[1] !== undefined && port > 0 && port < 65_536 ? { host: match[1], port } : undefined;
}

/** Raw name-value pairs without those that concern only this hop; repeated fields stay apart. */
function endToEnd(message: IncomingMessage): string[] {
  const named = new Set((message.headers.connection ?? '').toLowerCase().split(/\s*,\s*/));
  const kept: string[] = [];
  for (let i = 0; i < message.rawHeaders.length; i += 2) {
    const name = message.rawHeaders[i] as string;
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !named.has(lower)) kept.push(name, message.rawHeaders[i + 1] as string);
  }
  return kept;
}

function refuse(outgoing: ServerResponse, status: number, why: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain', connection: 'close' });
  outgoing.end(`${why}\n`);
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve();
    });
    socket.once('error', reject);
  });
}
