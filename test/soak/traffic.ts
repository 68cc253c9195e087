// The mixed load, open loop: each flow starts its work at a fixed rate, whatever became of what it started before.

import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Ports } from './control-plane.ts';

export type Flow = { readonly name: string; readonly perSecond: number; run(): Promise<void> };

const WITHIN_MS = 20_000;

/** Flows that together start `perSecond` pieces of work a second; `close` lets go of what they keep open. */
export function createTraffic(ports: Ports, perSecond: number): { flows: readonly Flow[]; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const sessions = new Map<string, ClientHttp2Session>();
  const sessionOf = (url: string): ClientHttp2Session => {
    const known = sessions.get(url);
    // A proxy that drains says GOAWAY; what is under way on the old session ends there.
    if (known && !known.closed && !known.destroyed) return known;
    const session = connectHttp2(url, { rejectUnauthorized: false });
    session.on('error', () => {});
    session.on('goaway', () => {
      if (sessions.get(url) === session) sessions.delete(url);
    });
    sessions.set(url, session);
    return session;
  };
  const http = { host: '127.0.0.1', port: ports.http };
  const plain = `http://127.0.0.1:${ports.http}`;
  const tls = `https://127.0.0.1:${ports.tls}`;
  const share = (percent: number) => (perSecond * percent) / 100;
  const flows: Flow[] = [
    { name: 'HTTP/1.1 keep-alive', perSecond: share(40), run: () => http1({ ...http, agent, path: '/a' }, '', 100) },
    { name: 'HTTP/1.1 64 KiB', perSecond: share(6), run: () => http1({ ...http, agent, path: '/a?size=65536' }, '', 65_536) },
    { name: 'HTTP/1.1 new connection', perSecond: share(8), run: () => http1({ ...http, agent: false, path: '/a' }, '', 100) },
    {
      name: 'HTTP/1.1 POST',
      perSecond: share(10),
      run: () => http1({ ...http, agent, path: '/a', method: 'POST' }, 'p'.repeat(3000), 3000),
    },
    {
      name: 'HTTP/1.1 to HTTP/2',
      perSecond: share(8),
      run: () => http1({ ...http, agent, path: '/h2', method: 'POST' }, 'q'.repeat(500), 500),
    },
    { name: 'HTTP/2', perSecond: share(12), run: () => http2(() => sessionOf(plain), '/h2/x', 700) },
    { name: 'HTTP/2 over TLS to HTTP/1.1', perSecond: share(6), run: () => http2(() => sessionOf(tls), '/x', 700) },
    { name: 'TLS handshake', perSecond: share(2), run: () => handshake(ports.tls) },
    { name: 'WebSocket', perSecond: share(4), run: () => upgraded(ports.http) },
    { name: 'TCP', perSecond: share(4), run: () => tcpEcho(ports.tcp) },
  ];
  return {
    flows,
    close() {
      agent.destroy();
      for (const session of sessions.values()) session.destroy();
    },
  };
}

/** Rejects when `work` takes too long: a request that hangs is a failed one. */
async function inTime<T>(start: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return start(AbortSignal.timeout(WITHIN_MS));
}

function http1(options: object, body: string, expectedBytes: number): Promise<void> {
  return inTime(async (signal) => {
    const request = httpRequest({ ...options, signal });
    request.end(body);
    const [response] = await once(request, 'response', { signal });
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    if (bytes !== expectedBytes) throw new Error(`${bytes} bytes instead of ${expectedBytes}`);
  });
}

function http2(session: () => ClientHttp2Session, path: string, size: number): Promise<void> {
  return inTime(async (signal) => {
    const stream = session().request({ ':path': path, ':method': 'POST' }, { signal });
    stream.end('z'.repeat(size));
    const [headers] = await once(stream, 'response', { signal });
    let bytes = 0;
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    if (headers[':status'] !== 200) throw new Error(`status ${headers[':status']}`);
    if (bytes !== size) throw new Error(`${bytes} bytes instead of ${size}`);
  });
}

function handshake(port: number): Promise<void> {
  return inTime(async (signal) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    socket.on('error', () => {});
    try {
      await once(socket, 'secureConnect', { signal });
      socket.write('GET /a HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n');
      const [first] = await once(socket, 'data', { signal });
      if (!String(first).startsWith('HTTP/1.1 200')) throw new Error(String(first).slice(0, 80));
    } finally {
      socket.destroy();
    }
  });
}

function upgraded(port: number): Promise<void> {
  return inTime(async (signal) => {
    const request = httpRequest({ host: '127.0.0.1', port, path: '/ws', headers: { connection: 'upgrade', upgrade: 'websocket' }, signal });
    request.on('error', () => {});
    request.end();
    const [, socket] = await once(request, 'upgrade', { signal });
    socket.on('error', () => {});
    socket.write('ping');
    const [echo] = await once(socket, 'data', { signal });
    socket.destroy();
    if (String(echo) !== 'ping') throw new Error(`echo ${String(echo)}`);
  });
}

function tcpEcho(port: number): Promise<void> {
  return inTime(async (signal) => {
    const socket = connectTcp({ host: '127.0.0.1', port });
    socket.on('error', () => {});
    try {
      socket.write('t'.repeat(10_000));
      let bytes = 0;
      while (bytes < 10_000) {
        const [chunk] = await once(socket, 'data', { signal });
        bytes += (chunk as Buffer).length;
      }
    } finally {
      socket.destroy();
    }
  });
}
