import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { createServer, type TlsOptions } from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { createCertificateAuthority, type IssuedCertificate } from '@lateen/pki';
import type { ProxyObserver } from '../http/observer.ts';
import type { RequestRecord } from '../http/request-record.ts';
import { any, cluster, httpListener, ROUTER, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { inlineCertificate, upstreamTls } from '../testing/tls.ts';
import { exchangeOnce } from '../testing/wire.ts';
import { tlsStatsOf } from './tls-stats.ts';

const ca = createCertificateAuthority();
const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n';
const trusted = { trusted_ca: { inline_string: ca.rootPem } };

type Seen = { servername: string; offered: string[]; peer: string; reused: boolean };
type Server = { port: number; seen: Seen[] };

/** A TLS server that answers each request and remembers what it was told in the handshake. */
async function withServer(certificate: IssuedCertificate, options: TlsOptions, run: (server: Server) => Promise<void>): Promise<void> {
  const seen: Seen[] = [];
  let offered: string[] = [];
  const choose = ({ protocols }: { protocols: string[] }) => {
    offered = protocols;
    return protocols[0];
  };
  const server = createServer({ cert: certificate.chainPem, key: certificate.keyPem, ALPNCallback: choose, ...options }, (socket) => {
    socket.on('error', () => {});
    seen.push({
      servername: socket.servername || '',
      offered,
      peer: socket.getPeerCertificate().subjectaltname ?? '',
      reused: socket.isSessionReused(),
    });
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await run({ port: (server.address() as AddressInfo).port, seen });
  } finally {
    server.close();
  }
}

const serverCertificate = ca.issueWorkload('spiffe://td/ns/a/sa/server', {
  subjectAltNames: { uris: ['spiffe://td/ns/a/sa/server'], dnsNames: ['up.test'] },
});

/** One request through a cluster with this TLS context. */
function ask(
  server: Server,
  tls: JsonObject,
  more: { times?: number; listener?: JsonObject; cluster?: JsonObject } = {},
): Promise<{ answers: string[]; log: string[]; reused: number }> {
  return new Promise((resolve, reject) => {
    onStage(async ({ apply, port, log, proxy }) => {
      const secured = cluster('up', [server.port], { transport_socket: upstreamTls(tls), ...more.cluster });
      await apply({ listeners: [httpListener('in', [routeTo('up')], more.listener ?? {})], clusters: [secured] });
      const answers: string[] = [];
      for (let i = 0; i < (more.times ?? 1); i++) answers.push(await exchangeOnce(port(), GET));
      resolve({ answers, log, reused: tlsStatsOf(proxy.clusters()[0] as object).session_reused });
    }).catch(reject);
  });
}

describe('the server must be who the cluster says', () => {
  const named = (san_type: string, matcher: JsonObject) => ({
    common_tls_context: { validation_context: { ...trusted, match_typed_subject_alt_names: [{ san_type, matcher }] } },
  });
  const cases: readonly [what: string, tls: JsonObject, failure: string][] = [
    ['its identity', named('URI', { exact: 'spiffe://td/ns/a/sa/server' }), ''],
    ['another account', named('URI', { exact: 'spiffe://td/ns/a/sa/other' }), 'SAN matcher'],
    ['a dot is only a dot', named('URI', { exact: 'spiffe://td/ns/a/sa/serve.' }), 'SAN matcher'],
    ['only a DNS name asked for', named('DNS', { exact: 'up.test' }), ''],
    ['another DNS name', named('DNS', { exact: 'x.test' }), 'SAN matcher'],
    [
      'the SNI is one of its names',
      { sni: 'up.test', auto_sni_san_validation: true, common_tls_context: { validation_context: trusted } },
      '',
    ],
    [
      'the SNI is not',
      { sni: 'x.test', auto_sni_san_validation: true, common_tls_context: { validation_context: trusted } },
      'SAN matcher',
    ],
    [
      'another authority',
      { common_tls_context: { validation_context: { trusted_ca: { inline_string: createCertificateAuthority().rootPem } } } },
      'X509_verify_cert',
    ],
    ['nothing is checked', {}, ''],
  ];
  for (const [what, tls, failure] of cases) {
    test(`${what}: ${failure === '' ? 'served' : 'refused, and nothing is sent'}`, async () => {
      await withServer(serverCertificate, {}, async (server) => {
        // More than once: a session with a server that was refused must not be taken up again.
        const { answers, log } = await ask(server, tls, { times: 3 });
        for (const [i, answer] of answers.entries()) {
          if (failure === '') assert.match(answer, /^HTTP\/1\.1 200 /);
          else {
            assert.match(answer, /^HTTP\/1\.1 503 /);
            assert.match(log[i] ?? '', /^503 UF /);
            assert.match(log[i] ?? '', new RegExp(`CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_${failure.replace(' ', '_')}`));
          }
        }
      });
    });
  }
});

test('server name, protocols and our certificate are told; Istio names its subsets in the SNI', async () => {
  const client = ca.issueWorkload('spiffe://td/ns/a/sa/client');
  const tls = {
    sni: 'outbound_.80_._.reviews.default.svc.cluster.local',
    common_tls_context: {
      alpn_protocols: ['istio', 'http/1.1'],
      tls_certificates: [inlineCertificate(client)],
      validation_context: trusted,
    },
  };
  await withServer(serverCertificate, { requestCert: true, rejectUnauthorized: true, ca: ca.rootPem }, async (server) => {
    await ask(server, tls);
    assert.deepEqual(server.seen, [
      { servername: tls.sni, offered: ['istio', 'http/1.1'], peer: 'URI:spiffe://td/ns/a/sa/client', reused: false },
    ]);
  });
});

test("Istio's ALPN filter decides what is offered, unless the cluster opted out", async () => {
  const alpn = any('istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
    alpn_override: [{ upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] }],
  });
  const listener = { http_filters: [{ name: 'istio.alpn', typed_config: alpn }, ROUTER] };
  const tls = { common_tls_context: { alpn_protocols: ['configured'] } };
  await withServer(serverCertificate, {}, async (server) => {
    await ask(server, tls, { listener });
    await ask(server, tls, { listener, cluster: { metadata: { filter_metadata: { istio: { alpn_override: 'false' } } } } });
    assert.deepEqual(
      server.seen.map(({ offered }) => offered),
      [['istio-http/1.1', 'istio', 'http/1.1'], ['configured']],
    );
  });
});

