// Upstream connections: dialled through the transport, read into one buffer shared by all of them.

import type { SocketAddress, Transport } from '@lateen/base';
import type { Connection, ConnectionHandler } from './connection.ts';
import { HandleConnection } from './handle-connection.ts';
import { sharedRead, sharedView } from './shared-read.ts';
import { SocketConnection } from './socket-connection.ts';
import { handlesAreUsable, tcpHandleOf } from './tcp-handle.ts';

export type DialTarget = SocketAddress & { localAddress?: string | undefined; alternatives?: readonly string[] | undefined };

/** Starts connecting. `onConnect` follows, or the handler's `onClose` with the error's code. */
export function dial(transport: Transport, target: DialTarget, handler: ConnectionHandler, onConnect: () => void): Connection {
  let connection: Connection | undefined;
  const socket = transport.dial({
    host: target.host,
    port: target.port,
    ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
    ...(target.alternatives && { alternatives: target.alternatives }),
    onread: {
      buffer: sharedRead,
      callback: (size) => {
        connection?.received(sharedView(size));
        return true;
      },
    },
  });
  // With alternatives the handle is made anew for each of them.
  const handle = handlesAreUsable() && !target.alternatives ? tcpHandleOf(socket) : undefined;
  if (handle) {
    const bare = new HandleConnection(socket, handler);
    connection = bare;
    socket.once('connect', () => {
      bare.attach(handle);
      onConnect();
    });
    return bare;
  }
  connection = new SocketConnection(socket, handler, true);
  socket.once('connect', onConnect);
  return connection;
}
