// Joins two connections byte by byte: half-close in either direction is passed on, an error in one ends the other.
// Node ends its own side when the peer has ended unless `allowHalfOpen`; it is set here, where it is needed.

import type { Socket } from 'node:net';

export function relay(client: Socket, upstream: Socket): void {
  client.allowHalfOpen = true;
  upstream.allowHalfOpen = true;
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
