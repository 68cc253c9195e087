// Envoy's admin interface. Reading is GET; everything that changes something is POST only.

import type { Logger } from '@lateen/base';
import type { Node } from '@lateen/xds/messages/proxy';
import type { Observer } from '../observe/observer.ts';
import type { Stat } from '../observe/stats.ts';
import type { StatsSettings } from '../observe/stats-config.ts';
import type { RuntimeLayers } from '../overload/runtime-layers.ts';
import type { Proxy as DataPlane } from '../proxy.ts';
import { mergeExpositions, mergeStats } from '../workers/merge.ts';
import type { Collected } from '../workers/messages.ts';
import { daysUntilFirstExpiry } from './certificate-expiry.ts';
import { collectStats, NEVER, resetCounters, type ServerStats } from './collect-stats.ts';
import type { ConfigDumpSource } from './config-dump.ts';
import type { EndpointHandler, EndpointReply, EndpointRequest } from './http-endpoint.ts';
import { createLogging } from './logging.ts';
import { replyStats, type StatsOptions } from './stats.ts';

export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

/** What /drain_listeners may ask for. */
export type DrainOptions = {
  /** Only listeners of inbound traffic. */
  readonly inboundOnly?: boolean;
  /** Listeners close after the drain time, not at once. */
  readonly graceful?: boolean;
  /** Listeners never close. */
  readonly skipExit?: boolean;
};

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
  layers: RuntimeLayers;
  /** See ServerStats. */
  hidesUnusedStats: boolean;
  statsSettings: StatsSettings;
  sourceStats(): ServerStats['sourceStats'];
  /** Istio's metrics of this thread as Prometheus text. */
  exposeMetrics(): string;
  /** Threads in all, this one included. */
  concurrency: number;
  /** The numbers of the other threads. */
  collectWorkers(): Promise<readonly Collected[]>;
  /** Has the other threads execute a command that changes something. */
  commandWorkers(path: string, query: URLSearchParams): void;
  drainListeners(options: DrainOptions): void;
  quit(): void;
};

/** All numbers of a proxy, those of its other threads added. */
export async function collectAll(source: AdminSource): Promise<{ stats: Stat[]; options: StatsOptions }> {
  const workers = await source.collectWorkers();
  const own = statsOfProxy(source);
  const stats = workers.length === 0 ? own : mergeStats([own, ...workers.map((one) => one.stats)], isSaidByOne);
  const istioMetrics = () => mergeExpositions([source.exposeMetrics(), ...workers.map((one) => one.exposition)]);
  return { stats, options: { ...source.statsSettings, istioMetrics } };
}

// What each thread would tell of the same thing: the process, and what was configured.
const ABOUT_THE_PROCESS = /^(?:server|listener_manager|cluster_manager|control_plane|runtime|overload)\./;
const ABOUT_THE_CONFIGURATION = /\.(?:membership_(?:total|healthy|degraded|excluded)|max_host_weight|\w+_open|remaining_\w+)$/;
const isSaidByOne = (name: string): boolean =>
  (ABOUT_THE_PROCESS.test(name) && name !== 'server.total_connections') || ABOUT_THE_CONFIGURATION.test(name);

/** The Prometheus exposition of a proxy, Envoy's statistics and Istio's metrics, cut down as `query` says. */
export async function replyPrometheus(source: AdminSource, query: URLSearchParams): Promise<EndpointReply> {
  const { stats, options } = await collectAll(source);
  const asked = new URLSearchParams(query);
  asked.set('format', 'prometheus');
  return replyStats({ query: asked }, stats, options);
}

const STATE_NUMBER: Record<ServerState, number> = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 };

export const statsOfProxy = (source: AdminSource) =>
  collectStats(source.proxy, source.observer, {
    uptimeSeconds: source.uptimeMs() / 1000,
    state: STATE_NUMBER[source.state()],
    isAdsConnected: source.isAdsConnected(),
    adsClusterName: source.adsClusterName,
    hidesUnused: source.hidesUnusedStats,
    includes: source.statsSettings.includes,
    sourceStats: source.sourceStats(),
    warmingClusters: source.config.entries('cluster').filter(({ entry, state }) => state === 'warming' && !entry.isStatic).length,
    concurrency: source.concurrency,
    runtimeKeys: new Set(source.layers.layers.flatMap(({ values }) => [...values.keys()])).size,
    runtimeLayers: source.layers.layers.length,
    warmingListeners: source.config.entries('listener').filter(({ entry, state }) => state === 'warming' && !entry.isStatic).length,
    hasRuntimeOverrides: source.layers.layers.some(({ isAdmin, values }) => isAdmin && values.size > 0),
    runtimeChanges: source.layers.changes,
    daysUntilCertificateExpires: daysUntilFirstExpiry(source.proxy.runtime, source.now()) ?? NEVER,
    thread: 0,
  });

type AdminCommand = {
  help: string;
  changes?: boolean;
  run(request: EndpointRequest, source: AdminSource): EndpointReply | Promise<EndpointReply>;
};

// The admin messages cost every proxy some megabytes, and few are ever asked for them.
const messages = () => import('./messages.ts');

const text = (body: string, status = 200): EndpointReply => ({ status, body });

/** A command that acts and says OK. */
const action = (help: string, act: (source: AdminSource, query: URLSearchParams) => void): AdminCommand => ({
  help,
  changes: true,
  run(request, source) {
    act(source, request.query);
    return text('OK\n');
  },
});

