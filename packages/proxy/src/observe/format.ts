// Gives every operator of the substitution format its meaning: parsed format in, closures over the request record out.
// Values come from the network, so what would forge a second line or break the quoting is escaped here.

import type { Json } from '@lateen/base';
import { formatResponseFlags, type RequestRecord } from '../http/request-record.ts';
import type { Format, FormatOperator, FormatPart } from '../runtime/index.ts';
import { formatTime } from './time-format.ts';

/** An operator's value; undefined prints as "-". Numbers stay numbers in JSON logs. */
export type FormatValue = string | number | undefined;
export type FormatReader = (record: RequestRecord) => FormatValue;

type Operator = Exclude<FormatPart, string>;

/** Text of the format for a record, with `unknown` for what is unknown; not sanitised (header values are checked by the codec). */
export const compileFormat = (format: Format, unknown = '-'): ((record: RequestRecord) => string) => compileText(format, unknown);

/** As `compileFormat`, with nothing for what is unknown: values of headers and of filter state. */
export const compileHeaderFormat = (format: Format): ((record: RequestRecord) => string) => compileText(format, '');

function compileText(format: Format, unknown: string): (record: RequestRecord) => string {
  const parts = format.map((part) => (typeof part === 'string' ? part : textOf(compileOperator(part), unknown)));
  const [only] = parts;
  if (parts.length === 0) return () => '';
  if (parts.length === 1 && typeof only === 'string') return () => only;
  return (record) => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(record);
    return text;
  };
}

const textOf = (read: FormatReader, unknown: string) => (record: RequestRecord) => {
  const value = read(record);
  return value === undefined || value === '' ? unknown : String(value);
};

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

type Compile = (argument: string | undefined) => FormatReader;
const plain =
  (read: FormatReader): Compile =>
  () =>
    read;
const nothing: Compile = plain(() => undefined);

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
    case ':method':
      return record.method;
    case ':path':
      return record.path;
    case ':authority':
    case 'host':
      return record.authority;
    case 'x-envoy-original-path':
      return record.originalPath === record.path ? undefined : record.originalPath;
    default:
      return record.requestHeader(name);
  }
};

const withoutQuery = (path: string | undefined): string | undefined => path?.split('?', 1)[0];

const hostOf = (address: string): string => {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? address : address.slice(0, colon).replace(/^\[|\]$/g, '');
};
const portOf = (address: string): FormatValue => {
  const colon = address.lastIndexOf(':');
  return colon < 0 ? undefined : Number(address.slice(colon + 1));
};

