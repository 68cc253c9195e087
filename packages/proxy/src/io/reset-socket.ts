import type { Socket } from 'node:net';

/** Drops a socket with RST. Behind a FIN libuv refuses that, and Node would then keep the socket for ever: it is dropped without. */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
