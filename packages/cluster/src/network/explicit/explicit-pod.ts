// One pod of the proxy mode: its names for loopback ports, its explicit HTTP proxy, its listeners for TCP services.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import type { DialOptions, SocketAddress, Transport } from '@lateen/base';
import type { PodSandbox, ServiceTableEntry } from '../../contracts.ts';
import { openServer } from '../host-access.ts';
import { relay } from '../relay.ts';
import type { AddressTable, PodEntry } from './address-table.ts';
import type { ProcessGroups } from './group-process.ts';
import { createHttpFront } from './http-front.ts';

const LOOPBACK = '127.0.0.1';

export type ExplicitPod = PodSandbox & {
  /** Opens a loopback listener for each TCP port of the namespace's services, closes the others. */
  syncServices(table: ServiceTableEntry[]): Promise<void>;
};

export type ExplicitPodOptions = {
  entry: PodEntry;
  namespace: string;
  /** Declared container ports. */
  ports: number[];
  table: AddressTable;
  processes: ProcessGroups;
  lookup(name: string): Promise<string[]>;
  onDestroyed(): void;
};

export async function createExplicitPod(options: ExplicitPodOptions): Promise<ExplicitPod> {
  const { entry, namespace, table, processes } = options;
  for (const port of options.ports) entry.appPorts.set(port, await table.allocatePort(port));
  const front = await createHttpFront({ lookup: options.lookup, dial: (address) => table.connectFrom(entry, address) });
  const transport = createLoopbackTransport(entry, table);
  const services = new Map<string, { entry: ServiceTableEntry; port: number; server: Server }>();

  const environment = (containerPorts: number[]): Record<string, string> => {
    const proxy = `http://${LOOPBACK}:${front.port}`;
    const noProxy = `localhost,${LOOPBACK}`;
    const [first] = containerPorts.flatMap((port) => entry.appPorts.get(port) ?? []);
    return {
      ...(first === undefined ? {} : { PORT: String(first) }),
      ...Object.fromEntries(containerPorts.map((port) => [`PORT_${port}`, String(entry.appPorts.get(port) ?? port)])),
      http_proxy: proxy,
      HTTP_PROXY: proxy,
      no_proxy: noProxy,
      NO_PROXY: noProxy,
      NODE_USE_ENV_PROXY: '1',
      ...serviceVariables([...services.values()]),
    };
  };
  return {
    ip: entry.ip,
    transport,
    spawn: (request) => processes.spawn(request, environment(options.ports)),
    async capture(rules) {
      entry.rules = rules;
    },
    async dialLocal(port) {
      const socket = table.connectInside(entry, port);
      await once(socket, 'connect');
      return socket;
    },
    environment,
    async syncServices(all) {
      const wanted = new Map<string, { entry: ServiceTableEntry; port: number; address: SocketAddress }>();
      for (const service of all.filter((each) => each.namespace === namespace)) {
        for (const { protocol, port } of service.ports) {
          if (protocol !== 'TCP' || service.clusterIP === undefined) continue;
          wanted.set(`${service.clusterIP}:${port}`, { entry: service, port, address: { host: service.clusterIP, port } });
        }
      }
      for (const [key, { server }] of services) {
        if (wanted.has(key)) continue;
        services.delete(key);
        server.close();
      }
      for (const [key, { entry: service, port, address }] of wanted) {
        if (services.has(key)) continue;
        const server = await openServer({ host: LOOPBACK, port: 0 });
        server.on('connection', (client) => relay(client, table.connectFrom(entry, address)));
        services.set(key, { entry: service, port, server });
      }
    },
    async destroy() {
      front.close();
      for (const { server } of services.values()) server.close();
      services.clear();
      await transport.close();
      for (const port of entry.appPorts.values()) table.releasePort(port);
      options.onDestroyed();
    },
  };
}

/** NAME_SERVICE_HOST, NAME_SERVICE_PORT and NAME_SERVICE_PORT_PORTNAME as the kubelet sets them. */
function serviceVariables(services: { entry: ServiceTableEntry; port: number; server: Server }[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { entry, port, server } of services) {
    const real = String((server.address() as { port: number } | null)?.port ?? '');
    const prefix = `${variableName(entry.name)}_SERVICE`;
    const name = entry.ports.find((each) => each.port === port)?.name;
    variables[`${prefix}_HOST`] = LOOPBACK;
    variables[`${prefix}_PORT`] ??= real;
    if (name) variables[`${prefix}_PORT_${variableName(name)}`] = real;
  }
  return variables;
}

const variableName = (name: string) => name.toUpperCase().replaceAll('-', '_');

/** The sidecar's sockets: listeners anywhere on loopback, known under the pod's address; dials by the table. */
function createLoopbackTransport(entry: PodEntry, table: AddressTable): Transport & { close(): Promise<void> } {
  const open = new Set<Server>();
  // What the sidecar means by loopback is its app; a port that is nobody's in the pod is a real one (see `resolve`).
  const isApp = ({ host, port, localAddress }: DialOptions) =>
    host === entry.ip ? localAddress !== undefined : host.startsWith('127.') && table.realPort(entry, port) !== undefined;
  return {
    async listen(options, onConnection) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
      server.listen({ host: LOOPBACK, port: 0, ...(options.backlog ? { backlog: options.backlog } : {}) });
      await once(server, 'listening');
      open.add(server);
      const real = (server.address() as { port: number }).port;
      const port = options.port === 0 ? real : options.port;
      if (entry.listeners.has(port)) {
        server.close();
        throw Object.assign(new Error(`listen EADDRINUSE ${options.host}:${port}`), { code: 'EADDRINUSE' });
      }
      entry.listeners.set(port, real);
      return {
        address: { host: options.host, port },
        close() {
          if (entry.listeners.get(port) === real) entry.listeners.delete(port);
          open.delete(server);
          server.close();
          return Promise.resolve();
        },
      };
    },
    dial(options) {
      const { host, port, onread } = options;
      const reading = onread ? { onread } : {};
      const socket = isApp(options) ? table.connectInside(entry, port, reading) : table.connect({ host, port }, reading);
      socket.allowHalfOpen = true;
      return socket;
    },
    async listenUdp({ port }) {
      const socket = createSocket('udp4');
      socket.bind(port, LOOPBACK);
      await once(socket, 'listening');
      return socket;
    },
    originalDestination: table.originalDestination,
    async close() {
      for (const server of open) server.close();
      open.clear();
      entry.listeners.clear();
    },
  };
}
