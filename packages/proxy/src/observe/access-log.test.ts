import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@lateen/base';
import { assertGolden, createVirtualClock } from '@lateen/base/testing';
import { flagBit } from '../http/request-record.ts';
import { type AccessLogRuntime, type JsonFormat, type JsonFormatValue, parseFormat } from '../runtime/index.ts';
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
  const write = compileAccessLog(log, { write: (line) => (text += line) }, () => 0.5);
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
  ['%REQ_WITHOUT_QUERY(:PATH)%', '/reviews/0'],
  ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', '10.0.0.9 0'],
  ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%', '10.0.0.9:40312'],
  ['%UPSTREAM_REMOTE_PORT%', '9080'],
  ['%UPSTREAM_CLUSTER%', 'outbound|9080||reviews.default.svc.cluster.local;'],
  ['%DYNAMIC_METADATA(istio.authz:policy)%', '-'],
  [
    '%CLUSTER_METADATA(istio:services)%',
    '[{\\"host\\":\\"reviews.default.svc.cluster.local\\",\\"name\\":\\"reviews\\",\\"namespace\\":\\"default\\"}]',
  ],
  ['%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%', 'DeadlineExceeded DEADLINE_EXCEEDED 4'],
  ['%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '1 11 1'],
];
for (const [text, expected] of operators) {
  test(`operator ${text}`, () => assert.equal(linesOf(textLog(text), recordOf({ grpcStatus: 4 })), expected));
}

const filters: [string, AccessLogRuntime['filter'], number][] = [
  ['status at least 500', { kind: 'status_code', op: 'ge', value: 500 }, 1],
  ['any flag', { kind: 'response_flag', flags: [] }, 2],
  ['flag NR', { kind: 'response_flag', flags: ['NR'] }, 1],
  [
    'either',
    {
      kind: 'or',
      filters: [
        { kind: 'response_flag', flags: ['NR'] },
        { kind: 'status_code', op: 'eq', value: 503 },
      ],
    },
    2,
  ],
  [
    'both',
    {
      kind: 'and',
      filters: [
        { kind: 'response_flag', flags: ['NR'] },
        { kind: 'status_code', op: 'eq', value: 503 },
      ],
    },
    0,
  ],
  ['sampled out', { kind: 'runtime', fraction: 0.5 }, 0],
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
