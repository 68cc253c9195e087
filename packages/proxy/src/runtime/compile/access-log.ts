import { isObject, type Json } from '@lateen/base';
import {
  type AccessLog,
  type AccessLogFilter as AccessLogFilterMessage,
  type ComparisonFilter,
  fileAccessLogger,
  ComparisonFilter_Op as Op,
  type SubstitutionFormatString,
  SubstitutionFormatStringSchema,
  streamAccessLogger,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { AccessLogFilter, AccessLogRuntime, JsonFormat, JsonFormatValue } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileHeaderTest } from './match.ts';
import { honours, type Report } from './report.ts';
import { fractionOf, inlineTextOf } from './values.ts';

type LogFormat = AccessLogRuntime['format'];

/** Envoy's format when none is configured. */
const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" ' +
  '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

type Sink = Omit<AccessLogRuntime, 'filter'>;
const SINKS = [
  extension(fileAccessLogger.FileAccessLogSchema, (message, report): Sink => {
    if (message.path === '') report.at('path').refuse('must not be empty');
    return { path: message.path, format: compileFileFormat(message, report) };
  }),
  extension(
    streamAccessLogger.StdoutAccessLogSchema,
    (message, report): Sink => ({ path: '/dev/stdout', format: compileLogFormat(message.accessLogFormat.value, report) }),
  ),
  extension(
    streamAccessLogger.StderrAccessLogSchema,
    (message, report): Sink => ({ path: '/dev/stderr', format: compileLogFormat(message.accessLogFormat.value, report) }),
  ),
];

export function compileAccessLogs(logs: readonly AccessLog[], report: Report): AccessLogRuntime[] {
  return logs.flatMap((log, i) => {
    const at = report.at('access_log', i);
    const sink = compileAny(log.configType.case ? log.configType.value : undefined, SINKS, at.at('typed_config'));
    const filter = log.filter && compileFilter(log.filter, at.at('filter'));
    return sink ? [{ ...sink, filter }] : [];
  });
}

function compileFileFormat(message: fileAccessLogger.FileAccessLog, report: Report): LogFormat {
  const format = message.accessLogFormat;
  switch (format.case) {
    case 'format':
      return textFormat(format.value, report.at('format'));
    case 'jsonFormat':
      return { kind: 'json', fields: jsonFormat(format.value, report.at('json_format')), omitEmpty: false };
    case 'typedJsonFormat':
      return { kind: 'json', fields: jsonFormat(format.value, report.at('typed_json_format')), omitEmpty: false };
    case 'logFormat':
    case undefined:
      return compileLogFormat(format.value, report);
  }
}

// Formatter extensions only add operators; one that is not known is refused where it is used.
const checkFormat = honours(SubstitutionFormatStringSchema, [
  'textFormat',
  'jsonFormat',
  'textFormatSource',
  'omitEmptyValues',
  'formatters',
  'jsonFormatOptions',
]);

function compileLogFormat(message: SubstitutionFormatString | undefined, report: Report): LogFormat {
  if (!message) return textFormat(DEFAULT_FORMAT, report);
  const at = report.at('log_format');
  checkFormat(message, at);
  switch (message.format.case) {
    case 'textFormat':
      return textFormat(message.format.value, at.at('text_format'));
    case 'textFormatSource':
      return textFormat(inlineTextOf(message.format.value, at.at('text_format_source')), at.at('text_format_source'));
    case 'jsonFormat':
      return { kind: 'json', fields: jsonFormat(message.format.value, at.at('json_format')), omitEmpty: message.omitEmptyValues };
    case undefined:
      return textFormat(DEFAULT_FORMAT, at);
  }
}

const textFormat = (text: string, report: Report): LogFormat => ({ kind: 'text', text: report.take(parseFormat(text)) ?? [] });

function jsonFormat(fields: { readonly [key: string]: Json }, report: Report): JsonFormat {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, jsonValue(value, report.at(key))]));
}

function jsonValue(value: Json, report: Report): JsonFormatValue {
  if (typeof value === 'string') return report.take(parseFormat(value)) ?? [];
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (isObject(value)) return jsonFormat(value as { [key: string]: Json }, report);
  report.refuse('lists and null are not supported');
  return [];
}

const OPS: Partial<Record<number, 'eq' | 'ge' | 'le'>> = { [Op.EQ]: 'eq', [Op.GE]: 'ge', [Op.LE]: 'le' };

function comparison(kind: 'status_code' | 'duration', filter: ComparisonFilter | undefined): AccessLogFilter {
  return { kind, op: OPS[filter?.op ?? 0] ?? 'eq', value: filter?.value?.defaultValue ?? 0 };
}

function compileFilter(message: AccessLogFilterMessage, report: Report): AccessLogFilter | undefined {
  const filter = message.filterSpecifier;
  const all = (kind: 'and' | 'or', filters: readonly AccessLogFilterMessage[]): AccessLogFilter => ({
    kind,
    filters: filters.flatMap((each, i) => compileFilter(each, report.at(`${kind}_filter`).at('filters', i)) ?? []),
  });
  switch (filter.case) {
    case 'statusCodeFilter':
      return comparison('status_code', filter.value.comparison);
    case 'durationFilter':
      return comparison('duration', filter.value.comparison);
    case 'notHealthCheckFilter':
      return { kind: 'not_health_check' };
    case 'runtimeFilter':
      return { kind: 'runtime', fraction: fractionOf(filter.value.percentSampled) };
    case 'andFilter':
      return all('and', filter.value.filters);
    case 'orFilter':
      return all('or', filter.value.filters);
    case 'headerFilter': {
      if (!filter.value.header) return undefined;
      const { test } = compileHeaderTest(filter.value.header, report.at('header_filter').at('header'));
      return { kind: 'header', matches: test };
    }
    case 'responseFlagFilter':
      return { kind: 'response_flag', flags: filter.value.flags };
    case 'grpcStatusFilter':
      return { kind: 'grpc_status', statuses: filter.value.statuses.map(Number), exclude: filter.value.exclude };
    default:
      report.refuse(filter.case ? `${filter.case} is not supported` : 'a filter is required');
      return undefined;
  }
}
