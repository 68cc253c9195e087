// Access logs: formats compiled once, lines handed to a sink that buffers.

import type { Clock, Logger, Timer } from '@lateen/base';
import { messageOf } from '@lateen/base';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import type { AccessLogFilter, AccessLogRuntime, BodyFormat, Format, FormatPart, JsonFormat, JsonFormatValue } from '../runtime/index.ts';
import { compileFormat, compileOperator, type FormatReader, type FormatValue, sanitize } from './format.ts';

export type LogSink = {
  /** Takes a whole line with its newline. */
  write(line: string): void;
};

/** Writes a line for each record that passes the filter. */
export type AccessLogger = (record: RequestRecord) => void;

export function compileAccessLog(log: AccessLogRuntime, sink: LogSink, random: () => number): AccessLogger {
  const render =
    log.format.kind === 'text'
      ? compileText(log.format.text, log.format.omitEmpty ? '' : '-')
      : compileJson(log.format.fields, log.format.omitEmpty);
  const { filter } = log;
  if (!filter) return (record) => sink.write(render(record));
  const passes = compileLogFilter(filter, random);
  return (record) => {
    if (passes(record)) sink.write(render(record));
  };
}

/** Whether some part of the log's format is as `test` asks. */
export function hasOperator({ format }: AccessLogRuntime, test: (operator: Exclude<FormatPart, string>) => boolean): boolean {
  const inText = (parts: Format): boolean => parts.some((part) => typeof part !== 'string' && test(part));
  const inJson = (value: JsonFormatValue): boolean => {
    if (value === null || typeof value !== 'object') return false;
    if (isObjectFormat(value)) return [...value.values()].some(inJson);
    return 'items' in value ? value.items.some(inJson) : inText(value);
  };
  return format.kind === 'text' ? inText(format.text) : inJson(format.fields);
}

function compileText(format: Format, unknown: string): (record: RequestRecord) => string {
  const parts = format.map((part) => (typeof part === 'string' ? part : compileOperator(part)));
  return (record) => {
    let line = '';
    for (const part of parts) {
      if (typeof part === 'string') line += part;
      else {
        const value = part(record);
        line += value === undefined || value === '' ? unknown : typeof value === 'string' ? sanitize(value) : String(value);
      }
    }
    return line;
  };
}

const rendered = new WeakMap<BodyFormat, (record: RequestRecord) => string>();

/** The text of a body format for a record; JSON ends with a line break, as Envoy writes it. */
export function renderFormat(format: BodyFormat, record: RequestRecord): string {
  let render = rendered.get(format);
  if (!render) {
    render =
      format.kind === 'json' ? compileJson(format.fields, format.omitEmpty) : compileFormat(format.text, format.omitEmpty ? '' : '-');
    rendered.set(format, render);
  }
  return render(record);
}

type JsonReader = (record: RequestRecord) => unknown;

function compileJson(fields: JsonFormat, omitEmpty: boolean): (record: RequestRecord) => string {
  const read = jsonObject(fields, omitEmpty);
  return (record) => `${JSON.stringify(read(record))}\n`;
}

function jsonObject(fields: JsonFormat, omitEmpty: boolean): JsonReader {
  // Envoy sorts the keys.
  const readers = [...fields].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, jsonValue(value, omitEmpty)] as const);
  return (record) => {
    const object: Record<string, unknown> = {};
    for (const [key, read] of readers) {
      const value = read(record);
      if (value !== null || !omitEmpty) object[key] = value;
    }
    return object;
  };
}

function jsonValue(value: JsonFormatValue, omitEmpty: boolean): JsonReader {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return () => value;
  if (isObjectFormat(value)) return jsonObject(value, omitEmpty);
  if ('items' in value) {
    const items = value.items.map((item) => jsonValue(item, omitEmpty));
    return (record) => items.map((read) => read(record));
  }
  const [only] = value;
  // A single operator keeps its type; an unknown one is null.
  if (value.length === 1 && only !== undefined && typeof only !== 'string') {
    const read: FormatReader = compileOperator(only);
    return (record) => {
      const got = read(record);
      return got === undefined || got === '' ? null : got;
    };
  }
  const readers = value.map((part) => (typeof part === 'string' ? part : compileOperator(part)));
  return (record) => readers.map((read) => (typeof read === 'string' ? read : textOf(read(record)))).join('');
}

