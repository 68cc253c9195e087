import type { Socket } from 'node:net';
import type { Connection, ConnectionHandler } from './connection.ts';
import { SocketConnection } from './socket-connection.ts';

/** The connection of an accepted (or handed over) socket, by the cheapest means that serves it. */
export const adoptSocket = (socket: Socket, handler: ConnectionHandler): Connection => new SocketConnection(socket, handler);
