import type { Socket } from 'node:net';
import type { ConnectionHandler } from '../io/connection.ts';
import type { TlsConnection } from './tls-connection.ts';
import { tlsHandlesAreUsable } from './tls-handle.ts';
import { TlsHandleConnection } from './tls-handle-connection.ts';
import { TlsStreamConnection } from './tls-stream-connection.ts';

/** The connection of a session that is to be made over `raw`, by the cheapest means that serve it. */
export function createTlsConnection(raw: Socket, handler: ConnectionHandler): TlsConnection {
  return tlsHandlesAreUsable() ? new TlsHandleConnection(raw, handler) : new TlsStreamConnection(raw, handler);
}
