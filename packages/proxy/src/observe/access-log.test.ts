import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { compileCel } from '@lateen/base/cel';
import { assertGolden, createVirtualClock } from '@lateen/base/testing';
import { flagBit } from '../http/request-record.ts';
import { type AccessLogFilter, type AccessLogRuntime, type JsonFormat, type JsonFormatValue, parseFormat } from '../runtime/index.ts';
import { compileAccessLog, createLogSinks } from './access-log.ts';
import { recordOf } from './testdata/record.ts';

/** Istio's default text format. */
const ISTIO_TEXT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% ' +
  '%CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" ' +
  '"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ' +
  '%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

const format = (text: string) => {
  const parsed = parseFormat(text);
  assert.ok(parsed.ok);
  return parsed.value;
};
const textLog = (text: string): AccessLogRuntime => ({
  path: '/dev/stdout',
  format: { kind: 'text', text: format(text), omitEmpty: false },
  filter: undefined,
});

function linesOf(log: AccessLogRuntime, ...records: ReturnType<typeof recordOf>[]): string {
  let text = '';
  const write = compileAccessLog(log, { write: (line) => (text += line) }, { random: () => 0.5, runtime: (key) => RUNTIME.get(key) });
  for (const record of records) write(record);
  return text;
}

const RECORDS = {
  served: recordOf(),
  'no route': recordOf({
    responseCode: 404,
    responseFlags: flagBit('NR'),
    responseCodeDetails: 'route_not_found',
    upstreamCluster: '',
    cluster: undefined,
    upstreamHost: '',
    upstreamLocalAddress: '',
    routeName: '',
    responseHeader: () => undefined,
    bytesSent: 0,
  }),
  'connection refused twice': recordOf({
    responseCode: 503,
    responseFlags: flagBit('UF') + flagBit('URX'),
    responseCodeDetails: 'upstream_reset_before_response_started{connection_failure}',
    upstreamTransportFailureReason: 'delayed_connect_error:_Connection_refused',
  }),
  'hostile header values': recordOf({ headers: { 'user-agent': 'x" 200\n[forged] "\u0007\\' } }),
  rewritten: recordOf({ path: '/new', originalPath: '/old?a=1' }),
};

test("Istio's default text format", () => {
  assertGolden(`${import.meta.dirname}/testdata/access-log.golden.txt`, linesOf(textLog(ISTIO_TEXT), ...Object.values(RECORDS)));
});

test('JSON: metadata keeps its types; what is unknown is left out of lists, too, when empty values are', () => {
  const dynamicMetadata = new Map([['ns', { n: 3, b: true, o: { i: 'x' }, l: [1, 'a'], nul: null }]]);
  const fields: JsonFormat = new Map<string, JsonFormatValue>([
    ...['n', 'b', 'o', 'l', 'nul'].map((key): [string, JsonFormatValue] => [key, format(`%DYNAMIC_METADATA(ns:${key})%`)]),
    ['list', { items: [format('%RESPONSE_CODE%'), format('%REQ(nope)%')] }],
    ['mixed', format('x%REQ(nope)%')],
  ]);
  const line = (omitEmpty: boolean) =>
    JSON.parse(linesOf({ path: '/x', format: { kind: 'json', fields, omitEmpty }, filter: undefined }, recordOf({ dynamicMetadata })));
  const known = { n: 3, b: true, o: { i: 'x' }, l: [1, 'a'] };
  assert.deepEqual(line(false), { ...known, nul: null, list: [200, null], mixed: 'x-' });
  assert.deepEqual(line(true), { ...known, list: [200], mixed: 'x' });
});

test("Istio's JSON format keeps numbers and writes null for what is unknown", () => {
  const fields: JsonFormat = new Map<string, JsonFormatValue>([
    ['start_time', format('%START_TIME%')],
    ['method', format('%REQ(:METHOD)%')],
    ['response_code', format('%RESPONSE_CODE%')],
    ['duration', format('%DURATION%')],
    ['upstream_host', format('%UPSTREAM_HOST%')],
    [
      'route',
      new Map<string, JsonFormatValue>([
        ['name', format('route %ROUTE_NAME%')],
        ['fixed', true],
      ]),
    ],
  ]);
  const log = (omitEmpty: boolean): AccessLogRuntime => ({ path: '/x', format: { kind: 'json', fields, omitEmpty }, filter: undefined });
  assert.equal(
    linesOf(log(false), RECORDS['no route']),
    '{"duration":12,"method":"GET","response_code":404,"route":{"fixed":true,"name":"route -"},"start_time":"2026-01-02T03:04:05.678Z","upstream_host":null}\n',
  );
  assert.equal(JSON.parse(linesOf(log(true), RECORDS['no route'])).upstream_host, undefined);
});

