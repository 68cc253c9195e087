import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, runtimeOf } from '../../testing/runtime.ts';
import { upstreamTls, withTls } from '../../testing/tls.ts';
import type { DownstreamTlsRuntime, UpstreamTlsRuntime } from '../model.ts';

const CERTIFICATE: JsonObject = { certificate_chain: { inline_string: 'c' }, private_key: { inline_string: 'k' } };

function downstream(common: JsonObject, fields: JsonObject = {}): DownstreamTlsRuntime {
  const common_tls_context = { tls_certificates: [CERTIFICATE], ...common };
  const { listeners } = runtimeOf({ listeners: [withTls(httpListener('l', []), { common_tls_context, ...fields })] });
  return listeners.get('l')?.filterChains[0]?.tls as DownstreamTlsRuntime;
}

function upstream(fields: JsonObject): UpstreamTlsRuntime {
  const transport = runtimeOf({ clusters: [cluster('c', [1], { transport_socket: upstreamTls(fields) })] }).clusters.get('c')?.transport;
  assert.equal(transport?.kind, 'tls');
  return (transport as { tls: UpstreamTlsRuntime }).tls;
}

test('defaults are those of Envoy: TLS 1.2 to 1.3 for servers, 1.2 for clients, tickets for two hours', () => {
  const server = downstream({});
  assert.deepEqual(
    [server.minVersion, server.maxVersion, server.ecdhCurves],
    ['TLSv1.2', 'TLSv1.3', ['X25519MLKEM768', 'X25519', 'P-256']],
  );
  assert.deepEqual([server.sessionTickets, server.sessionTimeoutSeconds], [{ kind: 'automatic' }, 7200]);
  assert.deepEqual([server.requireClientCertificate, server.validation, server.alpnProtocols], [false, undefined, []]);
  const client = upstream({});
  assert.deepEqual([client.minVersion, client.maxVersion, client.maxSessionKeys, client.certificates], ['TLSv1.2', 'TLSv1.2', 1, []]);
});

test('one string may name several protocols', () => {
  assert.deepEqual(downstream({ alpn_protocols: ['h2,http/1.1'] }).alpnProtocols, ['h2', 'http/1.1']);
});

test('an empty file of roots is an error, not trust in everybody', () => {
  const { validation } = downstream({ validation_context: { trusted_ca: { filename: '/roots.pem' } } });
  assert.ok(validation?.kind === 'named' && validation.source.kind === 'local');
  const { plan } = validation.source;
  assert.throws(() => plan.build(() => new Uint8Array()), /trusted_ca: \/roots\.pem is empty/);
});

test('ciphers of equal preference, versions and hashes are read as Envoy writes them', () => {
  const tls = downstream({
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]', 'ECDHE-RSA-AES256-GCM-SHA384'],
      ecdh_curves: ['P-384'],
    },
    validation_context: { verify_certificate_hash: [Array.from({ length: 32 }, () => 'AB').join(':')] },
  });
  assert.equal(tls.minVersion, 'TLSv1.3');
  assert.deepEqual(tls.cipherSuites, ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES256-GCM-SHA384']);
  const secret = tls.validation?.kind === 'inline' && tls.validation.secret;
  assert.deepEqual(secret && secret.kind === 'validation' && secret.validation.verifyCertificateHash, ['ab'.repeat(32)]);
});

test('secrets are known by their source and name, those in files by a key of their own', () => {
  const sds = (name: string, sds_config: JsonObject): JsonObject => ({ name, sds_config });
  const grpc = {
    api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }] },
    initial_fetch_timeout: '0s',
  };
  const tls = downstream({
    tls_certificates: [],
    tls_certificate_sds_secret_configs: [
      sds('default', grpc),
      sds('kubernetes://x', { ads: {} }),
      sds('own', { path_config_source: { path: '/x/sds.yaml' } }),
      { name: 'of-bootstrap' },
    ],
  });
  assert.deepEqual(
    tls.certificates.map((ref) => ref.kind === 'named' && ref.key),
    ['grpc:sds-grpc:default', 'ads:kubernetes://x', 'path:/x/sds.yaml:own', 'static:of-bootstrap'],
  );
  const file = (): JsonObject => ({ certificate_chain: { filename: '/a' }, private_key: { environment_variable: 'KEY' } });
  const [one, two] = downstream({ tls_certificates: [file(), file()] }).certificates;
  assert.ok(one?.kind === 'named' && two?.kind === 'named' && one.key !== two.key);
  assert.deepEqual(one.source.kind === 'local' && one.source.plan.files, ['/a']);
});

