// Gives every operator of the substitution format its meaning: parsed format in, closures over the request record out.
// Values come from the network, so what would forge a second line or break the quoting is escaped here.

import { type Json, stableStringify } from '@lateen/base';
import { type CelResult, CelStruct, compileCel, isList } from '@lateen/base/cel';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import { queryParameter } from '../runtime/compile/match.ts';
import { parseCoalesce } from '../runtime/format.ts';
import type { Format, FormatOperator, FormatPart } from '../runtime/index.ts';
import { scopeOf } from './cel-attributes.ts';
import { CERTIFICATE_OPERATORS } from './certificate-operators.ts';
import { networkOf } from './network-of.ts';
import { type Compile, type FormatReader, type FormatValue, nothing, plain } from './operator.ts';
import { environmentVariable, HOSTNAME } from './process-facts.ts';
import { longFlags } from './response-flags.ts';
import { formatTime } from './time-format.ts';

type Operator = Exclude<FormatPart, string>;

/** Text of the format for a record, with `unknown` for what is unknown; not sanitised (header values are checked by the codec). */
export const compileFormat = (format: Format, unknown = '-'): ((record: RequestRecord) => string) => compileText(format, unknown);

/** As `compileFormat`, with nothing for what is unknown: values of headers and of filter state. */
export const compileHeaderFormat = (format: Format): ((record: RequestRecord) => string) => compileText(format, '');

function compileText(format: Format, unknown: string): (record: RequestRecord) => string {
  const parts = format.map((part) =>
    typeof part === 'string' ? part : textOf(asText(part), { unknown, empty: EMPTY_IS_KNOWN.has(part.operator) ? '' : unknown }),
  );
  const [only] = parts;
  if (parts.length === 0) return () => '';
  if (parts.length === 1 && typeof only === 'string') return () => only;
  return (record) => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(record);
    return text;
  };
}

/** Operators that tell "empty" from "unknown": a header may be there without a value. The others say nothing by an empty text. */
export const EMPTY_IS_KNOWN: ReadonlySet<string> = new Set([
  'CEL',
  'CUSTOM_FLAGS',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID',
  'DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID',
  'LOCAL_REPLY_BODY',
  'QUERY_PARAM',
  'REQ',
  'REQUEST_HEADER',
  'RESP',
  'RESPONSE_HEADER',
  'RESPONSE_TRAILER',
  'TRAILER',
  'TYPED_CEL',
]);

const textOf =
  (read: FormatReader, { unknown, empty }: { unknown: string; empty: string }) =>
  (record: RequestRecord) => {
    const value = read(record);
    if (value === undefined) return unknown;
    return value === '' ? empty : plainText(value);
  };

/** Without escapes. */
export const plainText = (value: Exclude<FormatValue, undefined>): string =>
  typeof value === 'object' ? stableStringify(value as Json) : String(value);

/** Filter state prints as the JSON that it is unless it is asked for plainly. */
function asText(part: Operator): FormatReader {
  const read = compileOperator(part);
  if (part.operator !== 'FILTER_STATE' || part.argument?.endsWith(':PLAIN')) return read;
  return (record) => {
    const value = read(record);
    return value === undefined ? undefined : JSON.stringify(value);
  };
}

/** The reader of one operator, cut to its maximum length. */
export function compileOperator(part: Operator): FormatReader {
  const read = READERS[part.operator as FormatOperator](part.argument);
  const { maxLength } = part;
  if (maxLength === undefined) return read;
  return (record) => {
    const value = read(record);
    return typeof value === 'string' ? value.slice(0, maxLength) : value;
  };
}

