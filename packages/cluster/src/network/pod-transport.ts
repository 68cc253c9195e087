// The sidecar's sockets: each is made inside the pod's network namespace and keeps it, while this process' event loop serves it.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import type { Transport, TransportListener } from '@lateen/base';
import { openTcpClient, openTcpListener, openUdp, originalDestination, type SocketPlace } from './kernel/sockets.ts';

const DEFAULT_BACKLOG = 4096;

export type PodTransport = Transport & {
  /** Closes the listeners that are still open; connections belong to their users. */
  close(): Promise<void>;
};

/** Sockets have TCP_NODELAY and stay half open when the peer ends: their user ends them. */
export function createPodTransport(place: SocketPlace): PodTransport {
  const open = new Set<{ close(): Promise<void> }>();
  return {
    async listen(options, onConnection): Promise<TransportListener> {
      const fd = openTcpListener(place, options, options.reusePort ?? false);
      const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
      server.listen({ fd, backlog: options.backlog ?? DEFAULT_BACKLOG });
      await once(server, 'listening');
      const bound = server.address() as { address: string; port: number };
      const listener = {
        address: { host: bound.address, port: bound.port },
        close() {
          open.delete(listener);
          // Not awaiting the callback: it comes only after the last connection, which stays open.
          server.close();
          return Promise.resolve();
        },
      };
      open.add(listener);
      return listener;
    },
    dial({ host, port, localAddress, onread }) {
      const fd = openTcpClient(place, host, localAddress !== undefined);
      // Without manualStart Node reads at once, which an unconnected socket answers with an error.
      const settings = { fd, manualStart: true, allowHalfOpen: true, ...(onread ? { onread } : {}) };
      const socket = new Socket(settings);
      return socket.connect({ host, port, ...(localAddress ? { localAddress } : {}) });
    },
    async listenUdp(address) {
      const socket = createSocket(address.host.includes(':') ? 'udp6' : 'udp4');
      // With a descriptor 'listening' comes before bind returns.
      const listening = once(socket, 'listening');
      socket.bind({ fd: openUdp(place, address) });
      await listening;
      return socket;
    },
    originalDestination,
    async close() {
      await Promise.all([...open].map((listener) => listener.close()));
    },
  };
}
