// The pod network of the root and rootless modes. This process owns the node's network namespace; every pod has its own, joined
// by a veth pair and a /32 route. All namespaces are held by descriptors alone, so they go when this process goes.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Clock, createLifecycle, type Logger, type SocketAddress } from '@lateen/base';
import type { ClusterNetwork } from '../contracts.ts';
import { API_SERVER, createPodAddresses, DNS_SERVER, NODE_IP } from './addresses.ts';
import { createDnsServer } from './dns-server.ts';
import { EGRESS_PORT } from './egress-rules.ts';
import { type HostAccess, openServer } from './host-access.ts';
import { NETLINK_ROUTE, openNetlink } from './kernel/netlink.ts';
import { originalDestination } from './kernel/sockets.ts';
import { createLoadBalancers } from './load-balancers.ts';
import { createNamespacedPod } from './namespaced-pod.ts';
import { setUpNode } from './node-network.ts';
import { relay } from './relay.ts';
import { createServiceListeners } from './service-listeners.ts';

const DIAL_TIMEOUT_MS = 10_000;
const FIRST_LINK_INDEX = 10;

export type NamespacedNetworkOptions = {
  mode: 'root' | 'rootless';
  /** One line for the banner. */
  reason: string;
  host: HostAccess;
  clock: Clock;
  logger: Logger;
  /** Gets each connection that a pod makes to the API server's address. */
  onApiServerConnection(socket: Socket): void;
};

/** Must run in a fresh network namespace (see `startNodeProcess`), on the main thread. */
export async function createNamespacedNetwork(options: NamespacedNetworkOptions): Promise<ClusterNetwork> {
  const { host, clock, logger } = options;
  const lifecycle = createLifecycle();
  const addresses = createPodAddresses();
  const links = lifecycle.add(openNetlink(NETLINK_ROUTE));
  let nextIndex = FIRST_LINK_INDEX;

  setUpNode(links);
  const dial = (address: SocketAddress) => dialFromNode(address, clock);
  const listen = async (address: SocketAddress) => {
    const server = await openServer(address);
    lifecycle.defer(() => void server.close());
    return server;
  };

  const dns = createDnsServer({ host, clock, logger: logger.child('dns') });
  const udp = createSocket('udp4');
  lifecycle.defer(() => void udp.close());
  udp.bind(DNS_SERVER.port, DNS_SERVER.host);
  await once(udp, 'listening');
  dns.serveUdp(udp);
  dns.serveTcp(await listen(DNS_SERVER));
  (await listen(API_SERVER)).on('connection', options.onApiServerConnection);
  (await listen({ host: NODE_IP, port: EGRESS_PORT })).on('connection', (socket) => void relayOut(socket, host));

  const services = createServiceListeners({ listen: openServer, dial, logger: logger.child('services') });
  lifecycle.add(services);
  const balancers = createLoadBalancers({ listenOnHost: host.listenOnHost, dial, logger: logger.child('load-balancer') });
  lifecycle.add(balancers);

  return {
    mode: options.mode,
    reason: options.reason,
    async createPod(pod) {
      const ip = addresses.allocate();
      try {
        return createNamespacedPod({
          pod,
          ip,
          linkIndex: nextIndex++,
          links,
          mode: options.mode,
          clock,
          onDestroyed: () => addresses.release(ip),
        });
      } catch (error) {
        addresses.release(ip);
        throw error;
      }
    },
    async syncServices(table) {
      const ours = table.filter(({ clusterIP }) => clusterIP !== API_SERVER.host && clusterIP !== DNS_SERVER.host);
      dns.setTable(table);
      await services.sync(ours);
      return balancers.sync(table);
    },
    dial,
    lookup: dns.lookup,
    resolve: (address) => address,
    apiServer: API_SERVER,
    listenOnHost: (address) => host.listenOnHost(address),
    close: async () => lifecycle.close(),
  };
}

/** What a pod sends outside the cluster: dialled from the host's namespace. */
async function relayOut(client: Socket, host: HostAccess): Promise<void> {
  client.on('error', () => {});
  client.pause();
  const address = originalDestination(client);
  try {
    if (!address) throw new Error('not redirected');
    const upstream = await host.dialFromHost(address);
    if (client.destroyed) upstream.destroy();
    else relay(client, upstream);
  } catch {
    client.resetAndDestroy();
  }
}

/** A connected socket in the node's namespace. */
function dialFromNode({ host, port }: SocketAddress, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const timer = clock.after(DIAL_TIMEOUT_MS, () =>
      socket.destroy(Object.assign(new Error('connection timed out'), { code: 'ETIMEDOUT' })),
    );
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
    socket.once('error', (error) => {
      timer.cancel();
      reject(error);
    });
  });
}