const COMMANDS: Record<string, AdminCommand> = {
  '/certs': {
    help: 'print certs on machine',
    run: async (_request, { proxy, now }) => (await messages()).replyCertificates(proxy.runtime, now()),
  },
  '/clusters': {
    help: 'upstream cluster status (filter, format=json)',
    run: async (request, { proxy, config }) => (await messages()).replyClusters(request, proxy, config),
  },
  '/config_dump': {
    help: 'dump the current configuration (resource, mask, name_regex, include_eds)',
    run: async (request, source) => (await messages()).replyConfigDump(request, source),
  },
  '/contention': {
    help: 'dump current Envoy mutex contention stats (if enabled)',
    run: () => text('Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.'),
  },
  '/drain_listeners': action('drain listeners (graceful, skip_exit, inboundonly)', (source, query) =>
    source.drainListeners({
      graceful: query.has('graceful'),
      skipExit: query.has('skip_exit'),
      inboundOnly: query.has('inboundonly'),
    }),
  ),
  '/healthcheck/fail': action('cause the server to fail health checks', ({ proxy }) => proxy.setFailingHealthChecks(true)),
  '/healthcheck/ok': action('cause the server to pass health checks', ({ proxy }) => proxy.setFailingHealthChecks(false)),
  '/hot_restart_version': {
    help: 'print the hot restart compatibility version',
    run: () => text('disabled'),
  },
  '/init_dump': {
    help: 'dump what the configuration waits for',
    run: async (request, source) => (await messages()).replyInitDump(request, source),
  },
  '/listeners': {
    help: 'print listener info (format=json)',
    run: async (request, { proxy }) => (await messages()).replyListeners(request, proxy),
  },
  '/logging': {
    help: 'query/change logging levels (level, paths, <logger>=<level>)',
    changes: true,
    run: (request, source) => loggingOf(source.logger)(request),
  },
  '/memory': {
    help: 'print current allocation/heap usage',
    run: async () => (await messages()).replyMemory(),
  },
  '/quitquitquit': action('exit the server', (source) => source.quit()),
  '/ready': {
    help: 'print server state, return 200 if LIVE, otherwise 503',
    run: (_request, source) => text(`${source.state()}\n`, source.state() === 'LIVE' ? 200 : 503),
  },
  // Files are opened for each line, so that a moved file is never written to.
  '/reopen_logs': action('reopen access logs', () => {}),
  '/reset_counters': action('reset all counters to zero', ({ proxy, observer }) => resetCounters(proxy, observer)),
  '/runtime': {
    help: 'print runtime values',
    run: (_request, { layers }) => ({
      status: 200,
      contentType: 'application/json',
      body: `${JSON.stringify(layers.toJson(), null, 1)}\n`,
    }),
  },
  '/runtime_modify': {
    help: 'add or change runtime values (key=value; an empty value removes)',
    changes: true,
    run: ({ query }, { layers }) => {
      if ([...query].length === 0)
        return text(
          'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\nuse an empty value to remove a previously added override\n',
          400,
        );
      return layers.modify(query) ? text('OK\n') : text('No admin layer specified\n', 503);
    },
  },
  '/server_info': {
    help: 'print server version/status information',
    run: async (_request, source) => (await messages()).replyServerInfo(source),
  },
  '/stats': {
    help: 'print server stats (filter, invert_filter, format, usedonly, type, histogram_buckets, hidden)',
    async run(request, source) {
      const { stats, options } = await collectAll(source);
      return replyStats(request, stats, options);
    },
  },
  '/stats/prometheus': {
    help: 'print server stats in prometheus format (filter, usedonly, text_readouts, histogram_buckets)',
    run: ({ query }, source) => replyPrometheus(source, query),
  },
};

const loggings = new WeakMap<Logger, ReturnType<typeof createLogging>>();

/** The levels that were asked for stay with their logger. */
function loggingOf(logger: Logger) {
  let logging = loggings.get(logger);
  if (!logging) {
    logging = createLogging(logger);
    loggings.set(logger, logging);
  }
  return logging;
}

export function createAdminHandler(source: AdminSource): EndpointHandler {
  return (request) => {
    if (request.path === '/') return { status: 200, contentType: 'text/html; charset=UTF-8', body: index() };
    if (request.path === '/help') return text(help());
    const command = Object.hasOwn(COMMANDS, request.path) ? COMMANDS[request.path] : undefined;
    if (!command) return text(`invalid path. ${help()}`, 404);
    if (command.changes && request.method !== 'POST') {
      return { ...text(`Method ${request.method} not allowed, POST required.`, 405), headers: { allow: 'POST' } };
    }
    if (command.changes && !SELF_SPREADING.has(request.path)) source.commandWorkers(request.path, request.query);
    return command.run(request, source);
  };
}

/** Those whose effect reaches the other threads by itself. */
const SELF_SPREADING: ReadonlySet<string> = new Set(['/drain_listeners', '/quitquitquit']);

const help = (): string =>
  `admin commands are:\n${Object.entries(COMMANDS)
    .map(([path, command]) => `  ${path}${command.changes ? ' (POST)' : ''}: ${command.help}\n`)
    .join('')}  /help: print out list of admin commands\n`;

/** Links for what reads, buttons for what changes. */
const index = (): string =>
  `<!DOCTYPE html>\n<html lang="en"><head><title>Envoy Admin</title></head><body><table>\n${Object.entries(COMMANDS)
    .map(([path, { changes, help: does }]) => {
      const name = path.slice(1);
      const link = changes ? `<form action="${name}" method="post"><button>${name}</button></form>` : `<a href="${name}">${name}</a>`;
      return `<tr><td>${link}</td><td>${does.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</td></tr>\n`;
    })
    .join('')}</table></body></html>\n`;
