// An upstream that switches protocols and then echoes in capital letters. A path with "late" waits for `accept`.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

export type TunnelConnection = { received: string; ended: boolean; readonly socket: Socket };

export type TunnelUpstream = {
  readonly port: number;
  /** Since `forget`. */
  connections: TunnelConnection[];
  forget(): void;
  /** Switches the connection that waits. */
  accept(): void;
  close(): Promise<void>;
};

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';

/** Starts it on a free loopback port; the caller closes it. */
export async function startTunnelUpstream(): Promise<TunnelUpstream> {
  const sockets = new Set<Socket>();
  let accept = () => {};
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    const connection: TunnelConnection = { received: '', ended: false, socket };
    upstream.connections.push(connection);
    let switched = false;
    const echo = (text: string) => void socket.write(Buffer.from(text.toUpperCase(), 'latin1'));
    const begin = () => {
      switched = true;
      socket.write(SWITCH);
      echo(connection.received.slice(connection.received.indexOf('\r\n\r\n') + 4));
    };
    socket.on('error', () => {});
    socket.on('end', () => {
      connection.ended = true;
      socket.end();
    });
    socket.on('close', () => {
      connection.ended = true;
      sockets.delete(socket);
    });
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      connection.received += text;
      if (switched) return echo(text);
      if (!connection.received.includes('\r\n\r\n')) return;
      accept = begin;
      if (!/^\S+ \S*late/.test(connection.received)) begin();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: TunnelUpstream = {
    port: (server.address() as AddressInfo).port,
    connections: [],
    forget() {
      upstream.connections = [];
    },
    accept: () => accept(),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return upstream;
}
