// Puts the embedded Kubernetes together: store, API server, controllers, network, node agent. Everything is handed its parts;
// nothing here decides anything but the order.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { type Clock, CodedError, createLifecycle, type Logger, messageOf } from '@lateen/base';
import { createKubeClient, type KubeClient } from '@lateen/kube';
import type { Service } from '@lateen/kube/types';
import { type ApiServer, createApiServer, createGarbageCollector, createNamespaceController, renderKubeconfig } from './apiserver/index.ts';
import { loadClusterKeys } from './cluster-keys.ts';
import type { BuiltinContainer, ClusterNetwork, NetworkMode, NodeApi } from './contracts.ts';
import { startControllers } from './controllers/index.ts';
import { createNetwork, type HostLink } from './network/index.ts';
import { createImageCatalogue, createNodeAgent, type ImageCatalogue, type NodeAgent } from './node/index.ts';
import { createSqliteJournal, createStore } from './store/index.ts';

export type ClusterOptions = {
  /** Objects, keys, logs and the kubeconfig live here; created when missing. */
  stateDir: string;
  network: { mode: NetworkMode; reason: string };
  /** The link to the host-side parent process. */
  host: HostLink;
  catalogueFiles: string[];
  /** For images that run on this Node, e.g. where to keep compiled code. */
  programEnvironment: Record<string, string>;
  /** In-process containers by name; made when the cluster exists, since they may speak to it. */
  builtins: (cluster: Pick<Cluster, 'client' | 'network'>) => Record<string, BuiltinContainer>;
  /** Where kubectl reaches the API server on 127.0.0.1; 0 takes the last one again, or a free one. */
  apiPort: number;
  clock: Clock;
  logger: Logger;
};

export type Cluster = {
  /** In-process, as system:masters. */
  client: KubeClient;
  kubeconfigPath: string;
  /** As the kubeconfig names it. */
  apiServerUrl: string;
  network: ClusterNetwork;
  /** Stops the pods gracefully, then everything else. */
  close(): Promise<void>;
};

const NODE_NAME = 'lateen';
const SERVICES = { group: '', version: 'v1', resource: 'services', namespaced: true };

/** Resolves when the API answers and pods of an earlier run are being rebuilt. The caller closes it. */
export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  const { stateDir, host, clock, logger } = options;
  const lifecycle = createLifecycle();
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const keys = loadClusterKeys(join(stateDir, 'pki'), clock);
    const store = lifecycle.add(createStore({ journal: createSqliteJournal(join(stateDir, 'objects.db')) }));
    // API server, network and node agent need each other; the two late ones are reached through these.
    let network: ClusterNetwork | undefined;
    let agent: NodeAgent | undefined;
    const api = lifecycle.add(
      createApiServer({
        store,
        ca: keys.authority.rootPem,
        cert: keys.serving.chainPem,
        key: keys.serving.keyPem,
        serviceAccountKey: keys.serviceAccountKeyPem,
        nodeApi: lateNodeApi(() => agent?.nodeApi),
        dialService: async (namespace, name, port) => {
          const { spec } = await client.get<Service>(SERVICES, { namespace, name });
          return required(network).dial({ host: spec.clusterIP ?? '', port });
        },
        clock,
        logger: logger.child('api'),
      }),
    );
    const client = createKubeClient(api.transport, { fieldManager: 'lateen' });
    lifecycle.add(createNamespaceController({ store, server: api, ca: keys.authority.rootPem, clock, logger }));
    lifecycle.add(createGarbageCollector({ store, server: api, clock, logger }));
    network = lifecycle.add(
      await createNetwork({
        ...options.network,
        host,
        clock,
        logger: logger.child('network'),
        onApiServerConnection: (socket) => api.acceptConnection(socket),
      }),
    );
    const apiServerUrl = await listenForKubectl(api, options);
    const kubeconfigPath = join(stateDir, 'kubeconfig');
    const kubeconfig = {
      server: apiServerUrl,
      ca: keys.authority.rootPem,
      clientCertificate: keys.admin.chainPem,
      clientKey: keys.admin.keyPem,
    };
    writeFileSync(kubeconfigPath, renderKubeconfig(kubeconfig), { mode: 0o600 });
    agent = createNodeAgent({
      client,
      network,
      catalogue: withProgramEnvironment(createImageCatalogue(options.catalogueFiles), options.programEnvironment),
      builtins: options.builtins({ client, network }),
      stateDir: join(stateDir, 'node'),
      nodeName: NODE_NAME,
      clock,
      logger,
    });
    lifecycle.add(agent);
    // Closed before the agent: controllers would replace the pods that the agent ends.
    lifecycle.add(await startControllers({ client, network, clock, logger }));
    await agent.start();
    return { client, kubeconfigPath, apiServerUrl, network, close: async () => lifecycle.close() };
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

function withProgramEnvironment(catalogue: ImageCatalogue, env: Record<string, string>): ImageCatalogue {
  return {
    entries: () => catalogue.entries(),
    find(image) {
      const found = catalogue.find(image);
      const isOurNode = [...(found?.entrypoint ?? []), ...(found?.cmd ?? [])][0] === process.execPath;
      return found && isOurNode ? { ...found, env: { ...env, ...found.env } } : found;
    },
  };
}

function required<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new CodedError({ code: 'LAT3001', what: 'the node is still starting', fix: 'try again in a moment' });
}

function lateNodeApi(current: () => NodeApi | undefined): NodeApi {
  return {
    logs: (...args) => required(current()).logs(...args),
    exec: (...args) => required(current()).exec(...args),
    attach: (...args) => required(current()).attach(...args),
    portForward: (...args) => required(current()).portForward(...args),
  };
}

/** Binds the API port in the host's network; the same port as last time if it is free, so that kubeconfigs stay valid. */
async function listenForKubectl(api: ApiServer, { host, stateDir, apiPort }: ClusterOptions): Promise<string> {
  const file = join(stateDir, 'api-port');
  const last = apiPort || readPort(file);
  let server: Server;
  try {
    server = await host.listenOnHost({ host: '127.0.0.1', port: last });
  } catch (error) {
    if (apiPort || !last) {
      throw new CodedError({
        code: 'LAT3002',
        what: `the API server cannot listen on 127.0.0.1:${last}`,
        why: messageOf(error),
        fix: 'choose another port with --api-port',
        cause: error,
      });
    }
    server = await host.listenOnHost({ host: '127.0.0.1', port: 0 });
  }
  server.on('connection', (socket) => api.acceptConnection(socket));
  const { port } = server.address() as AddressInfo;
  writeFileSync(file, String(port), { mode: 0o600 });
  return `https://127.0.0.1:${port}`;
}

function readPort(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
