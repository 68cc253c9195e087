// Envoy's admin interface. Reading is GET; everything that changes something is POST only.

import { LOG_LEVELS, type Logger, type LogLevel } from '@lateen/base';
import type { Node } from '@lateen/xds/messages/proxy';
import type { Observer } from '../observe/observer.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import type { ConfigDumpSource } from './config-dump.ts';
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
  /** Wall clock, milliseconds. */
  now(): number;
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

type AdminCommand = {
  help: string;
  changes?: boolean;
  run(request: EndpointRequest, source: AdminSource): EndpointReply | Promise<EndpointReply>;
};

// The admin messages cost every proxy some megabytes, and few are ever asked for them.
const messages = () => import('./messages.ts');

const text = (body: string, status = 200): EndpointReply => ({ status, body });

const COMMANDS: Record<string, AdminCommand> = {
  '/certs': {
    help: 'print certs on machine',
    run: async (_request, { proxy, now }) => (await messages()).replyCertificates(proxy.runtime, now()),
  },
  '/clusters': {
    help: 'upstream cluster status (format=json)',
    run: async (request, { proxy, config }) => (await messages()).replyClusters(request, proxy, config),
  },
  '/config_dump': {
    help: 'dump the current configuration (resource, include_eds)',
    run: async (request, source) => (await messages()).replyConfigDump(request, source),
  },
  '/drain_listeners': {
    help: 'drain listeners',
    changes: true,
    run(_request, source) {
      source.drain();
      return text('OK\n');
    },
  },
  '/listeners': {
    help: 'print listener info (format=json)',
    run: async (request, { proxy }) => (await messages()).replyListeners(request, proxy),
  },
  '/logging': { help: 'query/change logging levels (level)', changes: true, run: setLogging },
  '/memory': {
    help: 'print current allocation/heap usage',
    run: async () => (await messages()).replyMemory(),
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
  '/server_info': {
    help: 'print server version/status information',
    run: async (_request, source) => (await messages()).replyServerInfo(source),
  },
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
