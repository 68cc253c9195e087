// Joins two connections byte by byte: half-close in either direction is passed on, an error in one ends the other.

import type { Socket } from 'node:net';

export function relay(client: Socket, upstream: Socket): void {
  const abort = (other: Socket) => () => {
    if (!other.destroyed) other.resetAndDestroy();
  };
  client.on('error', abort(upstream));
  upstream.on('error', abort(client));
  // A close without 'end' before it (destroyed here) must not leave the other side waiting.
  client.on('close', () => !client.readableEnded && upstream.destroy());
  upstream.on('close', () => !upstream.readableEnded && client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
}
