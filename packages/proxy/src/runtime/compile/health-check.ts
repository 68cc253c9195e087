// Active health checks: HTTP, TCP and gRPC probes with their intervals and thresholds.

import {
  fileEventSink,
  type HealthCheck,
  HealthCheck_HttpHealthCheckSchema,
  HealthCheck_TcpHealthCheckSchema,
  HealthCheckSchema,
  RequestMethod,
} from '@lateen/xds/messages/proxy';
import type { HealthCheckRuntime, HealthProbe, StatusRange } from '../model.ts';
import { compileAny, extension } from './any.ts';
import { compileHeaderOptions } from './header-mutation.ts';
import { compileStringMatcher } from './match.ts';
import { honours, type Report } from './report.ts';
import { durationMsOr } from './values.ts';

const check = honours(HealthCheckSchema, [
  'timeout',
  'interval',
  'initialJitter',
  'intervalJitter',
  'intervalJitterPercent',
  'unhealthyThreshold',
  'healthyThreshold',
  'altPort',
  'reuseConnection',
  'httpHealthCheck',
  'tcpHealthCheck',
  'grpcHealthCheck',
  'noTrafficInterval',
  'noTrafficHealthyInterval',
  'unhealthyInterval',
  'unhealthyEdgeInterval',
  'healthyEdgeInterval',
  'alwaysLogHealthCheckFailures',
  'alwaysLogHealthCheckSuccess',
  'tlsOptions',
  'eventLogPath',
  'eventLogger',
  'transportSocketMatchCriteria',
]);
const checkHttp = honours(
  HealthCheck_HttpHealthCheckSchema,
  HealthCheck_HttpHealthCheckSchema.fields.map((field) => field.localName).filter((name) => name !== 'useAlpnProtocol'),
);
const checkTcp = honours(HealthCheck_TcpHealthCheckSchema, ['send', 'receive']);

const DEFAULT_BODY_BYTES = 1024;
const MAX_BODY_BYTES = 1024 * 1024;

const SINKS = [extension(fileEventSink.HealthCheckEventFileSinkSchema, ({ eventLogPath }) => eventLogPath)];

export function compileHealthCheck(message: HealthCheck, report: Report): HealthCheckRuntime | undefined {
  check(message, report);
  const probe = compileProbe(message, report);
  if (!probe) return undefined;
  const intervalMs = durationMsOr(message.interval, 0);
  const unhealthyIntervalMs = durationMsOr(message.unhealthyInterval, intervalMs);
  const noTrafficIntervalMs = durationMsOr(message.noTrafficInterval, 60_000);
  return {
    timeoutMs: durationMsOr(message.timeout, 0),
    intervalMs,
    initialJitterMs: durationMsOr(message.initialJitter, 0),
    intervalJitterMs: durationMsOr(message.intervalJitter, 0),
    intervalJitterPercent: message.intervalJitterPercent,
    unhealthyThreshold: message.unhealthyThreshold ?? 1,
    healthyThreshold: message.healthyThreshold ?? 1,
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: durationMsOr(message.unhealthyEdgeInterval, unhealthyIntervalMs),
    healthyEdgeIntervalMs: durationMsOr(message.healthyEdgeInterval, intervalMs),
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: durationMsOr(message.noTrafficHealthyInterval, noTrafficIntervalMs),
    reuseConnection: message.reuseConnection ?? true,
    altPort: message.altPort,
    alwaysLogFailures: message.alwaysLogHealthCheckFailures,
    alwaysLogSuccess: message.alwaysLogHealthCheckSuccess,
    applicationProtocols: message.tlsOptions?.alpnProtocols ?? [],
    eventLogPaths: [
      ...(message.eventLogPath === '' ? [] : [message.eventLogPath]),
      ...message.eventLogger.flatMap(
        (sink, i) => compileAny(sink.typedConfig, SINKS, report.at('event_logger', i).at('typed_config')) ?? [],
      ),
    ],
    transportCriteria: message.transportSocketMatchCriteria,
    probe,
  };
}

type Checker<Case extends string> = Extract<HealthCheck['healthChecker'], { case: Case }>['value'];

