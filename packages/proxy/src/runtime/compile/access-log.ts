import { compileCel } from '@lateen/base/cel';
import {
  type AccessLog,
  type AccessLogFilter as AccessLogFilterMessage,
  type ComparisonFilter,
  celAccessLogFilter,
  fileAccessLogger,
  ComparisonFilter_Op as Op,
  type SubstitutionFormatString,
  streamAccessLogger,
} from '@lateen/xds/messages/proxy';
import { parseFormat } from '../format.ts';
import type { AccessLogFilter, AccessLogRuntime, RequestView } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileBodyFormat, compileJsonFormat } from './body-format.ts';
import { compileHeaderTest, compileMetadataMatcher, metadataValue } from './match.ts';
import type { Report } from './report.ts';
import { denominatorOf } from './values.ts';

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
    const filter = log.filter && compileLogFilter(log.filter, at.at('filter'));
    return sink ? [{ ...sink, filter }] : [];
  });
}

function compileFileFormat(message: fileAccessLogger.FileAccessLog, report: Report): LogFormat {
  const format = message.accessLogFormat;
  switch (format.case) {
    case 'format':
      return textFormat(format.value, report.at('format'));
    case 'jsonFormat':
      return { kind: 'json', fields: compileJsonFormat(format.value, report.at('json_format')), omitEmpty: false };
    case 'typedJsonFormat':
      return { kind: 'json', fields: compileJsonFormat(format.value, report.at('typed_json_format')), omitEmpty: false };
    case 'logFormat':
    case undefined:
      return compileLogFormat(format.value, report);
  }
}

function compileLogFormat(message: SubstitutionFormatString | undefined, report: Report): LogFormat {
  if (!message?.format.case) return textFormat(DEFAULT_FORMAT, report);
  const { contentType: _, ...format } = compileBodyFormat(message, report.at('log_format'));
  return format;
}

const textFormat = (text: string, report: Report): LogFormat => ({
  kind: 'text',
  text: report.take(parseFormat(text)) ?? [],
  omitEmpty: false,
});

// DownstreamEnd and TcpConnectionEnd are the moments at which this proxy writes a line; lines of other moments are never written.
const LOG_TYPES: Partial<Record<number, string>> = { 6: 'http', 3: 'tcp' };

// NE came with a newer Envoy than the generated messages.
const OPS: Partial<Record<number, 'eq' | 'ge' | 'le' | 'ne'>> = { [Op.EQ]: 'eq', [Op.GE]: 'ge', [Op.LE]: 'le', 3: 'ne' };

function comparison(kind: 'status_code' | 'duration', filter: ComparisonFilter | undefined): AccessLogFilter {
  const { defaultValue = 0, runtimeKey = '' } = filter?.value ?? {};
  return { kind, op: OPS[filter?.op ?? 0] ?? 'eq', value: defaultValue, runtimeKey };
}

const EXTENSION_FILTERS = [
  extension(celAccessLogFilter.ExpressionFilterSchema, ({ expression }, report): AccessLogFilter => {
    const program = compileCel(expression);
    if (!program.ok) report.at('expression').refuse(`Not able to parse filter expression: ${program.error}`);
    return { kind: 'expression', program: program.ok ? program.value : () => false };
  }),
];

/** Also of local reply mappers. */
export function compileLogFilter(message: AccessLogFilterMessage, report: Report): AccessLogFilter | undefined {
  const filter = message.filterSpecifier;
  const all = (kind: 'and' | 'or', filters: readonly AccessLogFilterMessage[]): AccessLogFilter => ({
    kind,
    filters: filters.flatMap((each, i) => compileLogFilter(each, report.at(`${kind}_filter`).at('filters', i)) ?? []),
  });
  switch (filter.case) {
    case 'statusCodeFilter':
      return comparison('status_code', filter.value.comparison);
    case 'durationFilter':
      return comparison('duration', filter.value.comparison);
    case 'notHealthCheckFilter':
      return { kind: 'not_health_check' };
    case 'runtimeFilter': {
      const { runtimeKey, percentSampled, useIndependentRandomness: isIndependent } = filter.value;
      const { numerator = 0 } = percentSampled ?? {};
      return { kind: 'runtime', runtimeKey, numerator, denominator: denominatorOf(percentSampled), isIndependent };
    }
    case 'traceableFilter':
      return { kind: 'traceable' };
    case 'metadataFilter': {
      const { matcher, matchIfKeyNotFound = true } = filter.value;
      if (!matcher) return { kind: 'and', filters: [] };
      const at = report.at('metadata_filter').at('matcher');
      const { test } = compileMetadataMatcher(matcher, at);
      const path = matcher.path.map(({ segment }) => segment.value ?? '');
      const isThere = (view: RequestView) => metadataValue(view.dynamicMetadata?.get(matcher.filter), path) !== undefined;
      return { kind: 'metadata', matches: (view) => (isThere(view) ? test(view) : matchIfKeyNotFound) };
    }
    case 'logTypeFilter':
      return { kind: 'log_type', types: filter.value.types.flatMap((type) => LOG_TYPES[type] ?? []), exclude: filter.value.exclude };
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
    case 'extensionFilter': {
      const at = report.at('extension_filter').at('typed_config');
      return compileAny(filter.value.configType.value, EXTENSION_FILTERS, at);
    }
    case undefined:
      return undefined;
  }
}
