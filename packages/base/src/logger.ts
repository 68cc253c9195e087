// A small structured logger: one line an event, text (time, level, scope, message, key=value) or JSON.

import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { messageOf } from './errors.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'none'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Record<string, unknown>;

export type Logger = {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose scope is `parent/name`. */
  child(name: string): Logger;
  setLevel(level: LogLevel): void;
};

export type LoggerOptions = {
  scope?: string;
  /** Default `info`. Children follow a later `setLevel` of their root. */
  level?: LogLevel;
  /** Default `text`. */
  format?: 'text' | 'json';
  /** Receives whole lines with their newline. Default: standard error. */
  write?: (line: string) => void;
  clock?: Clock;
};

export function createLogger(options: LoggerOptions = {}): Logger {
  const state = { level: LOG_LEVELS.indexOf(options.level ?? 'info') };
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const clock = options.clock ?? systemClock;
  const render = options.format === 'json' ? renderJson : renderText;
  const scoped = (scope: string): Logger => {
    const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
      if (LOG_LEVELS.indexOf(level) < state.level) return;
      write(render({ time: new Date(clock.now()).toISOString(), level, scope, message, fields }));
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (name) => scoped(scope ? `${scope}/${name}` : name),
      setLevel: (level) => {
        state.level = LOG_LEVELS.indexOf(level);
      },
    };
  };
  return scoped(options.scope ?? '');
}

/** Swallows everything; for tests and for optional loggers. */
export const silentLogger: Logger = createLogger({ level: 'none', write: () => {} });

type Line = { time: string; level: LogLevel; scope: string; message: string; fields: LogFields | undefined };

function renderText({ time, level, scope, message, fields }: Line): string {
  const pairs = Object.entries(fields ?? {}).map(([key, value]) => `\t${key}=${textValue(value)}`);
  return `${time}\t${level}\t${scope ? `${scope}\t` : ''}${oneLine(message)}${pairs.join('')}\n`;
}

function renderJson({ time, level, scope, message, fields }: Line): string {
  const plain = Object.fromEntries(
    Object.entries(fields ?? {}).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
  return `${JSON.stringify({ time, level, scope: scope || undefined, msg: message, ...plain })}\n`;
}

const textValue = (value: unknown): string => {
  const text = value instanceof Error ? messageOf(value) : typeof value === 'string' ? value : JSON.stringify(value);
  return oneLine(String(text));
};

// A value from the network must not be able to forge a second log line.
const oneLine = (text: string): string => text.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
