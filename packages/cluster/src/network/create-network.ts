import type { Socket } from 'node:net';
import type { Clock, Logger } from '@lateen/base';
import type { ClusterNetwork, NetworkMode } from '../contracts.ts';
import { createExplicitNetwork } from './explicit/explicit-network.ts';
import type { HostLink } from './host-link.ts';
import { createNamespacedNetwork } from './namespaced-network.ts';

export type NetworkOptions = {
  mode: NetworkMode;
  /** Why this mode, one line for the banner (see `chooseNetworkMode`). */
  reason: string;
  host: HostLink;
  clock: Clock;
  logger: Logger;
  /** Gets each connection that a pod makes to the API server's address (10.96.0.1:443), before TLS. */
  onApiServerConnection(socket: Socket): void;
};

/** The pod network of this process' mode. Root and rootless need the namespaces that `startNodeProcess` gives. The caller closes it. */
export async function createNetwork(options: NetworkOptions): Promise<ClusterNetwork> {
  const { mode } = options;
  return mode === 'proxy' ? createExplicitNetwork(options) : createNamespacedNetwork({ ...options, mode });
}