function compileProbe({ healthChecker }: HealthCheck, report: Report): HealthProbe | undefined {
  switch (healthChecker.case) {
    case 'httpHealthCheck':
      return compileHttp(healthChecker.value, report.at('http_health_check'));
    case 'tcpHealthCheck': {
      const at = report.at('tcp_health_check');
      const { send, receive } = healthChecker.value;
      checkTcp(healthChecker.value, at);
      return { kind: 'tcp', send: payload(send, at.at('send')), receive: receive.map((each, i) => payload(each, at.at('receive', i))) };
    }
    case 'grpcHealthCheck': {
      const { serviceName, authority, initialMetadata } = healthChecker.value;
      const metadata = headers(initialMetadata, report.at('grpc_health_check'), 'initial_metadata');
      return { kind: 'grpc', serviceName, authority, metadata };
    }
    case 'customHealthCheck':
      // Refused by `check`.
      return undefined;
    case undefined:
      return undefined;
  }
}

const HTTP2 = 1;
const HTTP3 = 2;

function compileHttp(message: Checker<'httpHealthCheck'>, report: Report): HealthProbe {
  checkHttp(message, report);
  if (!/^[\x21-\x7e]+$/.test(message.path)) report.at('path').refuse('must be a request target');
  if (message.codecClientType >= HTTP3) report.at('codec_client_type').refuse('HTTP/3 is not supported');
  const named = Object.entries(RequestMethod).find(([, value]) => value === message.method)?.[0];
  const method = message.method === RequestMethod.METHOD_UNSPECIFIED ? 'GET' : named;
  const send = payload(message.send, report.at('send'));
  if (method === undefined || message.method === RequestMethod.CONNECT) report.at('method').refuse('CONNECT cannot be used');
  if (send.length > 0 && !['POST', 'PUT', 'PATCH', 'OPTIONS'].includes(method ?? '')) report.at('send').refuse(`${method} has no body`);
  const expected = ranges(message.expectedStatuses, report, 'expected_statuses');
  const service = message.serviceNameMatcher && compileStringMatcher(message.serviceNameMatcher, report.at('service_name_matcher'));
  return {
    kind: 'http',
    version: message.codecClientType === HTTP2 ? 'HTTP/2' : 'HTTP/1.1',
    host: message.host,
    path: message.path,
    method: method ?? 'GET',
    send,
    receive: message.receive.map((each, i) => payload(each, report.at('receive', i))),
    responseBufferBytes: Math.min(MAX_BODY_BYTES, Number(message.responseBufferSize ?? DEFAULT_BODY_BYTES) || MAX_BODY_BYTES),
    addHeaders: headers(message.requestHeadersToAdd, report, 'request_headers_to_add'),
    removeHeaders: message.requestHeadersToRemove.map((name) => name.toLowerCase()),
    expected: expected.length > 0 ? expected : [{ start: 200, end: 201 }],
    retriable: ranges(message.retriableStatuses, report, 'retriable_statuses'),
    matchesService: service && ((name) => service.test(name)),
  };
}

function ranges(list: Checker<'httpHealthCheck'>['expectedStatuses'], report: Report, field: string): StatusRange[] {
  return list.map(({ start, end }, i) => {
    if (start < 100n || end > 600n || start >= end) report.at(field, i).refuse('must be inside [100, 600), the end exclusive');
    return { start: Number(start), end: Number(end) };
  });
}

/** There is no request that a format could speak of, so values are plain text. */
function headers(options: Checker<'grpcHealthCheck'>['initialMetadata'], report: Report, field: string): (readonly [string, string])[] {
  return compileHeaderOptions(options, report, field).flatMap((mutation, i) => {
    if (mutation.kind !== 'set') return [];
    if (mutation.value.every((part) => typeof part === 'string')) return [[mutation.name, mutation.value.join('')] as const];
    report.at(field, i).refuse('command operators are not supported here');
    return [];
  });
}

const NOTHING = new Uint8Array();

function payload(message: Checker<'tcpHealthCheck'>['send'], report: Report): Uint8Array {
  switch (message?.payload.case) {
    case 'text': {
      const { value } = message.payload;
      if (value.length > 0 && value.length % 2 === 0 && /^[0-9a-f]+$/i.test(value))
        return Uint8Array.from(value.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
      report.at('text').refuse('must be bytes in hexadecimal digits');
      return NOTHING;
    }
    case 'binary':
      return message.payload.value as Uint8Array;
    default:
      return NOTHING;
  }
}
