// LoadBalancer services on the host's loopback. The ingress gateway gets 127.0.0.1, others an address of their own (Linux answers
// on all of 127.0.0.0/8), so that each can have its service's own ports. An assignment holds as long as its service.

import type { Server, Socket } from 'node:net';
import { codeOf, type Logger, messageOf, type SocketAddress } from '@lateen/base';
import type { LoadBalancerAddress, ServiceTableEntry } from '../contracts.ts';
import { type Backend, forward, tcpPorts } from './service-listeners.ts';

const PREFERRED = 'istio-system/istio-ingressgateway';
const FIRST_IP = '127.0.0.1';
const LAST_OWN_ADDRESS = 254;

/** `answersOn`: the port of the same address that stands in for a refused one, when one could be had. */
export type RefusedPort = { port: number; reason: string; answersOn?: number };

export type LoadBalancers = {
  sync(table: ServiceTableEntry[]): Promise<Map<string, LoadBalancerAddress>>;
  close(): void;
};

export type LoadBalancersOptions = {
  listenOnHost(address: SocketAddress): Promise<Server>;
  dial(address: SocketAddress): Promise<Socket>;
  logger: Logger;
  /** Where only 127.0.0.1 exists (macOS), all services share it. Default: by platform. */
  singleAddress?: boolean;
};

type Bound = { server: Server; backend: Backend };
type Assignment = { ip: string; ports: Map<number, Bound>; refused: Map<number, RefusedPort> };

export function createLoadBalancers(options: LoadBalancersOptions): LoadBalancers {
  const { listenOnHost, dial, logger } = options;
  const singleAddress = options.singleAddress ?? process.platform !== 'linux';
  const assigned = new Map<string, Assignment>();

  const pickIp = (): string => {
    const used = new Set([...assigned.values()].map(({ ip }) => ip));
    if (singleAddress || !used.has(FIRST_IP)) return FIRST_IP;
    for (let last = 2; last <= LAST_OWN_ADDRESS; last++) if (!used.has(`127.0.0.${last}`)) return `127.0.0.${last}`;
    return FIRST_IP;
  };
  const bind = async (ip: string, port: number, backend: Backend): Promise<Bound> => {
    const server = await listenOnHost({ host: ip, port });
    const bound = { server, backend };
    server.on('connection', (socket) => void forward(socket, bound.backend, dial));
    return bound;
  };
  const open = async (key: string, assignment: Assignment, port: number, backend: Backend) => {
    const { ip, ports, refused } = assignment;
    try {
      ports.set(port, await bind(ip, port, backend));
      refused.delete(port);
    } catch (error) {
      const standIn = port < 1024 ? port + 8000 : undefined;
      const bound = standIn === undefined ? undefined : await bind(ip, standIn, backend).catch(() => undefined);
      if (bound) ports.set(port, bound);
      const answers = bound && standIn !== undefined ? { answersOn: standIn } : {};
      // A port may become free, so each sync tries again; it is told once.
      if (!refused.has(port))
        logger.warn('a load balancer port is not available', { service: key, address: `${ip}:${port}`, ...answers, error });
      refused.set(port, { port, reason: refusal(error, { host: ip, port }, answers.answersOn), ...answers });
    }
  };
  const closePorts = ({ ports, refused }: Assignment, keep: (port: number) => boolean) => {
    for (const [port, { server }] of ports) {
      if (keep(port)) continue;
      ports.delete(port);
      server.close();
    }
    for (const port of refused.keys()) if (!keep(port)) refused.delete(port);
  };

  return {
    async sync(table) {
      const wanted = new Map(table.filter((entry) => entry.loadBalancer).map((entry) => [`${entry.namespace}/${entry.name}`, entry]));
      for (const [key, assignment] of assigned) {
        if (wanted.has(key)) continue;
        closePorts(assignment, () => false);
        assigned.delete(key);
      }
      const order = [...wanted.keys()].sort((a, b) => Number(b === PREFERRED) - Number(a === PREFERRED) || (a < b ? -1 : 1));
      for (const key of order) {
        const entries = tcpPorts(wanted.get(key)?.ports ?? []);
        const assignment = assigned.get(key) ?? { ip: pickIp(), ports: new Map<number, Bound>(), refused: new Map<number, RefusedPort>() };
        assigned.set(key, assignment);
        closePorts(assignment, (port) => entries.some((entry) => entry.port === port));
        for (const { port, targets } of entries) {
          const bound = assignment.ports.get(port);
          if (bound) bound.backend = { targets, next: bound.backend.next };
          else await open(key, assignment, port, { targets, next: 0 });
        }
      }
      return new Map([...assigned].map(([key, assignment]) => [key, describe(assignment)]));
    },
    close() {
      for (const assignment of assigned.values()) closePorts(assignment, () => false);
      assigned.clear();
    },
  };
}

function describe({ ip, ports, refused }: Assignment): LoadBalancerAddress {
  return {
    hostname: ip === FIRST_IP ? 'localhost' : ip,
    bound: [...ports.keys()].filter((port) => !refused.has(port)),
    refused: [...refused.values()],
  };
}

function refusal(error: unknown, { host, port }: SocketAddress, standIn: number | undefined): string {
  const code = codeOf(error);
  const cause =
    code === 'EACCES'
      ? `port ${port} needs privileges`
      : code === 'EADDRINUSE'
        ? `another program listens on ${host}:${port}`
        : `cannot listen on ${host}:${port} (${messageOf(error)})`;
  return standIn === undefined ? cause : `${cause}; answering on port ${standIn} instead`;
}
