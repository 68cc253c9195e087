import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagBit, type RequestRecord } from '../http/request-record.ts';
import type { CertificateFacts, TlsFacts } from '../io/tls-facts.ts';
import { parseFormat, type RouteDecision } from '../runtime/index.ts';
import { compileFormat, compileHeaderFormat } from './format.ts';
import { networkOf } from './network-of.ts';
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
  ['%REQ(x-none)% [%REQ(x-empty)%]', { requestHeader: (name) => (name === 'x-empty' ? '' : undefined) }, '- []'],
  [
    '%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% "%REQ(:AUTHORITY)%"',
    { kind: 'tcp', method: '', path: '', originalPath: '', authority: '' },
    '- - "-"',
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
  [
    '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%',
    { grpcStatus: 4, requestHeader: () => 'application/grpc' },
    'DeadlineExceeded DEADLINE_EXCEEDED 4',
  ],
  ['%GRPC_STATUS% %GRPC_STATUS_NUMBER%', { responseCode: 503, requestHeader: () => 'application/grpc+proto' }, 'Unavailable 14'],
  ['%GRPC_STATUS% %GRPC_STATUS_NUMBER%', { responseCode: 503 }, '- -'],
  ['%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', { responseCodeDetails: 'a b' }, 'a_b|a b'],
  [
    '%REQUEST_HEADER(x)% %RESPONSE_HEADER(x)% %RESPONSE_TRAILER(x)%',
    { requestHeader: () => 'q', responseHeader: () => 'r', responseTrailer: () => 't' },
    'q r t',
  ],
  ['%REQUESTED_SERVER_NAME(SNI_FIRST)% %REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%', { authority: 'host.test' }, 'host.test host.test'],
  ['%REQUESTED_SERVER_NAME(SNI_FIRST)%', { connection: { ...recordOf().connection, requestedServerName: 'sni.test' } }, 'sni.test'],
  [
    '%COALESCE({"operators": ["REQUESTED_SERVER_NAME", {"command": "REQ", "param": ":authority", "max_length": 4}]})%',
    { authority: 'host.test' },
    'host',
  ],
  [
    '%CEL(response.code)% %TYPED_CEL(response.code + 1)% %CEL(connection.mtls)% %CEL(request.nope)% %CEL(request.host):4%',
    { authority: 'host.test' },
    '200 201 false - host',
  ],
  ["%CEL(request.headers['x'] + '(1)')%", { requestHeader: () => 'q' }, 'q(1)'],
  ['%BYTES_RETRANSMITTED% %PACKETS_RETRANSMITTED% %DOWNSTREAM_LOCAL_IP_SAN% %TLS_JA3_FINGERPRINT%', {}, '0 0 - -'],
  [
    '%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%',
    { upstreamHost: '10.0.0.1:80', upstreamLocalAddress: '' },
    '10.0.0.1:80 - -',
  ],
  ['%DOWNSTREAM_PEER_CERT_V_START%', { connection: { ...recordOf().connection, tls } }, '2026-01-02T00:00:00.000Z'],
];

for (const [text, fields, expected] of CASES) {
  test(`operators: ${text}`, () => {
    const format = parseFormat(text);
    assert.ok(format.ok, format.ok ? '' : format.error);
    assert.equal(compileFormat(format.value)(recordOf(fields)), expected);
  });
}

test('networks of addresses', () => {
  for (const [ip, bits, expected] of [
    ['10.1.10.23', 16, '10.1.0.0/16'],
    ['10.1.10.23', 31, '10.1.10.22/31'],
    ['10.1.10.23', 32, '10.1.10.23/32'],
    ['10.1.10.23', 33, undefined],
    ['2001:db8:1234:5678:9abc:def0:1234:5678', 64, '2001:db8:1234:5678::/64'],
    ['2001:db8:1234:5678:9abc::1', 20, '2001::/20'],
    ['::1', 128, '::1/128'],
    ['::1', 0, '::/0'],
  ] as const) {
    assert.equal(networkOf(ip, bits), expected);
  }
});

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
    '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%',
    '%REQUESTED_SERVER_NAME(LAST)%',
    '%RESPONSE_CODE_DETAILS(X)%',
    '%COALESCE({"operators": []})%',
    '%COALESCE({"operators": ["NIX"]})%',
    '%COALESCE(no JSON)%',
    '%CEL(+++)%',
    '%CEL()%',
  ]) {
    assert.equal(parseFormat(text).ok, false, text);
  }
});
