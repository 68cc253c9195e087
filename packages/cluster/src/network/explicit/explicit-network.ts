// The network without privileges (also macOS): no namespaces, nothing is captured. Apps are told their port and an HTTP proxy; pod
// addresses, ClusterIPs and names are a table in this process.

import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { type Clock, CodedError, createLifecycle, type Logger, type SocketAddress } from '@lateen/base';
import type { ClusterNetwork, ServiceTableEntry } from '../../contracts.ts';
import { API_SERVER, createPodAddresses } from '../addresses.ts';
import { createZone } from '../dns-zone.ts';
import { openServer } from '../host-access.ts';
import type { HostLink } from '../host-link.ts';
import { createLoadBalancers } from '../load-balancers.ts';
import { createNameLookup } from '../name-lookup.ts';
import { createServiceListeners } from '../service-listeners.ts';
import { createAddressTable, isClusterAddress, type PodEntry } from './address-table.ts';
import { createExplicitPod, type ExplicitPod } from './explicit-pod.ts';
import { createProcessGroups } from './group-process.ts';

const LOOPBACK = '127.0.0.1';

export type ExplicitNetworkOptions = {
  reason: string;
  host: HostLink;
  clock: Clock;
  logger: Logger;
  onApiServerConnection(socket: Socket): void;
};

export async function createExplicitNetwork(options: ExplicitNetworkOptions): Promise<ClusterNetwork> {
  const { host, logger } = options;
  const lifecycle = createLifecycle();
  const addresses = createPodAddresses();
  const apiServer = await openServer({ host: LOOPBACK, port: 0 });
  lifecycle.defer(() => void apiServer.close());
  apiServer.on('connection', options.onApiServerConnection);
  const apiPort = portOf(apiServer);

  const table = createAddressTable({ builtin: new Map([[`${API_SERVER.host}:${API_SERVER.port}`, apiPort]]) });
  const processes = createProcessGroups({ onStart: (pid) => host.adoptGroup(pid), onEnd: (pid) => host.releaseGroup(pid) });
  lifecycle.defer(() => processes.close());
  const dial = async (address: SocketAddress): Promise<Socket> => {
    const socket = table.connect(address);
    await once(socket, 'connect');
    socket.on('error', () => {});
    return socket;
  };
  // ClusterIPs for this process: each service port has a listener somewhere on loopback, and keeps it as long as the service is
  // there, because clients hold on to what `resolve` said.
  const fronts = new Map<string, number>();
  const services = createServiceListeners({
    async listen(address) {
      const server = await openServer({ host: LOOPBACK, port: 0 });
      const key = `${address.host}:${address.port}`;
      fronts.set(key, portOf(server));
      server.once('close', () => fronts.delete(key));
      return server;
    },
    dial,
    logger: logger.child('services'),
    keepsEmpty: true,
  });
  lifecycle.add(services);
  const balancers = createLoadBalancers({ listenOnHost: host.listenOnHost, dial, logger: logger.child('load-balancer') });
  lifecycle.add(balancers);

  let zone = createZone([]);
  let current: ServiceTableEntry[] = [];
  const lookup = createNameLookup(() => zone, host);
  const pods = new Set<ExplicitPod>();

  return {
    mode: 'proxy',
    reason: options.reason,
    async createPod(pod) {
      const ip = addresses.allocate();
      const entry: PodEntry = { ip, rules: undefined, listeners: new Map(), appPorts: new Map() };
      table.pods.set(ip, entry);
      const sandbox = await createExplicitPod({
        entry,
        namespace: pod.namespace,
        ports: pod.ports,
        table,
        processes,
        lookup: (name) => lookup(name, pod.namespace),
        onDestroyed() {
          pods.delete(sandbox);
          table.pods.delete(ip);
          addresses.release(ip);
        },
      });
      pods.add(sandbox);
      await sandbox.syncServices(current);
      return sandbox;
    },
    async syncServices(all) {
      current = all;
      zone = createZone(all);
      table.setServices(all);
      await services.sync(all.filter(({ clusterIP }) => clusterIP !== API_SERVER.host));
      await Promise.all([...pods].map((pod) => pod.syncServices(all)));
      return balancers.sync(all);
    },
    dial,
    lookup,
    resolve({ host: ip, port }) {
      const pod = table.pods.get(ip);
      const real = pod ? table.realPort(pod, port) : ip === API_SERVER.host ? apiPort : fronts.get(`${ip}:${port}`);
      if (real !== undefined) return { host: LOOPBACK, port: real };
      // Must not leak into a real network that uses the same addresses.
      if (isClusterAddress(ip)) throw new CodedError({ code: 'LAT4107', what: `nothing is known of ${ip}:${port} yet` });
      return { host: ip, port };
    },
    apiServer: { host: LOOPBACK, port: apiPort },
    listenOnHost: (address) => host.listenOnHost(address),
    async close() {
      await Promise.all([...pods].map((pod) => pod.destroy()));
      await lifecycle.close();
    },
  };
}

const portOf = (server: Server) => (server.address() as { port: number }).port;
