// Parses Envoy's substitution format. Which operators exist is decided here, so that an unknown one is refused when the
// configuration is compiled; `observe/format.ts` gives each its meaning.

import { fail, isObject, ok, type Result } from '@lateen/base';
import { compileCel } from '@lateen/base/cel';
import type { Format, FormatPart } from './model/format.ts';

/** Operators without an argument. */
const PLAIN_OPERATORS = [
  'ACCESS_LOG_TYPE',
  'BYTES_RECEIVED',
  'BYTES_RETRANSMITTED',
  'BYTES_SENT',
  'CONNECTION_ID',
  'CONNECTION_TERMINATION_DETAILS',
  'CUSTOM_FLAGS',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID',
  'DOWNSTREAM_DIRECT_LOCAL_PORT',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
  'DOWNSTREAM_DIRECT_REMOTE_PORT',
  'DOWNSTREAM_HEADER_BYTES_RECEIVED',
  'DOWNSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_LOCAL_PORT',
  'DOWNSTREAM_LOCAL_SUBJECT',
  'DOWNSTREAM_LOCAL_URI_SAN',
  'DOWNSTREAM_LOCAL_DNS_SAN',
  'DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID',
  'DOWNSTREAM_LOCAL_EMAIL_SAN',
  'DOWNSTREAM_LOCAL_IP_SAN',
  'DOWNSTREAM_LOCAL_OTHERNAME_SAN',
  'DOWNSTREAM_PEER_CERT',
  'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1',
  'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256',
  'DOWNSTREAM_PEER_CHAIN_SERIALS',
  'DOWNSTREAM_PEER_DNS_SAN',
  'DOWNSTREAM_PEER_EMAIL_SAN',
  'DOWNSTREAM_PEER_IP_SAN',
  'DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256',
  'DOWNSTREAM_PEER_ISSUER_SERIAL',
  'DOWNSTREAM_PEER_OTHERNAME_SAN',
  'DOWNSTREAM_PEER_FINGERPRINT_1',
  'DOWNSTREAM_PEER_FINGERPRINT_256',
  'DOWNSTREAM_PEER_ISSUER',
  'DOWNSTREAM_PEER_SERIAL',
  'DOWNSTREAM_PEER_SUBJECT',
  'DOWNSTREAM_PEER_URI_SAN',
  'DOWNSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_REMOTE_PORT',
  'DOWNSTREAM_TLS_CIPHER',
  'DOWNSTREAM_TLS_SESSION_ID',
  'DOWNSTREAM_TLS_VERSION',
  'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'DURATION',
  'HOSTNAME',
  'LOCAL_REPLY_BODY',
  'PACKETS_RETRANSMITTED',
  'PROTOCOL',
  'REQUEST_DURATION',
  'REQUEST_HEADERS_BYTES',
  'REQUEST_TX_DURATION',
  'RESPONSE_CODE',
  'RESPONSE_DURATION',
  'RESPONSE_FLAGS',
  'RESPONSE_FLAGS_LONG',
  'RESPONSE_HEADERS_BYTES',
  'RESPONSE_TRAILERS_BYTES',
  'RESPONSE_TX_DURATION',
  'ROUNDTRIP_DURATION',
  'ROUTE_NAME',
  'SPAN_ID',
  'STREAM_ID',
  'TLS_JA3_FINGERPRINT',
  'TLS_JA4_FINGERPRINT',
  'TRACE_ID',
  'UNIQUE_ID',
  'UPSTREAM_CLUSTER',
  'UPSTREAM_CLUSTER_RAW',
  'UPSTREAM_HEADER_BYTES_RECEIVED',
  'UPSTREAM_HOST',
  'UPSTREAM_HOST_NAME',
  'UPSTREAM_HOST_NAME_WITHOUT_PORT',
  'UPSTREAM_LOCAL_ADDRESS',
  'UPSTREAM_LOCAL_DNS_SAN',
  'UPSTREAM_LOCAL_IP_SAN',
  'UPSTREAM_LOCAL_PORT',
  'UPSTREAM_LOCAL_SUBJECT',
  'UPSTREAM_LOCAL_URI_SAN',
  'UPSTREAM_PEER_CERT',
  'UPSTREAM_PEER_DNS_SAN',
  'UPSTREAM_PEER_IP_SAN',
  'UPSTREAM_PEER_ISSUER',
  'UPSTREAM_PEER_SUBJECT',
  'UPSTREAM_PEER_URI_SAN',
  'UPSTREAM_PROTOCOL',
  'UPSTREAM_REMOTE_ADDRESS',
  'UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID',
  'UPSTREAM_REMOTE_PORT',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'UPSTREAM_TLS_CIPHER',
  'UPSTREAM_TLS_SESSION_ID',
  'UPSTREAM_TLS_VERSION',
  'UPSTREAM_TRANSPORT_FAILURE_REASON',
  'UPSTREAM_WIRE_BYTES_RECEIVED',
  'VIRTUAL_CLUSTER_NAME',
] as const;

