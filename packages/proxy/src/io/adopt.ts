import type { Socket } from 'node:net';
import type { Connection, ConnectionHandler } from './connection.ts';
import { HandleConnection } from './handle-connection.ts';
import { readIntoShared } from './shared-read.ts';
import { SocketConnection } from './socket-connection.ts';
import { handlesAreUsable, tcpHandleOf } from './tcp-handle.ts';

/** The connection of an accepted (or handed over) socket, by the cheapest means that serves it. */
export function adoptSocket(socket: Socket, handler: ConnectionHandler): Connection {
  const handle = handlesAreUsable() ? tcpHandleOf(socket) : undefined;
  if (!handle || !readIntoShared(socket, () => {})) return new SocketConnection(socket, handler);
  const connection = new HandleConnection(socket, handler);
  connection.attach(handle);
  return connection;
}
