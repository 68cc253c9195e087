// A ClusterNetwork without any network of its own: pods are plain processes on the host's loopback. For tests.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { SocketAddress, Transport } from '@lateen/base';
import type { CaptureRules, ClusterNetwork, LoadBalancerAddress, ServiceTableEntry } from '../../contracts.ts';

export type HostNetwork = ClusterNetwork & {
  readonly captured: Map<string, CaptureRules>;
  readonly tables: ServiceTableEntry[][];
  /** Answers `syncServices`; default: every LoadBalancer is "localhost" with all its ports. */
  loadBalancers: Map<string, LoadBalancerAddress> | undefined;
  readonly destroyed: string[];
};

export function createHostNetwork(): HostNetwork {
  let nextIp = 2;
  const network: HostNetwork = {
    mode: 'proxy',
    reason: 'test',
    captured: new Map(),
    tables: [],
    destroyed: [],
    loadBalancers: undefined,
    apiServer: { host: '127.0.0.1', port: 6443 },
    async createPod({ name }) {
      const children = new Set<ChildProcess>();
      const ip = `127.0.1.${nextIp++}`;
      return {
        ip,
        transport: undefined as unknown as Transport,
        spawn({ argv, env, cwd, stdio }) {
          const [program = '', ...args] = argv;
          const child = spawn(program, args, { env, stdio, ...(cwd !== undefined && { cwd }) });
          children.add(child);
          child.once('close', () => children.delete(child)).once('error', () => children.delete(child));
          return child;
        },
        async capture(rules) {
          network.captured.set(name, rules);
        },
        dialLocal: (port) => dial({ host: '127.0.0.1', port }),
        environment: () => ({}),
        async destroy() {
          network.destroyed.push(name);
          for (const child of children) child.kill('SIGKILL');
        },
      };
    },
    async syncServices(table) {
      network.tables.push(table);
      const all = table.filter(({ loadBalancer }) => loadBalancer);
      return (
        network.loadBalancers ??
        new Map(
          all.map(({ namespace, name, ports }) => [
            `${namespace}/${name}`,
            { hostname: 'localhost', bound: ports.map(({ port }) => port), refused: [] },
          ]),
        )
      );
    },
    dial,
    resolve: (address) => address,
    lookup: async () => [],
    listenOnHost: ({ host, port }) =>
      new Promise<Server>((resolve, reject) => {
        const server = createServer();
        server.once('error', reject).listen(port, host, () => resolve(server));
      }),
    async close() {},
  };
  return network;
}

function dial({ host, port }: SocketAddress): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once('error', reject).once('connect', () => resolve(socket));
  });
}