/** Operators that need an argument, and those for which it is optional. */
const ARGUMENT_OPERATORS = [
  'COMMON_DURATION',
  'ENVIRONMENT',
  'METADATA',
  'QUERY_PARAM',
  'CEL',
  'COALESCE',
  'REQ',
  'REQ_WITHOUT_QUERY',
  'REQUEST_HEADER',
  'RESP',
  'RESPONSE_HEADER',
  'RESPONSE_TRAILER',
  'TRAILER',
  'TYPED_CEL',
  'UPSTREAM_FILTER_STATE',
  'DYNAMIC_METADATA',
  'CLUSTER_METADATA',
  'UPSTREAM_METADATA',
  'FILTER_STATE',
] as const;
const OPTIONAL_ARGUMENT_OPERATORS = [
  'START_TIME',
  'START_TIME_LOCAL',
  'EMIT_TIME',
  'EMIT_TIME_LOCAL',
  'GRPC_STATUS',
  'GRPC_STATUS_NUMBER',
  'PATH',
  'QUERY_PARAMS',
  'REQUESTED_SERVER_NAME',
  'RESPONSE_CODE_DETAILS',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
  'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_PEER_CERT_V_START',
  'DOWNSTREAM_PEER_CERT_V_END',
  'UPSTREAM_PEER_CERT_V_START',
  'UPSTREAM_PEER_CERT_V_END',
] as const;

const ONE_ALTERNATIVE = /^[^?]*(?:\?[^?]*)?$/;

/** Bits of an address that are kept. */
const MASK = /^(?:\d|[1-9]\d|1[01]\d|12[0-8])?$/;