// Array.isArray does not see readonly arrays, nor instanceof readonly maps.
const isObjectFormat = (value: Exclude<JsonFormatValue, number | boolean | null>): value is JsonFormat => value instanceof Map;

const textOf = (value: FormatValue): string => (value === undefined || value === '' ? '-' : String(value));

const HEALTH_CHECK_DETAILS = new Set(['health_check_ok', 'health_check_cached', 'health_check_failed']);

// Matchers of metadata look at nothing else.
const NO_VIEW = { method: '', path: '', authority: '', scheme: '', header: () => undefined, headerValues: () => [] };

/** Also of local reply mappers. */
export function compileLogFilter(filter: AccessLogFilter, random: () => number): (record: RequestRecord) => boolean {
  switch (filter.kind) {
    case 'status_code':
      return (record) => compare(record.responseCode, filter);
    case 'duration':
      return (record) => compare(record.durationMs, filter);
    case 'not_health_check':
      // No filter here marks a request as a health check except the one that answers it itself.
      return (record) => !HEALTH_CHECK_DETAILS.has(record.responseCodeDetails);
    case 'runtime':
      return () => random() < filter.fraction;
    case 'traceable':
      // Nothing is traced: Envoy, too, takes only requests that a trace was decided for.
      return () => false;
    case 'metadata':
      return (record) => filter.matches({ ...NO_VIEW, dynamicMetadata: record.dynamicMetadata });
    case 'log_type': {
      const types = new Set(filter.types);
      return (record) => types.has(record.kind) !== filter.exclude;
    }
    case 'and': {
      const all = filter.filters.map((each) => compileLogFilter(each, random));
      return (record) => all.every((passes) => passes(record));
    }
    case 'or': {
      const all = filter.filters.map((each) => compileLogFilter(each, random));
      return (record) => all.some((passes) => passes(record));
    }
    case 'header':
      return (record) => filter.matches((name) => record.requestHeader(name));
    case 'response_flag': {
      const wanted = new Set(filter.flags);
      if (wanted.size === 0) return (record) => record.responseFlags !== 0;
      return (record) =>
        formatResponseFlags(record.responseFlags)
          .split(',')
          .some((flag) => wanted.has(flag));
    }
    case 'grpc_status': {
      const statuses = new Set(filter.statuses);
      return (record) => record.grpcStatus !== undefined && statuses.has(record.grpcStatus) !== filter.exclude;
    }
  }
}

function compare(actual: number, { op, value }: { op: 'eq' | 'ge' | 'le' | 'ne'; value: number }): boolean {
  if (op === 'eq') return actual === value;
  if (op === 'ne') return actual !== value;
  return op === 'ge' ? actual >= value : actual <= value;
}

export type LogSinks = {
  /** The sink of a path; "/dev/stdout" and "/dev/stderr" are the embedder's. */
  open(path: string): LogSink;
  /** Writes out what is buffered. */
  flush(): void;
  close(): void;
};

export type LogSinksOptions = {
  /** Takes text that may be several lines; `path` as configured. Must not throw for long: errors are logged once per flush. */
  append: (path: string, text: string) => void;
  clock: Clock;
  logger: Logger;
};

const FLUSH_AFTER_MS = 100;
const FLUSH_AT_CHARS = 64 * 1024;

export function createLogSinks({ append, clock, logger }: LogSinksOptions): LogSinks {
  const buffers = new Map<string, string>();
  let timer: Timer | undefined;
  const flushPath = (path: string) => {
    const text = buffers.get(path) as string;
    if (text === '') return;
    buffers.set(path, '');
    try {
      append(path, text);
    } catch (error) {
      logger.error('access log cannot be written', { path, error: messageOf(error) });
    }
  };
  const flush = () => {
    timer?.cancel();
    timer = undefined;
    for (const path of buffers.keys()) flushPath(path);
  };
  return {
    open(path) {
      if (!buffers.has(path)) buffers.set(path, '');
      return {
        write(line) {
          const text = buffers.get(path) + line;
          buffers.set(path, text);
          if (text.length >= FLUSH_AT_CHARS) flushPath(path);
          else timer ??= clock.after(FLUSH_AFTER_MS, flush, { background: true });
        },
      };
    },
    flush,
    close: flush,
  };
}
