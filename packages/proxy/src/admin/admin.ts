// Envoy's admin interface. Reading is GET; everything that changes something is POST only.

import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { LOG_LEVELS, type Logger, type LogLevel } from '@lateen/base';
import type { Node } from '@lateen/xds/messages';
import { adminCerts, adminMemory, adminServerInfo } from '@lateen/xds/messages/admin';
import type { Observer } from '../observe/observer.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import { replyClusters, replyJson, replyListeners } from './clusters.ts';
import { type ConfigDumpSource, replyConfigDump } from './config-dump.ts';
import type { EndpointHandler, EndpointReply, EndpointRequest } from './http-endpoint.ts';
import { collectStats, PROMETHEUS_TYPE, renderPrometheus, replyStats } from './stats.ts';

export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

export type AdminSource = ConfigDumpSource & {
  proxy: DataPlane;
  observer: Observer;
  logger: Logger;
  node: Node | undefined;
  version: string;
  state(): ServerState;
  uptimeMs(): number;
  isAdsConnected(): boolean;
  adsClusterName: string;
  /** See ServerStats. */
  hidesUnusedStats: boolean;
  /** Istio's metrics as Prometheus text. */
  exposeMetrics(): string;
  /** From now on answers end their connections. */
  drain(): void;
  quit(): void;
};

/** The whole Prometheus exposition of a proxy: Envoy's statistics and Istio's metrics. */
export function exposition(source: AdminSource): string {
  return renderPrometheus(statsOfProxy(source)) + source.exposeMetrics();
}

const STATE_NUMBER: Record<ServerState, number> = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 };

const statsOfProxy = (source: AdminSource) =>
  collectStats(source.proxy, source.observer, {
    uptimeSeconds: source.uptimeMs() / 1000,
    state: STATE_NUMBER[source.state()],
    isAdsConnected: source.isAdsConnected(),
    adsClusterName: source.adsClusterName,
    hidesUnused: source.hidesUnusedStats,
  });

type AdminCommand = { help: string; changes?: boolean; run(request: EndpointRequest, source: AdminSource): EndpointReply };

const text = (body: string, status = 200): EndpointReply => ({ status, body });

const COMMANDS: Record<string, AdminCommand> = {
  '/certs': {
    help: 'print certs on machine',
    // No TLS context is served, so there is no certificate.
    run: () => replyJson(adminCerts.CertificatesSchema, create(adminCerts.CertificatesSchema)),
  },
  '/clusters': {
    help: 'upstream cluster status (format=json)',
    run: (request, { proxy, config }) => replyClusters(request, proxy, config),
  },
  '/config_dump': { help: 'dump the current configuration (resource, include_eds)', run: replyConfigDump },
  '/drain_listeners': {
    help: 'drain listeners',
    changes: true,
    run(_request, source) {
      source.drain();
      return text('OK\n');
    },
  },
  '/listeners': { help: 'print listener info (format=json)', run: (request, { proxy }) => replyListeners(request, proxy) },
  '/logging': { help: 'query/change logging levels (level)', changes: true, run: setLogging },
  '/memory': {
    help: 'print current allocation/heap usage',
    run() {
      const { heapUsed, heapTotal, rss } = process.memoryUsage();
      const message = { allocated: BigInt(heapUsed), heapSize: BigInt(heapTotal), totalPhysicalBytes: BigInt(rss) };
      return replyJson(adminMemory.MemorySchema, create(adminMemory.MemorySchema, message));
    },
  },
  '/quitquitquit': {
    help: 'exit the server',
    changes: true,
    run(_request, source) {
      source.quit();
      return text('OK\n');
    },
  },
  '/ready': {
    help: 'print server state, return 200 if LIVE, otherwise 503',
    run: (_request, source) => text(`${source.state()}\n`, source.state() === 'LIVE' ? 200 : 503),
  },
  '/runtime': {
    help: 'print runtime values',
    run: () => ({ status: 200, contentType: 'application/json', body: '{"entries":{},"layers":[]}\n' }),
  },
  '/server_info': { help: 'print server version/status information', run: serverInfo },
  '/stats': {
    help: 'print server stats (filter, format, usedonly)',
    run: (request, source) => replyStats(request, statsOfProxy(source), () => exposition(source)),
  },
  '/stats/prometheus': {
    help: 'print server stats in prometheus format',
    run: (_request, source) => ({ status: 200, contentType: PROMETHEUS_TYPE, body: exposition(source) }),
  },
};

export function createAdminHandler(source: AdminSource): EndpointHandler {
  return (request) => {
    if (request.path === '/help' || request.path === '/') return text(help());
    const command = Object.hasOwn(COMMANDS, request.path) ? COMMANDS[request.path] : undefined;
    if (!command) return text(`invalid path. ${help()}`, 404);
    if (command.changes && request.method !== 'POST') {
      return { ...text(`Method ${request.method} not allowed, POST required.\n`, 405), headers: { allow: 'POST' } };
    }
    return command.run(request, source);
  };
}

const help = (): string =>
  `admin commands are:\n${Object.entries(COMMANDS)
    .map(([path, command]) => `  ${path}${command.changes ? ' (POST)' : ''}: ${command.help}\n`)
    .join('')}  /help: print out list of admin commands\n`;

/** Envoy's level names onto ours. */
const LEVELS: Record<string, LogLevel> = { trace: 'debug', warning: 'warn', critical: 'error', off: 'none' };

function setLogging({ query }: EndpointRequest, { logger }: AdminSource): EndpointReply {
  const asked = query.get('level') ?? query.get('paths')?.split(':').at(-1);
  if (asked === undefined) return text(`usage: /logging?level=<level>\nlevels: ${[...Object.keys(LEVELS), ...LOG_LEVELS].join(' ')}\n`);
  const level = Object.hasOwn(LEVELS, asked) ? LEVELS[asked] : LOG_LEVELS.find((each) => each === asked);
  if (!level) return text(`unknown logger level ${JSON.stringify(asked)}\n`, 400);
  logger.setLevel(level);
  return text(`active loggers:\n  all: ${asked}\n`);
}

function serverInfo(_request: EndpointRequest, source: AdminSource): EndpointReply {
  const uptime = durationFromMs(Math.floor(source.uptimeMs()));
  const message = create(adminServerInfo.ServerInfoSchema, {
    version: source.version,
    state: adminServerInfo.ServerInfo_State[source.state()],
    uptimeCurrentEpoch: uptime,
    uptimeAllEpochs: uptime,
    hotRestartVersion: 'disabled',
    commandLineOptions: {
      concurrency: 1,
      mode: adminServerInfo.CommandLineOptions_Mode.Serve,
      serviceNode: source.node?.id ?? '',
      serviceCluster: source.node?.cluster ?? '',
    },
    ...(source.node && { node: source.node }),
  });
  return replyJson(adminServerInfo.ServerInfoSchema, message);
}
