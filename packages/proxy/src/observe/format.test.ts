import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagBit, type RequestRecord } from '../http/request-record.ts';
import type { CertificateFacts, TlsFacts } from '../io/tls-facts.ts';
import { parseFormat, type RouteDecision } from '../runtime/index.ts';
import { compileFormat, compileHeaderFormat } from './format.ts';
import { recordOf } from './testdata/record.ts';

const peer: CertificateFacts = {
  subject: 'CN=client',
  issuer: 'CN=root',
  serialNumber: '0A:FF',
  uriSans: ['spiffe://a/ns/b', 'spiffe://c'],
  dnsSans: ['x.test'],
  fingerprint256: 'AB:CD',
  validFromMs: Date.UTC(2026, 0, 2),
  validToMs: Date.UTC(2027, 0, 2),
  pem: () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
} as unknown as CertificateFacts;
const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', sessionId: 'ff', peer, local: undefined } as unknown as TlsFacts;

const CASES: [format: string, fields: Partial<RequestRecord>, expected: string][] = [
  ['%RESPONSE_FLAGS_LONG%', { responseFlags: flagBit('NR') + flagBit('DI') }, 'NoRouteFound,DelayInjected'],
  ['%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)% %COMMON_DURATION(DS_RX_BEG:US_RX_BEG)%', {}, '11200 11'],
  ['%COMMON_DURATION(US_RX_BEG:DS_RX_BEG)% %COMMON_DURATION(DS_RX_BEG:own_moment:ns)%', {}, '- -'],
  ['%COMMON_DURATION(US_TX_BEG:US_TX_END:us)% %REQUEST_TX_DURATION%', { upstreamTimes: { beginMs: 1.5, endMs: 4 } }, '2500 4'],
  ['%COMMON_DURATION(US_TX_BEG:US_TX_END:us)% %REQUEST_TX_DURATION%', {}, '- -'],
  ['%PATH(NQ)% %PATH(WQ:PATH)% %QUERY_PARAM(x)% %QUERY_PARAMS(ORIG)%', { path: '/new' }, '/reviews/0 /new 1 x=1'],
  ['%METADATA(DYNAMIC:ns:a)%', { dynamicMetadata: new Map([['ns', { a: { c: 1, b: 2 } }]]) }, '{"b":2,"c":1}'],
  ['%METADATA(ROUTE:a:b)%', { decision: { route: { metadata: new Map([['a', { b: 'c' }]]) } } as unknown as RouteDecision }, 'c'],
  ['%FILTER_STATE(who:PLAIN)%', { filterStateText: (key) => (key === 'who' ? 'me' : undefined) }, 'me'],
  ['%VIRTUAL_CLUSTER_NAME% %ACCESS_LOG_TYPE% %STREAM_ID%', { virtualCluster: 'v' }, 'v DownstreamEnd b8d4f0a1-0000-4000-8000-000000000001'],
  ['%ACCESS_LOG_TYPE%', { kind: 'tcp', accessLogType: 'TcpPeriodic' }, 'TcpPeriodic'],
  [
    '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_PORT%',
    { connection: { ...recordOf().connection, directRemoteAddress: '[::1]:70' } },
    '[::1]:70 ::1 70',
  ],
  ['%REQ(x-two)%', { requestHeader: () => 'a,b', requestHeaderValues: () => ['a', 'b'] }, 'a'],
  ['%UPSTREAM_CLUSTER%', { cluster: undefined, upstreamCluster: 'gone' }, '-'],
  ['<%LOCAL_REPLY_BODY%>', { localReplyBody: '' }, '<>'],
  [
    '%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER% %DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN%',
    { connection: { ...recordOf().connection, tls } },
    'CN=client CN=root 0aff spiffe://a/ns/b,spiffe://c x.test',
  ],
  [
    '%DOWNSTREAM_PEER_FINGERPRINT_256% %DOWNSTREAM_PEER_CERT_V_START(%F)% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_SESSION_ID%',
    { connection: { ...recordOf().connection, tls } },
    'abcd 2026-01-02 TLSv1.3 ff',
  ],
  ['%UPSTREAM_TLS_CIPHER% %UPSTREAM_PEER_SUBJECT%', { upstreamTls: tls }, 'TLS_AES_128_GCM_SHA256 CN=client'],
  ['%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%', { grpcStatus: 4 }, 'DeadlineExceeded DEADLINE_EXCEEDED 4'],
];

for (const [text, fields, expected] of CASES) {
  test(`operators: ${text}`, () => {
    const format = parseFormat(text);
    assert.ok(format.ok, format.ok ? '' : format.error);
    assert.equal(compileFormat(format.value)(recordOf(fields)), expected);
  });
}

test('in header values what is unknown is nothing', () => {
  const format = parseFormat('a%REQ(nope)%b');
  assert.ok(format.ok);
  assert.equal(compileHeaderFormat(format.value)(recordOf()), 'ab');
});

test('arguments that no operator knows are refused', () => {
  for (const text of [
    '%COMMON_DURATION(a)%',
    '%COMMON_DURATION(US_CX_BEG:US_CX_END)%',
    '%UPSTREAM_WIRE_BYTES_SENT%',
    '%PATH(XX)%',
    '%METADATA(NOWHERE:a)%',
    '%GRPC_STATUS(LOUD)%',
    '%QUERY_PARAM()%',
  ]) {
    assert.equal(parseFormat(text).ok, false, text);
  }
});