describe('what cannot be honoured is refused with its path', () => {
  const at = 'listener "l": filter_chains[0].transport_socket.typed_config';
  const common = `${at}.common_tls_context`;
  const cases: readonly [what: string, common: JsonObject, fields: JsonObject, reason: string][] = [
    ['no certificate', { tls_certificates: [] }, {}, `${common}: a server needs a certificate`],
    [
      'a certificate without key',
      { tls_certificates: [{ certificate_chain: { inline_string: 'c' } }] },
      {},
      `${common}.tls_certificates[0].private_key: is required`,
    ],
    [
      'PKCS #12',
      { tls_certificates: [{ ...CERTIFICATE, pkcs12: { inline_string: 'x' } }] },
      {},
      `${common}.tls_certificates[0].pkcs12: is not supported`,
    ],
    ['a key log', { key_log: { path: '/x' } }, {}, `${common}.key_log: is not supported`],
    [
      'an unknown cipher',
      { tls_params: { cipher_suites: ['RC4-MD5'] } },
      {},
      `${common}.tls_params.cipher_suites[0]: "RC4-MD5" is not supported`,
    ],
    ['an unknown curve', { tls_params: { ecdh_curves: ['P-1'] } }, {}, `${common}.tls_params.ecdh_curves[0]: "P-1" is not supported`],
    [
      'an empty range of versions',
      { tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_2' } },
      {},
      `${common}.tls_params.tls_minimum_protocol_version: TLSv1.3 is above the maximum, TLSv1.2`,
    ],
    [
      'names without roots',
      { validation_context: { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'x' } }] } },
      {},
      `${common}.validation_context: match_typed_subject_alt_names without trusted_ca is insecure`,
    ],
    [
      'a regex that does not compile',
      {
        validation_context: {
          trusted_ca: { inline_string: 'x' },
          match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { safe_regex: { regex: '(' } } }],
        },
      },
      {},
      `${common}.validation_context.match_typed_subject_alt_names[0].matcher.safe_regex.regex: `,
    ],
    [
      'revocation of the leaf only',
      { validation_context: { trusted_ca: { inline_string: 'x' }, only_verify_leaf_cert_crl: true } },
      {},
      `${common}.validation_context.only_verify_leaf_cert_crl: is not supported`,
    ],
    [
      'nothing to trust, which would be everybody',
      { validation_context: { trusted_ca: { inline_string: '' } } },
      {},
      `${common}.validation_context.trusted_ca: must not be empty`,
    ],
    ['must-staple', {}, { ocsp_staple_policy: 'MUST_STAPLE' }, `${at}.ocsp_staple_policy: only LENIENT_STAPLING is supported`],
    [
      'short ticket keys',
      {},
      { session_ticket_keys: { keys: [{ inline_string: 'x' }] } },
      `${at}.session_ticket_keys.keys[0]: must have 80 bytes`,
    ],
    [
      'secrets over REST',
      {
        tls_certificates: [],
        tls_certificate_sds_secret_configs: [
          { name: 'x', sds_config: { api_config_source: { api_type: 'REST', grpc_services: [{ envoy_grpc: { cluster_name: 'x' } }] } } },
        ],
      },
      {},
      `${common}.tls_certificate_sds_secret_configs[0].sds_config.api_config_source.api_type: must be GRPC or DELTA_GRPC`,
    ],
  ];
  for (const [what, commonFields, fields, reason] of cases) {
    test(what, () => {
      assert.throws(
        () => downstream(commonFields, fields),
        (error: Error) => error.message.split('\n').some((line) => line.startsWith(reason)) || assert.fail(error.message),
      );
    });
  }
  test('renegotiation', () =>
    assert.throws(
      () => upstream({ allow_renegotiation: true }),
      /cluster "c": transport_socket\.typed_config\.allow_renegotiation: is not supported/,
    ));
});
