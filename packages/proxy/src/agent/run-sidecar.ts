// The whole istio-proxy container: agent, ADS client and data plane, from what the injector put into the pod.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  type Clock,
  createBackoff,
  createLifecycle,
  createLogger,
  delay,
  type Logger,
  type LogLevel,
  messageOf,
  type SocketAddress,
  systemClock,
  type Transport,
} from '@lateen/base';
import { NodeSchema } from '@lateen/xds/messages/proxy';
import { type EndpointHandler, serveEndpoint } from '../admin/http-endpoint.ts';
import type { BootstrapSettings } from '../ads/bootstrap.ts';
import { DEFAULT_OPERATIONS } from '../ads/operations.ts';
import type { Resolver } from '../upstream/cluster-state.ts';
import { type PodInfo, type ProxyEnvironment, parseDownwardFile, parseProxyEnvironment } from './environment.ts';
import { runProxy } from './run-proxy.ts';
import type { ShutdownPlan } from './shutdown.ts';
import { createMetricsHandler, createReadinessHandler, createStatusHandler } from './status-server.ts';

export type SidecarOptions = {
  /** `proxy sidecar …` or `proxy router …`, a program name may stand before. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** Sockets of the pod, exempt from capture. */
  transport: Transport;
  /** Log lines and access log lines, whole or partial. */
  write: (text: string) => void;
  /** Aborted when the container must stop: the proxy drains, then the promise resolves. */
  stop: AbortSignal;
  /** Aborted when it must stop at once (a second SIGTERM). */
  hurry?: AbortSignal;
  /** Folder with the downward API's `labels` and `annotations`; undefined: there are none. */
  podInfoDir?: string | undefined;
  /** Where this process must dial the control plane. Default: the discovery address as configured. */
  resolveAddress?: (address: SocketAddress) => SocketAddress | Promise<SocketAddress>;
  /** Names of DNS clusters. Default: this process's resolver. */
  resolve?: Resolver;
  /** Access logs that go to a file. Default: refused, with a log line. */
  appendLog?: (path: string, text: string) => void;
  clock?: Clock;
  random?: () => number;
  version?: string;
};

/** Istio's ports besides those that the environment may move. */
const READINESS_PORT = 15_021;
const METRICS_PORT = 15_090;

/** Runs until stopped. Resolves with the container's exit code; problems are written as log lines. */
export async function runSidecar(options: SidecarOptions): Promise<{ exitCode: number }> {
  const clock = options.clock ?? systemClock;
  const logger = createLogger({ scope: 'istio-proxy', write: options.write, clock });
  const lifecycle = createLifecycle();
  try {
    const environment = parseProxyEnvironment(options.env, options.argv, await readPodInfo(options.podInfoDir));
    logger.setLevel(levelOf(environment.proxyLogLevel));
    const stopped = Promise.withResolvers<void>();
    if (options.stop.aborted) return { exitCode: 0 };
    options.stop.addEventListener('abort', () => stopped.resolve(), { once: true });

    const discovery = await findDiscovery(options, environment.discoveryAddress, { clock, logger });
    if (!discovery) return { exitCode: 0 };
    const running = lifecycle.add(
      await runProxy({
        bootstrap: bootstrapOf(environment, discovery),
        transport: options.transport,
        clock,
        logger,
        drainMs: environment.drainMs,
        hidesUnusedStats: true,
        appendLog: (path, text) => (isStandardStream(path) ? options.write(text) : (options.appendLog ?? refuseFile)(path, text)),
        ...(options.random && { random: options.random }),
        ...(options.resolve && { resolve: options.resolve }),
        ...(options.version && { version: options.version }),
      }),
    );
    // A native sidecar is told to drain while the application still runs; what comes then need not wait again.
    let hasDrained = false;
    const drainFirst = () => {
      hasDrained = true;
      running.drainListeners({ graceful: true, skipExit: true, inboundOnly: environment.role === 'sidecar' });
    };
    const status = {
      environment,
      source: running.source,
      transport: options.transport,
      clock,
      logger,
      drain: drainFirst,
      quit: stopped.resolve,
    };
    const serve = async (port: number, handle: EndpointHandler) => {
      lifecycle.add(await serveEndpoint({ transport: options.transport, address: { host: '0.0.0.0', port }, logger, handle }));
    };
    await serve(environment.statusPort, createStatusHandler(status));
    await serve(READINESS_PORT, createReadinessHandler(status));
    await serve(METRICS_PORT, createMetricsHandler(status));
    logger.info('proxy started', { node: environment.node.id, discovery: `${discovery.host}:${discovery.port}` });

    await Promise.race([stopped.promise, running.quit]);
    if (hasDrained) return { exitCode: 0 };
    running.drainListeners({ graceful: true, inboundOnly: environment.role === 'sidecar' });
    await running.shutDown(planOf(environment), options.hurry);
    return { exitCode: 0 };
  } catch (error) {
    logger.error('the proxy cannot run', { error: messageOf(error) });
    return { exitCode: 1 };
  } finally {
    await lifecycle.close();
  }
}

