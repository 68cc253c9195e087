// Puts the server together: store, registry, admission, authentication, HTTP.

import { randomBytes, randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Clock, createMetricRegistry, type Logger, silentLogger, systemClock } from '@lateen/base';
import type { KubeTransport } from '@lateen/kube';
import type { NodeApi } from '../contracts.ts';
import type { Store } from '../store/index.ts';
import { createAdmission } from './admission/chain.ts';
import { createWebhookAdmission } from './admission/webhook-admission.ts';
import type { DialService } from './admission/webhook-client.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import { createServiceAccountTokens, type ServiceAccountTokens } from './auth/service-account-tokens.ts';
import { bootstrap } from './bootstrap.ts';
import { createDefinitionCleaner } from './crd/definition-cleaner.ts';
import { createEventExpiry } from './event-expiry.ts';
import { createHandler, type Handler } from './handler.ts';
import { createHttpsServer } from './http/https-server.ts';
import { createInProcessTransport } from './http/in-process.ts';
import { createRegistry, type Registry } from './registry/registry.ts';
import type { Core } from './rest/call.ts';
import { createUpgradeHandler } from './streaming/upgrade.ts';

export type ApiServerOptions = {
  store: Store;
  /** PEM: the CA that client certificates are checked against. */
  ca: string;
  /** PEM chain of the serving certificate, and its key. */
  cert: string;
  key: string;
  /** PEM private key (EC P-256 or RSA) that signs service account tokens. Default: `key`. */
  serviceAccountKey?: string;
  /** Bearer tokens of cluster administrators. Default: none. */
  adminTokens?: readonly string[];
  nodeApi: NodeApi;
  /** Opens a connection to a Service port, for webhooks. */
  dialService: DialService;
  clock?: Clock;
  logger?: Logger;
  /** Default `v1.32.0+lateen`. */
  gitVersion?: string;
};

export type ApiServer = {
  /** Takes a raw connection from any listener and speaks TLS and HTTP on it. */
  acceptConnection(socket: Socket): void;
  /** The same without sockets and TLS; the user comes with the request. */
  handle: Handler;
  /** For controllers in this process, as system:masters. */
  transport: KubeTransport;
  tokens: ServiceAccountTokens;
  registry: Registry;
  /** Ends all connections and streams. The store stays open. */
  close(): Promise<void>;
};

/** Starts serving at once; the store's owner closes the store after it. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { store, clock = systemClock, logger = silentLogger } = options;
  const closing = new AbortController();
  const registry = createRegistry(store);
  const webhooks = createWebhookAdmission({ store: () => store, dialService: options.dialService, clock, logger });
  const core: Core = {
    store,
    registry,
    clock,
    logger,
    admission: createAdmission(() => core, webhooks),
    randomSuffix,
    newUid: randomUUID,
  };
  const system = bootstrap(core);
  const expiry = createEventExpiry({ store, clock });
  const tokens = createServiceAccountTokens({ keyPem: options.serviceAccountKey ?? options.key, store, clock });
  const metrics = createMetricRegistry();
  const requests = metrics.counter({ name: 'apiserver_request_total', help: 'Requests by verb and code.' });
  const handler = createHandler({
    core,
    tokens,
    nodeApi: options.nodeApi,
    gitVersion: options.gitVersion ?? 'v1.32.0+lateen',
    metrics: () => metrics.expose(),
  });
  const handle: Handler = async (request) => {
    const reply = await handler(request);
    requests.labels({ verb: request.method, code: String(reply.status) }).add();
    return reply;
  };
  const transport = createInProcessTransport(handle, closing.signal);
  const cleaner = createDefinitionCleaner({ store, transport, logger });
  const server = createHttpsServer({
    ca: options.ca,
    cert: options.cert,
    key: options.key,
    authenticate: createAuthenticator({ tokens, adminTokens: options.adminTokens ?? [] }),
    handle,
    upgrade: createUpgradeHandler({ core, nodeApi: options.nodeApi, logger }),
    logger,
  });
  return {
    acceptConnection: (socket) => server.accept(socket),
    handle,
    transport,
    tokens,
    registry,
    async close() {
      closing.abort(new Error('the API server is closing'));
      cleaner.close();
      system.close();
      await expiry.close();
      registry.close();
      await server.close();
    },
  };
}

// Without vowels and look-alikes, as Kubernetes' generated names.
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

function randomSuffix(length: number): string {
  return [...randomBytes(length)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
}
