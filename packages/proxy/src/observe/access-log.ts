// Access logs: formats compiled once, lines handed to a sink that buffers.

import type { Clock, Logger, Timer } from '@lateen/base';
import { messageOf } from '@lateen/base';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import type { AccessLogFilter, AccessLogRuntime, BodyFormat, Format, FormatPart, JsonFormat, JsonFormatValue } from '../runtime/index.ts';
import { scopeOf } from './cel-attributes.ts';
import { compileFormat, compileOperator, EMPTY_IS_KNOWN, grpcStatusOf, plainText, sanitize } from './format.ts';
import type { FormatReader, FormatValue } from './operator.ts';

export type LogSink = {
  /** Takes a whole line with its newline. */
  write(line: string): void;
};

/** Writes a line for each record that passes the filter. */
export type AccessLogger = (record: RequestRecord) => void;

/** What filters of logs ask for. */
export type LogFilterContext = {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The number that the runtime has for a key. Default: none. */
  readonly runtime?: ((key: string) => number | undefined) | undefined;
};

export function compileAccessLog(log: AccessLogRuntime, sink: LogSink, context: LogFilterContext): AccessLogger {
  const render =
    log.format.kind === 'text'
      ? compileText(log.format.text, log.format.omitEmpty ? '' : '-')
      : compileJson(log.format.fields, log.format.omitEmpty);
  const { filter } = log;
  if (!filter) return (record) => sink.write(render(record));
  const passes = compileLogFilter(filter, context);
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
  const parts = format.map((part) => (typeof part === 'string' ? part : compilePart(part, unknown)));
  return (record) => {
    let line = '';
    for (const part of parts) line += typeof part === 'string' ? part : part(record);
    return line;
  };
}

function compilePart(part: Exclude<FormatPart, string>, unknown: string): (record: RequestRecord) => string {
  const read = compileOperator(part);
  const empty = EMPTY_IS_KNOWN.has(part.operator) ? '' : unknown;
  return (record) => {
    const value = read(record);
    if (typeof value === 'string') return value === '' ? empty : sanitize(value);
    // JSON has escapes of its own.
    return value === undefined ? unknown : plainText(value).slice(0, part.maxLength);
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
    return (record) => items.map((read) => read(record)).filter((item) => !omitEmpty || item !== null);
  }
  const [only] = value;
  // A single operator keeps its type; an unknown one is null.
  if (value.length === 1 && only !== undefined && typeof only !== 'string') {
    const read: FormatReader = compileOperator(only);
    const isEmptyKnown = EMPTY_IS_KNOWN.has(only.operator);
    return (record) => {
      const got = read(record);
      return got === undefined || (got === '' && !isEmptyKnown) ? null : got;
    };
  }
  const unknown = omitEmpty ? '' : '-';
  const readers = value.map((part) => (typeof part === 'string' ? part : compileOperator(part)));
  return (record) => readers.map((read) => (typeof read === 'string' ? read : textOf(read(record), unknown))).join('');
}

// Array.isArray does not see readonly arrays, nor instanceof readonly maps.
const isObjectFormat = (value: Exclude<JsonFormatValue, number | boolean | null>): value is JsonFormat => value instanceof Map;

const textOf = (value: FormatValue, unknown: string): string => (value === undefined || value === '' ? unknown : plainText(value));

const HEALTH_CHECK_DETAILS = new Set(['health_check_ok', 'health_check_cached', 'health_check_failed']);

// Matchers of metadata look at nothing else.
const NO_VIEW = { method: '', path: '', authority: '', scheme: '', header: () => undefined, headerValues: () => [] };

/** Also of local reply mappers. */
export function compileLogFilter(filter: AccessLogFilter, context: LogFilterContext): (record: RequestRecord) => boolean {
  switch (filter.kind) {
    case 'status_code':
      return compareWith((record) => record.responseCode, filter, context);
    case 'duration':
      return compareWith((record) => Math.floor(record.durationMs), filter, context);
    case 'not_health_check':
      // No filter here marks a request as a health check except the one that answers it itself.
      return (record) => !HEALTH_CHECK_DETAILS.has(record.responseCodeDetails);
    case 'runtime':
      return sample(filter, context);
    case 'traceable':
      // Nothing is traced: Envoy, too, takes only requests that a trace was decided for.
      return () => false;
    case 'expression':
      return (record) => filter.program(scopeOf(record)) === true;
    case 'metadata':
      return (record) => filter.matches({ ...NO_VIEW, dynamicMetadata: record.dynamicMetadata });
    case 'log_type': {
      const types = new Set(filter.types);
      return (record) => types.has(record.kind) !== filter.exclude;
    }
    case 'and': {
      const all = filter.filters.map((each) => compileLogFilter(each, context));
      return (record) => all.every((passes) => passes(record));
    }
    case 'or': {
      const all = filter.filters.map((each) => compileLogFilter(each, context));
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
      return (record) => statuses.has(grpcStatusOf(record)) !== filter.exclude;
    }
  }
}

type Comparison = Extract<AccessLogFilter, { kind: 'status_code' | 'duration' }>;

function compareWith(
  read: (record: RequestRecord) => number,
  { op, value, runtimeKey }: Comparison,
  { runtime }: LogFilterContext,
): (record: RequestRecord) => boolean {
  return (record) => {
    const actual = read(record);
    const expected = runtime?.(runtimeKey) ?? value;
    if (op === 'eq') return actual === expected;
    if (op === 'ne') return actual !== expected;
    return op === 'ge' ? actual >= expected : actual <= expected;
  };
}

type Sampling = Extract<AccessLogFilter, { kind: 'runtime' }>;

/** By the first eight digits of the request's id where it has one, so that all its logs and hops agree. */
function sample({ runtimeKey, numerator, denominator, isIndependent }: Sampling, { random, runtime }: LogFilterContext) {
  return (record: RequestRecord): boolean => {
    const id = isIndependent ? undefined : /^[\da-f]{8}(?=-)/i.exec(record.requestHeader('x-request-id') ?? '')?.[0];
    const drawn = id === undefined ? Math.floor(random() * denominator) : Number.parseInt(id, 16) % denominator;
    return drawn < (runtime?.(runtimeKey) ?? numerator);
  };
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