/** Asks until there is an answer: the control plane's service may come later than this pod. Undefined when stopped first. */
async function findDiscovery(
  { resolveAddress, stop }: SidecarOptions,
  address: SocketAddress,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<SocketAddress | undefined> {
  if (!resolveAddress) return address;
  const backoff = createBackoff({ baseMs: 200, maxMs: 5000 });
  while (!stop.aborted) {
    try {
      return await resolveAddress(address);
    } catch (error) {
      logger.info('the control plane has no address yet', { host: address.host, reason: messageOf(error) });
      await delay(clock, backoff.next(), stop).catch(() => {});
    }
  }
  return undefined;
}

const planOf = ({ exitOnZeroConnections, terminationDrainMs }: ProxyEnvironment): ShutdownPlan =>
  exitOnZeroConnections
    ? { kind: 'when_idle', minimumMs: exitOnZeroConnections.minimumDrainMs, limitMs: Number.POSITIVE_INFINITY }
    : { kind: 'fixed', drainMs: terminationDrainMs };

const UNHURRIED_ADS = { kind: 'ads', initialFetchTimeoutMs: 0 } as const;

/** The bootstrap that Istio's agent would have written for Envoy, as far as this proxy reads it. */
function bootstrapOf(environment: ProxyEnvironment, discovery: SocketAddress): BootstrapSettings {
  const node = create(NodeSchema, environment.node);
  const admin = { host: '127.0.0.1', port: environment.adminPort };
  return {
    ...DEFAULT_OPERATIONS,
    message: {
      node,
      admin: {
        address: {
          address: { case: 'socketAddress', value: { address: admin.host, portSpecifier: { case: 'portValue', value: admin.port } } },
        },
      },
    },
    node,
    admin,
    clusters: [],
    listeners: [],
    // Envoy under Istio waits for its first configuration for ever.
    sources: { cluster: UNHURRIED_ADS, listener: UNHURRIED_ADS },
    ads: { address: discovery, protocol: 'delta', clusterName: 'xds-grpc' },
  };
}

async function readPodInfo(dir: string | undefined): Promise<PodInfo> {
  const read = async (name: string) => {
    if (dir === undefined) return {};
    // An injector may leave the volume out; the proxy then only knows less about itself.
    const content = await readFile(join(dir, name), 'utf8').catch(() => '');
    return parseDownwardFile(content);
  };
  return { labels: await read('labels'), annotations: await read('annotations') };
}

const refuseFile = (): never => {
  throw new Error('access logs can only go to /dev/stdout here');
};

const isStandardStream = (path: string): boolean => path === '/dev/stdout' || path === '/dev/stderr';

const LEVELS: Record<string, LogLevel> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warning: 'info',
  error: 'error',
  critical: 'error',
  off: 'none',
};

// Istio runs Envoy at "warning" and the agent at "info"; here both are one log, so "warning" keeps the agent's lines.
function levelOf(proxyLogLevel: string): LogLevel {
  return (Object.hasOwn(LEVELS, proxyLogLevel) && LEVELS[proxyLogLevel]) || 'info';
}
