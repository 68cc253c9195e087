// The services behind the proxy under test: HTTP/1.1 (with WebSocket-like upgrades), HTTP/2 prior knowledge, TCP echo.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';

export type Upstreams = {
  readonly http1: readonly number[];
  readonly http2: readonly number[];
  readonly tcp: number;
  close(): void;
};

/** Several of each HTTP kind, so that endpoints can come and go. */
export async function startUpstreams(count: number): Promise<Upstreams> {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const http1: number[] = [];
  const http2: number[] = [];
  for (let i = 0; i < count; i++) {
    http1.push(await listen(createHttp1()));
    http2.push(await listen(createHttp2()));
  }
  const tcp = await listen(createTcpServer((socket) => void socket.pipe(socket)));
  return {
    http1,
    http2,
    tcp,
    close() {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function createHttp1(): Server {
  const server = createHttpServer({ keepAliveTimeout: 3_600_000 }, (request, response) => {
    if (request.method === 'POST') {
      request.pipe(response);
      return;
    }
    const size = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('size') ?? 100);
    response.end('x'.repeat(Math.min(size, 1_000_000)));
  });
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  return server;
}

function createHttp2(): Server {
  const server = createHttp2Server((request, response) => {
    request.on('error', () => {});
    response.on('error', () => {});
    response.setHeader('trailer', 'grpc-status');
    response.addTrailers({ 'grpc-status': '0' });
    request.pipe(response);
  });
  server.on('sessionError', () => {});
  return server as unknown as Server;
}
