// The assembly of the control plane: a source of objects, the snapshot loop, xDS, HTTP. Everything is made here and
// handed to each other; nothing is global.

import {
  type Clock,
  type Closable,
  createLifecycle,
  ISTIO_VERSION,
  LATEEN_VERSION,
  type Logger,
  silentLogger,
  systemClock,
} from '@lateen/base';
import type { KubeClient } from '@lateen/kube';
import type { MeshSnapshot } from '@lateen/mesh';
import { createAdsServer, type ResourceSet, type XdsClient } from '@lateen/xds/server';
import { type DebugState, debugPage } from './admin/debug.ts';
import { type HttpAddress, type HttpHandler, json, listenHttp, text } from './admin/http-server.ts';
import { createControlMetrics } from './metrics.ts';
import { createConfigurationCache } from './push/configuration-cache.ts';
import { createFindingLog } from './push/finding-log.ts';
import { scopeOfNode } from './push/node-scope.ts';
import { createSnapshotLoop } from './snapshot-loop.ts';
import { createDirectorySource } from './sources/directory.ts';
import { createKubernetesSource } from './sources/kubernetes.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export type ConfigurationSource =
  | { kind: 'directory'; directory: string; meshConfigFile?: string }
  /** The client stays the caller's to close. */
  | { kind: 'kubernetes'; client: KubeClient };

export type ControlPlaneOptions = {
  source: ConfigurationSource;
  /** ADS, plaintext. Port 0 picks one. */
  xds: HttpAddress;
  /** /ready and /debug. */
  http: HttpAddress;
  /** /metrics and /version; left out: served on `http` too. */
  monitoring?: HttpAddress;
  /** Admission webhooks, HTTPS; only with a Kubernetes source. */
  webhooks?: HttpAddress;
  /** Where the control plane runs. Default istio-system. */
  namespace?: string;
  /** Default Kubernetes. */
  clusterId?: string;
  /** Default istiod. */
  podName?: string;
  /** Default 100 ms. */
  debounceAfterMs?: number;
  /** Default 500 ms. */
  debounceMaxMs?: number;
  /** istiod's environment switches that change injection. Default none. */
  env?: Readonly<Record<string, string | undefined>>;
  clock?: Clock;
  logger?: Logger;
};

export type ControlPlane = Closable & {
  /** Bound ports. `monitoring` equals `http` when it has no address of its own. */
  readonly ports: { xds: number; http: number; monitoring: number; webhooks: number | undefined };
};

/** Resolves when the first snapshot is served. The caller closes it. @throws CodedError when an address or the source fails. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const lifecycle = createLifecycle();
  try {
    return { ports: await start(options, lifecycle), close: () => lifecycle.close() };
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

async function start(options: ControlPlaneOptions, lifecycle: ReturnType<typeof createLifecycle>): Promise<ControlPlane['ports']> {
  const { clock = systemClock, logger = silentLogger, clusterId = 'Kubernetes', namespace = 'istio-system', podName = 'istiod' } = options;
  const metrics = createControlMetrics(LATEEN_VERSION);
  const cache = createConfigurationCache();
  let version = 0;
  let snapshotAtMs = clock.monotonicMs();
  let isReady = false;

  const loop = lifecycle.add(
    createSnapshotLoop({
      clock,
      quietMs: options.debounceAfterMs ?? 100,
      maxMs: options.debounceMaxMs ?? 500,
      onSnapshot(snapshot, { changes, debounceMs }) {
        version++;
        snapshotAtMs = clock.monotonicMs();
        metrics.observeSnapshot(snapshot);
        metrics.configEvents.labels().add(changes);
        metrics.debounceSeconds.labels().observe(debounceMs / 1000);
        metrics.pushTriggers.labels({ type: 'config' }).add();
        if (!isReady) return;
        logger.debug('pushing', { version, changes, clients: ads.clients.length });
        cache.sweep();
        ads.push();
      },
    }),
  );
  const fresh = (): MeshSnapshot => {
    loop.flush();
    return loop.current;
  };
  const logFindings = createFindingLog(logger.child('mesh'));
  const configurationOf = (client: XdsClient) => {
    const configuration = cache.get(loop.current, scopeOfNode(client.node, loop.current));
    logFindings(configuration.findings);
    return configuration;
  };
  const resourcesOf = (client: XdsClient): ResourceSet => configurationOf(client).resources;
  const ads = lifecycle.add(
    createAdsServer({
      resources: resourcesOf,
      version: () => String(version),
      clock,
      logger: logger.child('ads'),
      onEvent(client, event) {
        metrics.observeAds(event, clock.monotonicMs() - snapshotAtMs);
        if (event.type === 'nack')
          logger.warn('a proxy refused its configuration', { node: client.node.id, type: event.typeUrl, error: event.message });
      },
    }),
  );

  let webhooks: Webhooks | undefined;
  const state: DebugState = {
    podName,
    clusterId,
    snapshot: () => loop.current,
    clients: () => ads.clients,
    resourcesOf,
    findings: () => uniqueFindings(ads.clients.flatMap((client) => configurationOf(client).findings)),
    injectionConfig: () => webhooks?.injectionConfig,
  };
  const monitoring: HttpHandler = (path) => {
    if (path === '/metrics')
      return { status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: metrics.registry.expose() };
    if (path === '/version') return json({ version: ISTIO_VERSION, revision: LATEEN_VERSION, status: 'Clean' });
    return undefined;
  };
  const admin: HttpHandler = async (path, query) => {
    if (path === '/ready') return isReady ? text('ready\n') : text('not ready: the configuration is still being read\n', 503);
    if (path.startsWith('/debug')) {
      const page = await debugPage(path.slice('/debug'.length).replace(/^\/|\/$/g, ''), state, query);
      return page === undefined ? undefined : json(page);
    }
    return options.monitoring ? undefined : monitoring(path, query);
  };

  const http = lifecycle.add(await listenHttp(options.http, admin, logger));
  const metricsServer = options.monitoring && lifecycle.add(await listenHttp(options.monitoring, monitoring, logger));
  const source = lifecycle.add(createSource(options, { clusterId, namespace, clock, logger }));
  await source.start(loop);
  loop.flush();
  if (options.source.kind === 'kubernetes' && options.webhooks) {
    // A control plane without an API server needs neither certificates nor injection templates in memory.
    const { startWebhooks } = await import('./webhooks/webhooks.ts');
    webhooks = lifecycle.add(
      await startWebhooks({
        client: options.source.client,
        address: options.webhooks,
        namespace,
        snapshot: fresh,
        env: options.env ?? {},
        metrics,
        clock,
        logger: logger.child('webhooks'),
      }),
    );
  }
  const xds = await ads.listen(options.xds);
  isReady = true;
  logger.info('control plane ready', { xds, http: http.port, services: loop.current.services.size });
  return { xds, http: http.port, monitoring: metricsServer?.port ?? http.port, webhooks: webhooks?.port };
}

function createSource(
  options: ControlPlaneOptions,
  { clusterId, namespace, clock, logger }: { clusterId: string; namespace: string; clock: Clock; logger: Logger },
) {
  const { source } = options;
  if (source.kind === 'kubernetes')
    return createKubernetesSource({ client: source.client, namespace, clusterId, clock, logger: logger.child('kubernetes') });
  const { directory, meshConfigFile } = source;
  return createDirectorySource({ directory, ...(meshConfigFile && { meshConfigFile }), clusterId, clock, logger: logger.child('files') });
}

function uniqueFindings<T>(findings: readonly T[]): T[] {
  return [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()];
}
