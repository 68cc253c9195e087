// Raw clients and servers for tests: bytes in, bytes out, nothing corrected on the way.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from '@lateen/base/testing';

export type Wire = {
  readonly socket: Socket;
  /** Everything received so far, as latin1. */
  readonly text: () => string;
  send(text: string | Buffer): void;
  /** Waits until the received text contains `part`. */
  expect(part: string): Promise<string>;
  /** Waits until the peer closed; gives the whole text. */
  closed(): Promise<string>;
  readonly isClosed: () => boolean;
  close(): void;
};

export async function openWire(port: number): Promise<Wire> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  let text = '';
  let closed = false;
  let ended = false;
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('end', () => {
    ended = true;
  });
  socket.on('close', () => {
    closed = true;
  });
  const isClosed = () => closed || ended;
  return {
    socket,
    text: () => text,
    send: (data) => void socket.write(data),
    expect: async (part) => {
      const missing = () => new Error(`no ${JSON.stringify(part)} in ${JSON.stringify(text)}${isClosed() ? ' (closed)' : ''}`);
      await eventually(
        () => {
          if (!text.includes(part) && !isClosed()) throw missing();
        },
        { intervalMs: 5 },
      );
      if (!text.includes(part)) throw missing();
      return text;
    },
    closed: async () => {
      await eventually(() => isClosed(), { intervalMs: 5 });
      return text;
    },
    isClosed,
    close: () => socket.destroy(),
  };
}

/** Sends one request, waits for the whole answer and the end of the connection. */
export async function exchangeOnce(port: number, text: string | Buffer): Promise<string> {
  const wire = await openWire(port);
  wire.send(text);
  try {
    return await wire.closed();
  } finally {
    wire.close();
  }
}

export type RawServer = {
  readonly port: number;
  readonly server: Server;
  /** Everything that arrived on each connection, in order of connections. */
  readonly received: string[];
  readonly sockets: Socket[];
  close(): Promise<void>;
};

/** A TCP server that calls `onData` with the connection and everything it received so far. */
export async function startRawServer(onData: (socket: Socket, received: string, connection: number) => void): Promise<RawServer> {
  const received: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const index = received.push('') - 1;
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      received[index] += bytes.toString('latin1');
      onData(socket, received[index] as string, index);
    });
    socket.on('end', () => socket.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    received,
    sockets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers each complete bodyless request on a connection with `answer`. */
export function answering(answer: (request: string, index: number) => string): (socket: Socket, received: string) => void {
  const answered = new WeakMap<Socket, number>();
  return (socket, received) => {
    const requests = received.split('\r\n\r\n');
    requests.pop();
    for (let i = answered.get(socket) ?? 0; i < requests.length; i++) socket.write(answer(requests[i] as string, i));
    answered.set(socket, requests.length);
  };
}

/** A complete 200 with a body. */
export const ok = (body: string, headers = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
