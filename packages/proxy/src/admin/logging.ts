// /logging: levels under Envoy's names. There is one level for the whole proxy, whichever logger is named.

import { LOG_LEVELS, type Logger, type LogLevel } from '@lateen/base';
import type { EndpointReply, EndpointRequest } from './http-endpoint.ts';

/** Envoy's level names onto ours. */
const LEVELS: Readonly<Record<string, LogLevel>> = { trace: 'debug', warning: 'warn', critical: 'error', off: 'none' };
/** The loggers that people turn up, as Envoy calls them. */
const LOGGERS =
  'admin client config connection conn_handler filter hc health_checker http http2 jwt main misc pool rbac router runtime secret stats tracing upstream'.split(
    ' ',
  );

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
    const bad = changes.find(([name, level]) => !levelOf(level) || (name !== '' && !shown.has(name)));
    if (bad) return { status: 400, body: `error: unknown logger ${levelOf(bad[1]) ? 'name' : 'level'}\n\n${USAGE}${list()}` };
    for (const [name, level] of changes) {
      for (const each of name === '' ? shown.keys() : [name]) shown.set(each, level);
    }
    // The most talkative of all that are asked for: what is turned up is never missed.
    const levels = [...shown.values()].map((level) => LOG_LEVELS.indexOf(levelOf(level) ?? 'info'));
    if (changes.length > 0) logger.setLevel(LOG_LEVELS[Math.min(...levels)] ?? 'info');
    return { status: 200, body: list() };
  };
}

/** [logger, level]; an empty name is all of them. */
function changesOf(query: URLSearchParams): [name: string, level: string][] {
  const all = query.get('level');
  if (all !== null) return [['', all]];
  const paths = query.get('paths');
  const pairs =
    paths === null ? [...query] : paths.split(',').map((pair): [string, string] => [pair.split(':')[0] ?? '', pair.split(':')[1] ?? '']);
  return pairs.filter(([name]) => name !== '');
}

const levelOf = (name: string): LogLevel | undefined =>
  Object.hasOwn(LEVELS, name) ? LEVELS[name] : LOG_LEVELS.find((level) => level === name);