const operators: [string, string][] = [
  ['%START_TIME(%Y/%m/%dT%H:%M:%S.%3f %s)%', '2026/01/02T03:04:05.678 1767323045'],
  ['%REQ(USER-AGENT):4%', 'curl'],
  ['%REQ(ABSENT?X-FORWARDED-FOR)%', '10.0.0.9'],
  ['<%REQ(X-EMPTY)%> <%REQ(X-EMPTY?USER-AGENT)%> <%LOCAL_REPLY_BODY%><%CUSTOM_FLAGS%>', '<> <> <><>'],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT(0)%', '10.0.0.0/16 0.0.0.0/0'],
  ['%CLUSTER_METADATA(istio:services):9%', '[{"host":'],
  ['%REQ_WITHOUT_QUERY(:PATH)%', '/reviews/0'],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', '10.0.0.9 0'],
  ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%', '10.0.0.9:40312'],
  ['%UPSTREAM_REMOTE_PORT%', '9080'],
  ['%UPSTREAM_CLUSTER%', 'outbound|9080||reviews.default.svc.cluster.local;'],
  ['%DYNAMIC_METADATA(istio.authz:policy)%', '-'],
  ['%CLUSTER_METADATA(istio:services)%', '[{"host":"reviews.default.svc.cluster.local","name":"reviews","namespace":"default"}]'],
  ['%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%', 'DeadlineExceeded DEADLINE_EXCEEDED 4'],
  ['%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '1 11 1'],
];
for (const [text, expected] of operators) {
  const record = recordOf({ grpcStatus: 4, headers: { 'content-type': 'application/grpc', 'x-empty': '' } });
  test(`operator ${text}`, () => assert.equal(linesOf(textLog(text), record), expected));
}

const statusCode = (op: 'eq' | 'ge', value: number, runtimeKey = ''): AccessLogFilter => ({ kind: 'status_code', op, value, runtimeKey });
const sampled = (numerator: number, fields: { isIndependent?: boolean; runtimeKey?: string } = {}): AccessLogFilter => ({
  kind: 'runtime',
  numerator,
  denominator: 10,
  isIndependent: false,
  runtimeKey: '',
  ...fields,
});
function expression(source: string): AccessLogFilter {
  const program = compileCel(source);
  assert.ok(program.ok);
  return { kind: 'expression', program: program.value };
}
const RUNTIME = new Map([
  ['most', 8],
  ['five_hundred', 500],
]);

const filters: [string, AccessLogRuntime['filter'], number][] = [
  ['status at least 500', statusCode('ge', 500), 1],
  ['any flag', { kind: 'response_flag', flags: [] }, 2],
  ['flag NR', { kind: 'response_flag', flags: ['NR'] }, 1],
  [
    'either',
    {
      kind: 'or',
      filters: [{ kind: 'response_flag', flags: ['NR'] }, statusCode('eq', 503)],
    },
    2,
  ],
  [
    'both',
    {
      kind: 'and',
      filters: [{ kind: 'response_flag', flags: ['NR'] }, statusCode('eq', 503)],
    },
    0,
  ],
  ['an expression', expression("response.code >= 500 && request.headers['user-agent'].startsWith('curl')"), 1],
  ['an expression that fails', expression("foo['test']"), 0],
  ['sampled out', sampled(5, { isIndependent: true }), 0],
  ['sampled in', sampled(6, { isIndependent: true }), 5],
  // The id begins with b8d4f0a1: 7 of 10.
  ['sampled by the id of the request: out', sampled(7), 0],
  ['sampled by the id of the request: in', sampled(8), 5],
  ['sampled as the runtime says', sampled(0, { runtimeKey: 'most' }), 5],
  ['a status that the runtime says', statusCode('ge', 200, 'five_hundred'), 1],
  ['a duration in whole milliseconds', { kind: 'duration', op: 'eq', value: 12, runtimeKey: '' }, 5],
  ['the gRPC status that 404 stands for', { kind: 'grpc_status', statuses: [12], exclude: false }, 1],
  ['no gRPC status at all is Unknown', { kind: 'grpc_status', statuses: [2], exclude: true }, 2],
];
for (const [name, filter, expected] of filters) {
  test(`filter: ${name}`, () => {
    const text = linesOf({ ...textLog('x\n'), filter }, ...Object.values(RECORDS));
    assert.equal(text.length / 2, expected);
  });
}

test('lines are buffered, written out by time and by size, and a failing file is reported', () => {
  const clock = createVirtualClock();
  const written: [string, string][] = [];
  const errors: string[] = [];
  const sinks = createLogSinks({
    append(path, text) {
      if (path === '/full') throw new Error('no space');
      written.push([path, text]);
    },
    clock,
    logger: { ...silentLogger, error: (message) => errors.push(message) },
  });
  const out = sinks.open('/dev/stdout');
  out.write('a\n');
  out.write('b\n');
  assert.deepEqual(written, []);
  clock.advance(100);
  assert.deepEqual(written, [['/dev/stdout', 'a\nb\n']]);
  out.write('x'.repeat(70_000));
  assert.equal(written.length, 2);
  sinks.open('/full').write('c\n');
  sinks.close();
  assert.deepEqual(errors, ['access log cannot be written']);
});
