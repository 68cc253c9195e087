// ClusterIPs for clients without a sidecar: one listener per service port, which hands each connection to the next target. Usually
// a port without ready targets has no listener, so that connecting to it is refused at once. TCP only.

import type { Server, Socket } from 'node:net';
import type { Logger, SocketAddress } from '@lateen/base';
import type { ServicePortTable, ServiceTableEntry } from '../contracts.ts';
import { relay } from './relay.ts';

/** How often another target is tried when one refuses. */
const MAX_ATTEMPTS = 3;

/** What the front of a service port needs to know of it; replaced on each sync, so running listeners see the new targets. */
export type Backend = { targets: SocketAddress[]; next: number };

export type ServiceListeners = {
  /** Resolves when every port listens. Connections that are open stay with the target they have. */
  sync(table: ServiceTableEntry[]): Promise<void>;
  close(): void;
};

export type ServiceListenersOptions = {
  listen(address: SocketAddress): Promise<Server>;
  dial(address: SocketAddress): Promise<Socket>;
  logger: Logger;
  /** Whether a port without targets has its listener too, which then ends what it accepts. Default false. */
  keepsEmpty?: boolean;
};

export function createServiceListeners({ listen, dial, logger, keepsEmpty = false }: ServiceListenersOptions): ServiceListeners {
  const open = new Map<string, { backend: Backend; server: Server | undefined }>();
  const start = async (key: string, address: SocketAddress, backend: Backend) => {
    const state: { backend: Backend; server: Server | undefined } = { backend, server: undefined };
    open.set(key, state);
    try {
      const server = await listen(address);
      server.on('connection', (socket) => void forward(socket, state.backend, dial));
      if (open.get(key) === state) state.server = server;
      else server.close();
    } catch (error) {
      open.delete(key);
      logger.warn('cannot listen for a service', { address: key, error });
    }
  };
  return {
    async sync(table) {
      const wanted = new Map<string, { address: SocketAddress; targets: SocketAddress[] }>();
      for (const { clusterIP, ports } of table) {
        if (clusterIP === undefined) continue;
        for (const { port, protocol, targets } of ports) {
          if (protocol !== 'TCP' || (targets.length === 0 && !keepsEmpty)) continue;
          wanted.set(`${clusterIP}:${port}`, { address: { host: clusterIP, port }, targets });
        }
      }
      for (const [key, { server }] of open) {
        if (wanted.has(key)) continue;
        open.delete(key);
        server?.close();
      }
      await Promise.all(
        [...wanted].map(async ([key, { address, targets }]) => {
          const known = open.get(key);
          if (known) known.backend = { targets, next: known.backend.next };
          else await start(key, address, { targets, next: 0 });
        }),
      );
    },
    close() {
      for (const { server } of open.values()) server?.close();
      open.clear();
    },
  };
}

/** Joins the client with the next target that accepts; resets the client when none does. */
export async function forward(client: Socket, backend: Backend, dial: (address: SocketAddress) => Promise<Socket>): Promise<void> {
  client.on('error', () => {});
  client.pause();
  const attempts = Math.min(MAX_ATTEMPTS, backend.targets.length);
  for (let attempt = 0; attempt < attempts && !client.destroyed; attempt++) {
    const target = backend.targets[backend.next++ % backend.targets.length] as SocketAddress;
    try {
      const upstream = await dial(target);
      if (client.destroyed) upstream.destroy();
      else relay(client, upstream);
      return;
    } catch {
      // The next one, if any.
    }
  }
  client.resetAndDestroy();
}

export const tcpPorts = (ports: ServicePortTable[]): ServicePortTable[] => ports.filter(({ protocol }) => protocol === 'TCP');