test('sessions are resumed as long as max_session_keys allows any', async () => {
  const tls = { common_tls_context: { validation_context: trusted, tls_params: { tls_maximum_protocol_version: 'TLSv1_3' } } };
  await withServer(serverCertificate, {}, async (server) => {
    assert.equal((await ask(server, tls, { times: 4 })).reused, 3);
    assert.equal((await ask(server, { ...tls, max_session_keys: 0 }, { times: 2 })).reused, 0);
  });
});

for (const version of ['TLSv1_2', 'TLSv1_3'] as const) {
  test(`${version}: who the server of a resumed session is stays known`, async () => {
    const peers: string[] = [];
    const finish = ({ upstreamTls: facts }: RequestRecord) => void peers.push(`${facts?.peer?.uriSans} ${facts?.peerVerified}`);
    const observer: ProxyObserver = {
      http: () => ({ connectionOpened() {}, connectionClosed() {}, requestStarted() {}, finish }),
      tcp: () => ({ connectionOpened() {}, finish }),
    };
    const tls = { common_tls_context: { validation_context: trusted, tls_params: { tls_maximum_protocol_version: version } } };
    await withServer(serverCertificate, {}, async (server) => {
      await onStage(
        async ({ apply, port }) => {
          const clusters = [cluster('up', [server.port], { transport_socket: upstreamTls(tls) })];
          await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters });
          for (let i = 0; i < 3; i++) await exchangeOnce(port(), GET);
        },
        { observer },
      );
      assert.deepEqual(
        server.seen.map(({ reused }) => reused),
        [false, true, true],
      );
    });
    assert.deepEqual(peers, Array(3).fill('spiffe://td/ns/a/sa/server true'));
  });
}

test('endpoints choose among transport sockets by their labels', async () => {
  const match = { name: 'tls', match: { mode: 'istio' }, transport_socket: upstreamTls({ sni: 'matched.test' }) };
  const raw = {
    name: 'tls-off',
    match: {},
    transport_socket: { name: 'raw', typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') },
  };
  await withServer(serverCertificate, {}, async (server) => {
    const endpoint = { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: server.port } } } };
    const labelled = { ...endpoint, metadata: { filter_metadata: { 'envoy.transport_socket_match': { mode: 'istio' } } } };
    for (const [one, status] of [
      [labelled, 200],
      [endpoint, 502],
    ] as const) {
      const load_assignment = { cluster_name: 'up', endpoints: [{ lb_endpoints: [one] }] };
      const { answers } = await ask(server, {}, { cluster: { load_assignment, transport_socket_matches: [match, raw] } });
      assert.equal(/^HTTP\/1\.1 200 /.test(answers[0] ?? ''), status === 200);
    }
    assert.deepEqual(
      server.seen.map(({ servername }) => servername),
      ['matched.test'],
    );
  });
});
