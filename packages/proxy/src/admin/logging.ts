// /logging: levels under Envoy's names. There is one level for the whole proxy, whichever logger is named.

import { LOG_LEVELS, type Logger, type LogLevel } from '@lateen/base';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

/** Envoy's level names onto ours. */
const LEVELS: Readonly<Record<string, LogLevel>> = { trace: 'debug', warning: 'warn', critical: 'error', off: 'none' };
/** Loggers, as Envoy calls them. */
const LOGGERS = (
  'admin aws assert backtrace basic_auth cache_filter client config connection conn_handler compression dns dubbo envoy_bug ext_authz ' +
  'ext_proc file filter forward_proxy grpc happy_eyeballs hc health_checker http http2 hystrix init io jwt kafka key_value_store lua main ' +
  'matcher misc mongo multi_connection oauth2 quic quic_stream pool rate_limit_quota rbac rds redis router runtime stats secret tap ' +
  'testing thrift tracing upstream udp wasm websocket golang stats_sinks dynamic_modules'
).split(' ');

const USAGE = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off 
`;

export function createLogging(logger: Logger): (request: Pick<EndpointRequest, 'query'>) => EndpointReply {
  const shown = new Map(LOGGERS.map((name) => [name, 'info']));
  const list = () => `active loggers:\n${[...shown].map(([name, level]) => `  ${name}: ${level}\n`).join('')}`;
  return ({ query }) => {
    const changes = changesOf(query);
    const problem = typeof changes === 'string' ? changes : problemOf(changes, shown);
    if (typeof changes === 'string' || problem) return { status: 400, body: `error: ${problem}\n\n${USAGE}${list()}` };
    for (const [name, level] of changes) {
      for (const each of name === EVERY ? shown.keys() : [name]) shown.set(each, level);
    }
    // The most talkative of all that are asked for: what is turned up is never missed.
    const levels = [...shown.values()].map((level) => LOG_LEVELS.indexOf(levelOf(level) ?? 'info'));
    if (changes.length > 0) logger.setLevel(LOG_LEVELS[Math.min(...levels)] ?? 'info');
    return { status: 200, body: list() };
  };
}

/** Stands for all loggers. */
const EVERY = '*';
type Change = readonly [logger: string, level: string];

function problemOf(changes: readonly Change[], known: ReadonlyMap<string, string>): string | undefined {
  if (changes.some(([name, level]) => name === '' || level === '')) return 'empty logger name or empty logger level';
  if (changes.some(([, level]) => !levelOf(level))) return 'unknown logger level';
  return changes.some(([name]) => name !== EVERY && !known.has(name)) ? 'unknown logger name' : undefined;
}

/** A text says what is wrong. */
function changesOf(query: URLSearchParams): readonly Change[] | string {
  const parameters = [...query];
  if (parameters.length > 1) return 'invalid number of parameters';
  return parameters.flatMap(([name, value]): Change[] => {
    if (name === 'level') return [[EVERY, value]];
    if (name !== 'paths') return [[name, value]];
    return value.split(',').map((pair): Change => [pair.split(':')[0] ?? '', pair.split(':')[1] ?? '']);
  });
}

const levelOf = (name: string): LogLevel | undefined =>
  Object.hasOwn(LEVELS, name) ? LEVELS[name] : LOG_LEVELS.find((level) => level === name);
