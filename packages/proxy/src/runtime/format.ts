// Parses Envoy's substitution format. Which operators exist is decided here, so that an unknown one is refused when the
// configuration is compiled; `observe/format.ts` gives each its meaning.

import { fail, ok, type Result } from '@lateen/base';
import type { Format, FormatPart } from './model/format.ts';

/** Operators without an argument. */
const PLAIN_OPERATORS = [
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'CONNECTION_ID',
  'CONNECTION_TERMINATION_DETAILS',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_DIRECT_REMOTE_PORT',
  'DOWNSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_LOCAL_PORT',
  'DOWNSTREAM_LOCAL_SUBJECT',
  'DOWNSTREAM_LOCAL_URI_SAN',
  'DOWNSTREAM_LOCAL_DNS_SAN',
  'DOWNSTREAM_PEER_CERT',
  'DOWNSTREAM_PEER_DNS_SAN',
  'DOWNSTREAM_PEER_FINGERPRINT_1',
  'DOWNSTREAM_PEER_FINGERPRINT_256',
  'DOWNSTREAM_PEER_ISSUER',
  'DOWNSTREAM_PEER_SERIAL',
  'DOWNSTREAM_PEER_SUBJECT',
  'DOWNSTREAM_PEER_URI_SAN',
  'DOWNSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_REMOTE_PORT',
  'DOWNSTREAM_TLS_CIPHER',
  'DOWNSTREAM_TLS_VERSION',
  'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  'DURATION',
  'PROTOCOL',
  'REQUESTED_SERVER_NAME',
  'REQUEST_DURATION',
  'REQUEST_HEADERS_BYTES',
  'REQUEST_TX_DURATION',
  'RESPONSE_CODE',
  'RESPONSE_CODE_DETAILS',
  'RESPONSE_DURATION',
  'RESPONSE_FLAGS',
  'RESPONSE_FLAGS_LONG',
  'RESPONSE_HEADERS_BYTES',
  'RESPONSE_TX_DURATION',
  'ROUTE_NAME',
  'STREAM_ID',
  'TRACE_ID',
  'UNIQUE_ID',
  'UPSTREAM_CLUSTER',
  'UPSTREAM_CLUSTER_RAW',
  'UPSTREAM_HOST',
  'UPSTREAM_HOST_NAME',
  'UPSTREAM_LOCAL_ADDRESS',
  'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'UPSTREAM_LOCAL_PORT',
  'UPSTREAM_PEER_SUBJECT',
  'UPSTREAM_PEER_URI_SAN',
  'UPSTREAM_PROTOCOL',
  'UPSTREAM_REMOTE_ADDRESS',
  'UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
  'UPSTREAM_REMOTE_PORT',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'UPSTREAM_TLS_CIPHER',
  'UPSTREAM_TLS_VERSION',
  'UPSTREAM_TRANSPORT_FAILURE_REASON',
  'VIRTUAL_CLUSTER_NAME',
] as const;

/** Operators that need an argument, and those for which it is optional. */
const ARGUMENT_OPERATORS = [
  'REQ',
  'REQ_WITHOUT_QUERY',
  'RESP',
  'TRAILER',
  'DYNAMIC_METADATA',
  'CLUSTER_METADATA',
  'UPSTREAM_METADATA',
  'FILTER_STATE',
] as const;
const OPTIONAL_ARGUMENT_OPERATORS = ['START_TIME', 'GRPC_STATUS', 'GRPC_STATUS_NUMBER'] as const;

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
  return ok({ part: { operator, argument, maxLength: end[1] === undefined ? undefined : Number(end[1]) }, end: OPERATOR_END.lastIndex });
}

function endsOperator(text: string, at: number): boolean {
  OPERATOR_END.lastIndex = at;
  return OPERATOR_END.test(text);
}

function problemOf(operator: string, argument: string | undefined): string | undefined {
  if (OPTIONAL_ARGUMENT.has(operator)) return undefined;
  if (WITH_ARGUMENT.has(operator)) return argument ? undefined : `operator %${operator}% needs an argument`;
  if (!PLAIN.has(operator)) return `unknown operator %${operator}%`;
  return argument === undefined ? undefined : `operator %${operator}% takes no argument`;
}