/** What arguments look like where only some are known. */
const CHECKS: Readonly<Record<string, RegExp>> = {
  // When a connection was made is not kept with the requests that it carries.
  COMMON_DURATION: /^(?!.*US_(?:CX|HS)_)\w+:\w+(?::(?:ms|us|ns))?$/,
  FILTER_STATE: /^[^:]+(?::(?:PLAIN|TYPED|FIELD:.+))?$/,
  REQ: ONE_ALTERNATIVE,
  RESP: ONE_ALTERNATIVE,
  TRAILER: ONE_ALTERNATIVE,
  // A line break would end the header or the line.
  START_TIME: /^(?!.*%[-_0^#]?\d*n)/,
  GRPC_STATUS: /^(?:CAMEL_STRING|SNAKE_STRING|NUMBER)?$/,
  METADATA: /^(?:DYNAMIC|CLUSTER|ROUTE|UPSTREAM_HOST|VIRTUAL_HOST):/,
  PATH: /^(?:WQ|NQ)?(?::(?:ORIG|PATH|ORIG_OR_PATH))?$/,
  QUERY_PARAMS: /^(?:ORIG|DECODED)?$/,
  REQUESTED_SERVER_NAME: /^(?:SNI_ONLY|SNI_FIRST|HOST_FIRST)?(?::(?:ORIG|HOST|ORIG_OR_HOST))?$/,
  RESPONSE_CODE_DETAILS: /^(?:ALLOW_WHITESPACES)?$/,
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: MASK,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: MASK,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: MASK,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: MASK,
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: MASK,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: MASK,
};

export type FormatOperator =
  | (typeof PLAIN_OPERATORS)[number]
  | (typeof ARGUMENT_OPERATORS)[number]
  | (typeof OPTIONAL_ARGUMENT_OPERATORS)[number];

const PLAIN: ReadonlySet<string> = new Set(PLAIN_OPERATORS);
const WITH_ARGUMENT: ReadonlySet<string> = new Set(ARGUMENT_OPERATORS);
const OPTIONAL_ARGUMENT: ReadonlySet<string> = new Set(OPTIONAL_ARGUMENT_OPERATORS);

/** Parses a format string; `%%` is a percent sign. The error names the offending operator. */
export function parseFormat(text: string): Result<Format> {
  const parts: FormatPart[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    if (percent < 0) break;
    literal += text.slice(at, percent);
    if (text[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    const operator = readOperator(text, percent + 1);
    if (!operator.ok) return operator;
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(operator.value.part);
    at = operator.value.end;
  }
  literal += text.slice(at);
  if (literal !== '') parts.push(literal);
  return ok(parts);
}

const OPERATOR_NAME = /[A-Z0-9_]*/y;
const OPERATOR_END = /(?::(\d{1,9}))?%/y;

function readOperator(text: string, start: number): Result<{ part: Exclude<FormatPart, string>; end: number }> {
  OPERATOR_NAME.lastIndex = start;
  const operator = OPERATOR_NAME.exec(text)?.[0] ?? '';
  let at = start + operator.length;
  let argument: string | undefined;
  if (text[at] === '(') {
    // The argument ends at the first ")" that is followed by the operator's end: a time format may contain both.
    let close = text.indexOf(')', at);
    while (close >= 0 && !endsOperator(text, close + 1)) close = text.indexOf(')', close + 1);
    if (close < 0) return fail(`operator %${operator}( is not closed`);
    argument = text.slice(at + 1, close);
    at = close + 1;
  }
  OPERATOR_END.lastIndex = at;
  const end = OPERATOR_END.exec(text);
  if (operator === '' || !end) return fail(`malformed operator at ${JSON.stringify(text.slice(start - 1, start + 30))}`);
  const problem = problemOf(operator, argument);
  if (problem) return fail(problem);
  if (end[1] !== undefined && PLAIN.has(operator)) return fail(`operator %${operator}% takes no length`);
  return ok({ part: { operator, argument, maxLength: end[1] === undefined ? undefined : Number(end[1]) }, end: OPERATOR_END.lastIndex });
}

function endsOperator(text: string, at: number): boolean {
  OPERATOR_END.lastIndex = at;
  return OPERATOR_END.test(text);
}

function problemOf(operator: string, argument: string | undefined): string | undefined {
  if (argument?.includes('\n')) return `%${operator}%: a line break in its argument`;
  const check = CHECKS[operator];
  if (check && argument !== undefined && !check.test(argument))
    return `%${operator}% does not know the argument ${JSON.stringify(argument)}`;
  if ((operator === 'CEL' || operator === 'TYPED_CEL') && argument) {
    const program = compileCel(argument);
    return program.ok ? undefined : `%${operator}%: ${program.error}`;
  }
  if (operator === 'COALESCE' && argument) {
    const parts = parseCoalesce(argument);
    return parts.ok ? undefined : parts.error;
  }
  if (OPTIONAL_ARGUMENT.has(operator)) return undefined;
  if (WITH_ARGUMENT.has(operator)) return argument ? undefined : `operator %${operator}% needs an argument`;
  if (!PLAIN.has(operator)) return `unknown operator %${operator}%`;
  return argument === undefined ? undefined : `operator %${operator}% takes no argument`;
}

/** The operators of %COALESCE({"operators": ["NAME", {"command": "NAME", "param": "x", "max_length": 3}]})%, in order. */
export function parseCoalesce(text: string): Result<Exclude<FormatPart, string>[]> {
  const wrong = (why: string) => fail(`%COALESCE%: ${why}`);
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    return wrong('the argument is not JSON');
  }
  const operators = isObject(config) ? config['operators'] : undefined;
  if (!Array.isArray(operators) || operators.length === 0) return wrong('operators must be a list that is not empty');
  const parts: Exclude<FormatPart, string>[] = [];
  for (const entry of operators as unknown[]) {
    const { command, param, max_length: maxLength } = typeof entry === 'string' ? { command: entry } : isObject(entry) ? entry : {};
    if (typeof command !== 'string') return wrong('each operator is a name or an object with a command');
    if (param !== undefined && typeof param !== 'string') return wrong('param must be a text');
    if (maxLength !== undefined && !(typeof maxLength === 'number' && maxLength > 0)) return wrong('max_length must be positive');
    const problem = problemOf(command, param);
    if (problem) return fail(problem);
    parts.push({ operator: command, argument: param, maxLength });
  }
  return ok(parts);
}
