// What only a process in the host's own network namespace can do: listen on its loopback, dial out, ask its resolvers. Used by
// the parent on behalf of the node process, and directly by a process without one. Real time throughout: it waits for real networks.

import { createSocket } from 'node:dgram';
import { promises as dns, getServers } from 'node:dns';
import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { type SocketAddress, systemClock } from '@lateen/base';

const DIAL_TIMEOUT_MS = 10_000;
const QUERY_TIMEOUT_MS = 2_000;
const MAX_SERVERS = 3;
const BACKLOG = 1024;

/** Services of the host's network namespace. Errors carry the system's `code`. */
export type HostAccess = {
  /** A listening server; `port` 0 picks one. The caller closes it. */
  listenOnHost(address: SocketAddress): Promise<Server>;
  /** A connected, paused socket. The address may be any that the host can reach. */
  dialFromHost(address: SocketAddress): Promise<Socket>;
  /** IPv4 addresses of a name as the host's resolver (hosts file included) knows them; empty when there are none. */
  lookupOnHost(name: string): Promise<string[]>;
  /** Forwards a DNS message over UDP to the host's name servers; the first answer. */
  queryOnHost(message: Uint8Array): Promise<Uint8Array>;
};

export const localHostAccess: HostAccess = {
  listenOnHost: (address) => openServer(address),
  dialFromHost({ host, port }) {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      // Paused before it connects: bytes read here would be lost when the socket is handed over.
      socket.pause();
      socket.setTimeout(DIAL_TIMEOUT_MS, () => socket.destroy(Object.assign(new Error('connection timed out'), { code: 'ETIMEDOUT' })));
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.off('error', reject);
        socket.on('error', () => {});
        resolve(socket);
      });
    });
  },
  async lookupOnHost(name) {
    try {
      return (await dns.lookup(name, { family: 4, all: true })).map(({ address }) => address);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOTFOUND') return [];
      throw error;
    }
  },
  async queryOnHost(message) {
    let failure: unknown = new Error('the host has no name server');
    for (const server of getServers().slice(0, MAX_SERVERS)) {
      try {
        return await queryServer(parseServer(server), message);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  },
};

/** A listening server. `paused`: its connections are not read, so that they can be handed to another process. */
export function openServer({ host, port }: SocketAddress, options: { paused?: boolean } = {}): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: options.paused ?? false, noDelay: true });
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve(server);
    });
  });
}

/** Kills a process group; whether there was one. */
export function killGroup(leader: number): boolean {
  try {
    return process.kill(-leader, 'SIGKILL');
  } catch {
    return false;
  }
}

/** `dns.getServers()` gives "ip", "ip:port" or "[ip6]:port". */
function parseServer(text: string): SocketAddress {
  if (isIP(text)) return { host: text, port: 53 };
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}

function queryServer({ host, port }: SocketAddress, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
    const timer = systemClock.after(QUERY_TIMEOUT_MS, () => finish(() => reject(new Error(`no answer from ${host}`))));
    const finish = (settle: () => void) => {
      timer.cancel();
      socket.close();
      settle();
    };
    socket.once('error', (error) => finish(() => reject(error)));
    socket.on('message', (answer) => {
      const isOurs = answer.length >= 12 && answer[0] === message[0] && answer[1] === message[1];
      if (isOurs) finish(() => resolve(answer));
    });
    // Connected: answers from elsewhere are dropped by the kernel.
    socket.connect(port, host, () => socket.send(message));
  });
}