const CONTROL = /[\u0000-\u001f\u007f"\\\u0085\u2028\u2029]/;

/** Escapes what could end the line or the quotes: control characters, `"` and `\`. */
export function sanitize(value: string): string {
  if (!CONTROL.test(value)) return value;
  return value.replace(/[\u0000-\u001f\u007f"\\\u0085\u2028\u2029]/g, (char) => {
    if (char === '"' || char === '\\') return `\\${char}`;
    if (char === '\n') return '\\n';
    if (char === '\r') return '\\r';
    if (char === '\t') return '\\t';
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** "NAME?ALTERNATIVE" as in REQ, RESP and TRAILER. */
function headerOperator(read: (record: RequestRecord, name: string) => string | undefined): Compile {
  return (argument = '') => {
    const [first = '', second] = argument.toLowerCase().split('?');
    if (second === undefined) return (record) => read(record, first);
    return (record) => read(record, first) ?? read(record, second);
  };
}

const requestHeader = (record: RequestRecord, name: string): string | undefined => {
  switch (name) {
    // A connection has none of them, nor has what never became a request.
    case ':method':
      return record.method || undefined;
    case ':path':
      return record.path || undefined;
    case ':authority':
    case 'host':
      return record.authority || undefined;
    case 'x-envoy-original-path':
      return record.originalPath === record.path ? undefined : record.originalPath;
    default:
      return firstLine(record.requestHeader(name), () => record.requestHeaderValues?.(name));
  }
};

/** Of several lines of a header the operators print the first, as Envoy's do. */
const firstLine = (joined: string | undefined, lines: () => readonly string[] | undefined): string | undefined =>
  joined?.includes(',') ? (lines()?.[0] ?? joined) : joined;

const responseHeader = (record: RequestRecord, name: string): string | undefined =>
  firstLine(record.responseHeader(name), () => record.responseHeaderValues?.(name));

const withoutQuery = (path: string | undefined): string | undefined => path?.split('?', 1)[0];

const hostOf = (address: string): string => {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? address : address.slice(0, colon).replace(/^\[|\]$/g, '');
};
const portOf = (address: string): FormatValue => {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? undefined : Number(address.slice(colon + 1));
};

/** The socket's peer, whatever a PROXY header says. */
const directRemoteAddress = ({ connection }: RequestRecord): string => connection.directRemoteAddress ?? connection.remoteAddress;

/** An address without its port, or with an argument the network of so many bits: "10.1.0.0/16". */
const withoutPort =
  (read: (record: RequestRecord) => string): Compile =>
  (argument) => {
    if (!argument) return read;
    return (record) => {
      const ip = read(record);
      return ip === '' ? undefined : networkOf(ip, Number(argument));
    };
  };

/** "namespace:key:key" into metadata. */
function metadataOperator(read: (record: RequestRecord) => { get(namespace: string): unknown } | undefined): Compile {
  return (argument = '') => {
    const [namespace = '', ...keys] = argument.split(':');
    return (record) => {
      let value = read(record)?.get(namespace);
      for (const key of keys) {
        value =
          typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
      }
      if (value === null) return undefined;
      return value === null ? undefined : (value as FormatValue);
    };
  };
}

const GRPC_CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

/** gRPC's own mapping, for answers that say nothing themselves. */
const GRPC_OF_HTTP: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

/** The status of an answer, or what its code stands for to gRPC. */
export const grpcStatusOf = ({ grpcStatus, responseCode }: RequestRecord): number => grpcStatus ?? GRPC_OF_HTTP[responseCode] ?? 2;

const isGrpc = (record: RequestRecord): boolean => /^application\/grpc(?:$|[+;])/.test(record.requestHeader('content-type') ?? '');

function grpcStatus(argument: string | undefined): FormatReader {
  if (argument === 'NUMBER') return (record) => (isGrpc(record) ? grpcStatusOf(record) : undefined);
  const snake = argument === 'SNAKE_STRING';
  return (record) => {
    const code = isGrpc(record) ? grpcStatusOf(record) : undefined;
    const name = code === undefined ? undefined : (GRPC_CODES[code] ?? String(code));
    return snake ? name?.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() : name;
  };
}

/** "key", "key:TYPED", "key:PLAIN", "key:FIELD:name": values are texts here, which have no fields. */
const filterState: Compile = (argument = '') => {
  const [key = '', form] = argument.split(':');
  return form === 'FIELD' ? () => undefined : (record) => record.filterStateText?.(key);
};

const METADATA_SOURCES: Readonly<Record<string, Compile>> = {
  DYNAMIC: metadataOperator((record) => record.dynamicMetadata),
  CLUSTER: metadataOperator((record) => record.cluster?.metadata),
  ROUTE: metadataOperator((record) => record.decision?.route?.metadata),
  VIRTUAL_HOST: metadataOperator((record) => record.decision?.virtualHost?.metadata),
  UPSTREAM_HOST: metadataOperator((record) => record.endpoint?.metadata),
};

/** "WQ" (default) or "NQ", then which path: as it came, as it went, or the former where they differ (default). */
const pathOperator: Compile = (argument = '') => {
  const [query, which = 'ORIG_OR_PATH'] = argument.split(':');
  return (record) => {
    if (which === 'ORIG' && record.originalPath === record.path) return undefined;
    const path = which === 'PATH' ? record.path : record.originalPath;
    return query === 'NQ' ? withoutQuery(path) : path;
  };
};

/** "SNI_FIRST:HOST": the server name, or the host that was asked for, as it came (ORIG) or as it went. */
const requestedServerName: Compile = (argument = '') => {
  const [prefers = 'SNI_ONLY', which = 'ORIG_OR_HOST'] = argument.split(':');
  if (prefers === '' || prefers === 'SNI_ONLY') return (record) => record.connection.requestedServerName;
  const host = (record: RequestRecord) => {
    const original = record.requestHeader('x-envoy-original-host');
    if (which === 'ORIG') return original;
    return which === 'HOST' ? record.authority : (original ?? record.authority);
  };
  if (prefers === 'HOST_FIRST') return host;
  return (record) => record.connection.requestedServerName || host(record);
};

/** The first of several operators that has a value. */
const coalesce: Compile = (argument = '') => {
  const parts = parseCoalesce(argument);
  const reads = parts.ok ? parts.value.map(compileOperator) : [];
  return (record) => {
    for (const read of reads) {
      const value = read(record);
      if (value !== undefined && value !== '') return value;
    }
    return undefined;
  };
};

/** In texts both of its operators write the same; TYPED_CEL's values keep their types in JSON. */
const cel: Compile = (argument = '') => {
  const program = compileCel(argument);
  return (record) => (program.ok ? formatValueOf(program.value(scopeOf(record))) : undefined);
};

function formatValueOf(value: CelResult): FormatValue {
  if (typeof value === 'bigint') return Number(value);
  if (isList(value)) return value.map(formatValueOf);
  return value === null || typeof value === 'symbol' || value instanceof CelStruct ? undefined : value;
}

/** Moments of a request, in milliseconds from its start. */
const MOMENTS: Readonly<Record<string, (record: RequestRecord) => number | undefined>> = {
  DS_RX_BEG: () => 0,
  DS_RX_END: (record) => record.requestDurationMs,
  US_TX_BEG: (record) => record.upstreamTimes?.beginMs,
  US_TX_END: (record) => record.upstreamTimes?.endMs,
  US_RX_BEG: (record) => record.responseDurationMs,
  DS_TX_BEG: (record) => record.responseDurationMs,
  US_RX_END: (record) => (record.responseDurationMs === undefined ? undefined : record.durationMs),
  DS_TX_END: (record) => record.durationMs,
};
const PER_MS: Readonly<Record<string, number>> = { ms: 1, us: 1e3, ns: 1e6 };

/** "DS_RX_BEG:US_RX_BEG:us"; unknown when a moment did not come or nobody marked it, or when they came the other way round. */
const commonDuration: Compile = (argument = '') => {
  const [from = '', to = '', unit = 'ms'] = argument.split(':');
  return (record) => {
    const start = MOMENTS[from]?.(record);
    const end = MOMENTS[to]?.(record);
    return start === undefined || end === undefined || end < start ? undefined : Math.floor((end - start) * (PER_MS[unit] ?? 1));
  };
};

/** Whether the operator prints when a request was sent to its upstream. */
export const readsUpstreamTimes = ({ operator, argument = '' }: Operator): boolean =>
  operator === 'REQUEST_TX_DURATION' || (operator === 'COMMON_DURATION' && argument.includes('US_TX_'));

/** Where the connection went to, once there was one. */
const upstreamRemoteAddress = (record: RequestRecord): string => (record.upstreamLocalAddress === '' ? '' : record.upstreamHost);

const READERS: Record<FormatOperator, Compile> = {
  ...CERTIFICATE_OPERATORS,
  // Of QUIC connections.
  BYTES_RETRANSMITTED: plain(() => 0),
  PACKETS_RETRANSMITTED: plain(() => 0),
  BYTES_RECEIVED: plain((record) => record.bytesReceived),
  BYTES_SENT: plain((record) => record.bytesSent),
  CONNECTION_ID: plain((record) => record.connection.id),
  CONNECTION_TERMINATION_DETAILS: plain((record) => record.connectionTerminationDetails),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: plain((record) => record.connection.localAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain(directRemoteAddress),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: plain(() => ''),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: withoutPort((record) => record.connection.localIp),
  DOWNSTREAM_DIRECT_LOCAL_PORT: plain((record) => record.connection.localPort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort((record) => hostOf(directRemoteAddress(record))),
  DOWNSTREAM_DIRECT_REMOTE_PORT: plain((record) => portOf(directRemoteAddress(record))),
  DOWNSTREAM_LOCAL_ADDRESS: plain((record) => record.connection.localAddress),
  // Of internal listeners.
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: plain(() => ''),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: withoutPort((record) => record.connection.localIp),
  DOWNSTREAM_LOCAL_PORT: plain((record) => record.connection.localPort),
  // A connection whose handshake failed carries no request.
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: plain((record) => record.downstreamTransportFailureReason ?? ''),
  DOWNSTREAM_REMOTE_ADDRESS: plain((record) => record.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort((record) => hostOf(record.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_PORT: plain((record) => portOf(record.downstreamRemoteAddress)),
  DURATION: plain((record) => Math.floor(record.durationMs)),
  DYNAMIC_METADATA: metadataOperator((record) => record.dynamicMetadata),
  CLUSTER_METADATA: metadataOperator((record) => record.cluster?.metadata),
  UPSTREAM_METADATA: metadataOperator((record) => record.endpoint?.metadata),
  FILTER_STATE: filterState,
  GRPC_STATUS: grpcStatus,
  GRPC_STATUS_NUMBER: () => grpcStatus('NUMBER'),
  PROTOCOL: plain((record) => record.protocol),
  CEL: (argument) => {
    const read = cel(argument);
    return (record) => {
      const value = read(record);
      return value === undefined ? undefined : plainText(value);
    };
  },
  TYPED_CEL: cel,
  COALESCE: coalesce,
  REQ: headerOperator(requestHeader),
  REQUEST_HEADER: headerOperator(requestHeader),
  REQ_WITHOUT_QUERY: headerOperator((record, name) => withoutQuery(requestHeader(record, name))),
  RESP: headerOperator(responseHeader),
  RESPONSE_HEADER: headerOperator(responseHeader),
  RESPONSE_TRAILER: headerOperator((record, name) => record.responseTrailer(name)),
  TRAILER: headerOperator((record, name) => record.responseTrailer(name)),
  REQUESTED_SERVER_NAME: requestedServerName,
  REQUEST_DURATION: plain((record) => rounded(record.requestDurationMs)),
  REQUEST_TX_DURATION: plain((record) => rounded(record.upstreamTimes?.endMs)),
  REQUEST_HEADERS_BYTES: plain((record) => record.headerBytes?.request() ?? 0),
  RESPONSE_CODE: plain((record) => record.responseCode),
  RESPONSE_CODE_DETAILS: (argument) => (record) =>
    argument === 'ALLOW_WHITESPACES' ? record.responseCodeDetails : record.responseCodeDetails.replace(/\s/g, '_'),
  RESPONSE_DURATION: plain((record) => rounded(record.responseDurationMs)),
  RESPONSE_TX_DURATION: plain(({ durationMs, responseDurationMs }) =>
    rounded(responseDurationMs === undefined ? undefined : durationMs - responseDurationMs),
  ),
  RESPONSE_FLAGS: plain((record) => formatResponseFlags(record.responseFlags, record.kind)),
  RESPONSE_FLAGS_LONG: plain((record) => longFlags(record.responseFlags)),
  RESPONSE_HEADERS_BYTES: plain((record) => record.headerBytes?.response() ?? 0),
  ROUTE_NAME: plain((record) => record.routeName),
  START_TIME: (argument) => (record) => formatTime(record.startTimeMs, argument),
  // The request id is the stream's name, as in Envoy.
  STREAM_ID: plain((record) => record.requestHeader('x-request-id') ?? record.streamId),
  UNIQUE_ID: plain((record) => `${record.connection.id}-${record.streamId}`),
  TRACE_ID: plain((record) => traceId(record)),
  // Nothing looks so closely at a ClientHello.
  TLS_JA3_FINGERPRINT: nothing,
  TLS_JA4_FINGERPRINT: nothing,
  // Of extensions of clusters, for logs of the router.
  UPSTREAM_FILTER_STATE: nothing,
  // A cluster that does not exist has no name in Envoy's logs.
  UPSTREAM_CLUSTER: plain((record) => record.cluster?.observabilityName),
  UPSTREAM_CLUSTER_RAW: plain((record) => record.cluster?.name),
  UPSTREAM_HOST: plain((record) => record.upstreamHost),
  UPSTREAM_HOST_NAME: plain((record) => record.endpoint?.hostname || record.upstreamHost),
  UPSTREAM_LOCAL_ADDRESS: plain((record) => record.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: withoutPort((record) => hostOf(record.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: plain((record) => portOf(record.upstreamLocalAddress)),
  UPSTREAM_HEADER_BYTES_RECEIVED: plain((record) => record.headerBytes?.receivedFromUpstream() ?? 0),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: plain((record) => record.endpoint?.hostname.replace(/:\d+$/, '') || hostOf(record.upstreamHost)),
  // An answer made here came from no upstream.
  UPSTREAM_WIRE_BYTES_RECEIVED: plain((record) =>
    record.upstreamHost === '' || (record.kind === 'http' && record.responseDurationMs === undefined)
      ? 0
      : record.responseHeadersBytes + record.bytesSent,
  ),
  UPSTREAM_PROTOCOL: plain((record) => record.upstreamProtocol),
  UPSTREAM_REMOTE_ADDRESS: plain(upstreamRemoteAddress),
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: nothing,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort((record) => hostOf(upstreamRemoteAddress(record))),
  UPSTREAM_REMOTE_PORT: plain((record) => portOf(upstreamRemoteAddress(record))),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain((record) => record.upstreamAttemptCount),
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain((record) => record.upstreamTransportFailureReason),
  VIRTUAL_CLUSTER_NAME: plain((record) => record.virtualCluster),
  ACCESS_LOG_TYPE: plain((record) => record.accessLogType ?? (record.kind === 'http' ? 'DownstreamEnd' : 'TcpConnectionEnd')),
  COMMON_DURATION: commonDuration,
  // Flags that extensions of Envoy's define.
  CUSTOM_FLAGS: plain(() => ''),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: plain((record) => record.headerBytes?.receivedFromClient() ?? 0),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: plain((record) => record.requestHeadersBytes + record.bytesReceived),
  EMIT_TIME: (argument) => (record) => formatTime(record.startTimeMs + record.durationMs, argument),
  EMIT_TIME_LOCAL: (argument) => (record) => formatTime(record.startTimeMs + record.durationMs, argument),
  ENVIRONMENT: (argument = '') => {
    const value = environmentVariable(argument) ?? '-';
    return () => value;
  },
  HOSTNAME: plain(() => HOSTNAME),
  LOCAL_REPLY_BODY: plain((record) => record.localReplyBody ?? ''),
  METADATA: (argument = '') => {
    const [source = '', ...path] = argument.split(':');
    return (METADATA_SOURCES[source] ?? nothing)(path.join(':'));
  },
  PATH: pathOperator,
  QUERY_PARAM:
    (argument = '') =>
    (record) =>
      queryParameter(record.originalPath, argument),
  QUERY_PARAMS: plain((record) => record.originalPath.split('?', 2)[1]),
  RESPONSE_TRAILERS_BYTES: plain((record) => record.headerBytes?.responseTrailers() ?? 0),
  // Of QUIC connections.
  ROUNDTRIP_DURATION: nothing,
  // Nothing is traced.
  SPAN_ID: nothing,
  // The proxy's clock is UTC, whatever the machine's is.
  START_TIME_LOCAL: (argument) => (record) => formatTime(record.startTimeMs, argument),
};

const rounded = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.floor(ms));

function traceId(record: RequestRecord): string | undefined {
  return record.requestHeader('x-b3-traceid') ?? record.requestHeader('traceparent')?.split('-')[1];
}
