// The admission webhooks: certificate, HTTPS server, registration.

import type { AddressInfo } from 'node:net';
import { type Clock, type Closable, CodedError, createLifecycle, type Logger } from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { Namespace, ResourceRef } from '@lateen/kube/types';
import type { MeshSnapshot } from '@lateen/mesh';
import type { HttpAddress } from '../admin/http-server.ts';
import type { ControlMetrics } from '../metrics.ts';
import { createAdmissionServer } from './admission.ts';
import { distributeRoot, loadOrCreateAuthority } from './authority.ts';
import { createInjectHandler } from './inject.ts';
import { followInjectorConfig } from './injector-config.ts';
import { keepRegistered } from './registration.ts';
import { createValidateHandler } from './validate.ts';

const NAMESPACES: ResourceRef = { group: '', version: 'v1', resource: 'namespaces', namespaced: false };
const CERTIFICATE_TTL_MS = 30 * 24 * 3_600_000;
const RENEWAL_MS = 24 * 3_600_000;

export type WebhooksOptions = {
  client: KubeClient;
  address: HttpAddress;
  namespace: string;
  /** The snapshot with everything that has arrived. */
  snapshot: () => MeshSnapshot;
  env: Readonly<Record<string, string | undefined>>;
  metrics: ControlMetrics;
  clock: Clock;
  logger: Logger;
};

export type Webhooks = Closable & { readonly port: number; readonly injectionConfig: unknown };

export async function startWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const { client, namespace, clock, logger, metrics, snapshot } = options;
  const lifecycle = createLifecycle();
  try {
    const authority = await loadOrCreateAuthority(client, namespace, clock);
    const issue = () => {
      const { keyPem, chainPem } = authority.issueServer(serverNames(namespace), { ttlMs: CERTIFICATE_TTL_MS });
      return { keyPem, certPem: chainPem };
    };
    const config = lifecycle.add(await followInjectorConfig({ client, namespace, env: options.env, clock, logger }));
    const validate = createValidateHandler({ snapshot, metrics });
    const inject = createInjectHandler({
      config: () => config.current,
      snapshot,
      readNamespace: (name) => client.get<Namespace>(NAMESPACES, { name }),
      metrics,
      logger,
    });
    const server = createAdmissionServer({
      ...issue(),
      logger,
      handlerOf: (path) => (path === '/validate' ? validate : path === '/inject' || path.startsWith('/inject/') ? inject : undefined),
    });
    const renewal = clock.every(RENEWAL_MS, () => {
      const { keyPem, certPem } = issue();
      server.setSecureContext({ key: keyPem, cert: certPem });
    });
    lifecycle.defer(() => renewal.cancel());
    const port = await new Promise<number>((resolve, reject) => {
      server.once('error', (error) =>
        reject(
          new CodedError({
            code: 'LAT0405',
            what: `cannot serve webhooks on ${options.address.host}:${options.address.port}`,
            why: error.message,
            cause: error,
          }),
        ),
      );
      server.listen(options.address.port, options.address.host, () => resolve((server.address() as AddressInfo).port));
    });
    server.on('error', (error) => logger.error('webhook server failed', { error: error.message }));
    lifecycle.defer(
      () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeAllConnections();
        }),
    );
    lifecycle.add(keepRegistered({ client, namespace, rootPem: authority.rootPem, clock, logger }));
    lifecycle.add(distributeRoot({ client, rootPem: authority.rootPem, clock, logger }));
    return {
      port,
      get injectionConfig() {
        return config.current;
      },
      close: () => lifecycle.close(),
    };
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

// Every name by which the API server or a remote cluster may call us.
const serverNames = (namespace: string): string[] => [
  `istiod.${namespace}.svc`,
  `istiod.${namespace}.svc.cluster.local`,
  `istiod-remote.${namespace}.svc`,
  `istio-pilot.${namespace}.svc`,
  `istiod.${namespace}`,
  'istiod',
  'localhost',
];