/** "namespace:key:key" into metadata; strings print bare, the rest as JSON. */
function metadataOperator(read: (record: RequestRecord) => { get(namespace: string): unknown } | undefined): Compile {
  return (argument = '') => {
    const [namespace = '', ...keys] = argument.split(':');
    return (record) => {
      let value = read(record)?.get(namespace);
      for (const key of keys) {
        value =
          typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
      }
      return value === undefined || typeof value === 'string' ? value : JSON.stringify(value as Json);
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

function grpcStatus(argument: string | undefined): FormatReader {
  if (argument === 'NUMBER') return (record) => record.grpcStatus;
  const snake = argument === 'SNAKE_STRING';
  return ({ grpcStatus: code }) => {
    const name = code === undefined ? undefined : (GRPC_CODES[code] ?? String(code));
    return snake ? name?.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() : name;
  };
}

const READERS: Record<FormatOperator, Compile> = {
  BYTES_RECEIVED: plain((record) => record.bytesReceived),
  BYTES_SENT: plain((record) => record.bytesSent),
  CONNECTION_ID: plain((record) => record.connection.id),
  CONNECTION_TERMINATION_DETAILS: plain((record) => record.connectionTerminationDetails),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: plain((record) => record.connection.localAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain((record) => record.connection.remoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: plain((record) => record.connection.remoteIp),
  DOWNSTREAM_DIRECT_REMOTE_PORT: plain((record) => record.connection.remotePort),
  DOWNSTREAM_LOCAL_ADDRESS: plain((record) => record.connection.localAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain((record) => record.connection.localIp),
  DOWNSTREAM_LOCAL_PORT: plain((record) => record.connection.localPort),
  DOWNSTREAM_LOCAL_URI_SAN: plain((record) => record.connection.localPrincipal),
  DOWNSTREAM_PEER_URI_SAN: plain((record) => record.connection.peerPrincipal),
  // Of a peer's certificate the data path keeps the URI SAN only.
  DOWNSTREAM_LOCAL_SUBJECT: nothing,
  DOWNSTREAM_LOCAL_DNS_SAN: nothing,
  DOWNSTREAM_PEER_CERT: nothing,
  DOWNSTREAM_PEER_DNS_SAN: nothing,
  DOWNSTREAM_PEER_FINGERPRINT_1: nothing,
  DOWNSTREAM_PEER_FINGERPRINT_256: nothing,
  DOWNSTREAM_PEER_ISSUER: nothing,
  DOWNSTREAM_PEER_SERIAL: nothing,
  DOWNSTREAM_PEER_SUBJECT: nothing,
  DOWNSTREAM_TLS_CIPHER: nothing,
  DOWNSTREAM_TLS_VERSION: nothing,
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: nothing,
  DOWNSTREAM_REMOTE_ADDRESS: plain((record) => record.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: plain((record) => hostOf(record.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_PORT: plain((record) => portOf(record.downstreamRemoteAddress)),
  DURATION: plain((record) => Math.round(record.durationMs)),
  DYNAMIC_METADATA: metadataOperator((record) => record.dynamicMetadata),
  CLUSTER_METADATA: metadataOperator((record) => record.cluster?.metadata),
  UPSTREAM_METADATA: metadataOperator((record) => record.endpoint?.metadata),
  // No filter here sets filter state: empty, as in Envoy without a setter.
  FILTER_STATE: nothing,
  GRPC_STATUS: grpcStatus,
  GRPC_STATUS_NUMBER: () => grpcStatus('NUMBER'),
  PROTOCOL: plain((record) => record.protocol),
  REQ: headerOperator(requestHeader),
  REQ_WITHOUT_QUERY: headerOperator((record, name) => withoutQuery(requestHeader(record, name))),
  RESP: headerOperator((record, name) => record.responseHeader(name)),
  TRAILER: headerOperator((record, name) => record.responseTrailer(name)),
  REQUESTED_SERVER_NAME: plain((record) => record.connection.requestedServerName),
  REQUEST_DURATION: plain((record) => rounded(record.requestDurationMs)),
  REQUEST_TX_DURATION: plain((record) => rounded(record.requestDurationMs)),
  REQUEST_HEADERS_BYTES: plain((record) => record.requestHeadersBytes),
  RESPONSE_CODE: plain((record) => record.responseCode),
  RESPONSE_CODE_DETAILS: plain((record) => record.responseCodeDetails),
  RESPONSE_DURATION: plain((record) => rounded(record.responseDurationMs)),
  RESPONSE_TX_DURATION: plain(({ durationMs, responseDurationMs }) =>
    rounded(responseDurationMs === undefined ? undefined : durationMs - responseDurationMs),
  ),
  RESPONSE_FLAGS: plain((record) => formatResponseFlags(record.responseFlags)),
  RESPONSE_FLAGS_LONG: plain((record) => formatResponseFlags(record.responseFlags)),
  RESPONSE_HEADERS_BYTES: plain((record) => record.responseHeadersBytes),
  ROUTE_NAME: plain((record) => record.routeName),
  START_TIME: (argument) => (record) => formatTime(record.startTimeMs, argument),
  STREAM_ID: plain((record) => record.streamId),
  UNIQUE_ID: plain((record) => `${record.connection.id}-${record.streamId}`),
  TRACE_ID: plain((record) => traceId(record)),
  UPSTREAM_CLUSTER: plain((record) => record.cluster?.observabilityName ?? record.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: plain((record) => record.upstreamCluster),
  UPSTREAM_HOST: plain((record) => record.upstreamHost),
  UPSTREAM_HOST_NAME: plain((record) => record.endpoint?.hostname || record.upstreamHost),
  UPSTREAM_LOCAL_ADDRESS: plain((record) => record.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: plain((record) => hostOf(record.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: plain((record) => portOf(record.upstreamLocalAddress)),
  UPSTREAM_PEER_SUBJECT: nothing,
  UPSTREAM_PEER_URI_SAN: plain((record) => record.upstreamPeerPrincipal),
  UPSTREAM_PROTOCOL: plain((record) => record.upstreamProtocol),
  UPSTREAM_REMOTE_ADDRESS: plain((record) => record.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: plain((record) => hostOf(record.upstreamHost)),
  UPSTREAM_REMOTE_PORT: plain((record) => portOf(record.upstreamHost)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain((record) => record.upstreamAttemptCount),
  UPSTREAM_TLS_CIPHER: nothing,
  UPSTREAM_TLS_VERSION: nothing,
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain((record) => record.upstreamTransportFailureReason),
  VIRTUAL_CLUSTER_NAME: nothing,
};

const rounded = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms));

function traceId(record: RequestRecord): string | undefined {
  return record.requestHeader('x-b3-traceid') ?? record.requestHeader('traceparent')?.split('-')[1];
}
