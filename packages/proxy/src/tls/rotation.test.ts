import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type JsonObject, type MessageInitShape } from '@bufbuild/protobuf';
import { type CertificateAuthority, createCertificateAuthority } from '@lateen/pki';
import { SecretSchema } from '@lateen/xds/messages/proxy';
import { compileSecret, type Runtime, type SecretRuntime } from '../runtime/index.ts';
import { cluster, httpListener, routeTo, runtimeOf } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { askSecurely, isAnswered, upstreamTls, withTls } from '../testing/tls.ts';

const inline = (value: string) => ({ specifier: { case: 'inlineString', value } as const });

const certificate = (ca: CertificateAuthority, id: string): SecretRuntime => {
  const { chainPem, keyPem } = ca.issueWorkload(id);
  return inlineSecret('default', { case: 'tlsCertificate', value: { certificateChain: inline(chainPem), privateKey: inline(keyPem) } });
};
const trust = (...roots: string[]): SecretRuntime =>
  inlineSecret('ROOTCA', { case: 'validationContext', value: { trustedCa: inline(roots.join('')) } });

function inlineSecret(name: string, type: NonNullable<MessageInitShape<typeof SecretSchema>['type']>): SecretRuntime {
  const plan = compileSecret(create(SecretSchema, { name, type }));
  assert.ok(plan.ok);
  return plan.value.build((data) => (data.kind === 'inline' ? data.bytes : new Uint8Array()));
}

const sds = (name: string): JsonObject => ({ name, sds_config: { ads: {} } });
const bySds = (fields: JsonObject = {}): JsonObject => ({
  common_tls_context: {
    tls_certificate_sds_secret_configs: [sds('default')],
    combined_validation_context: {
      default_validation_context: { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://td/' } }] },
      validation_context_sds_secret_config: sds('ROOTCA'),
    },
    ...fields,
  },
});
const ID = 'spiffe://td/ns/a/sa/server';
const OK = [{ match: { prefix: '/' }, direct_response: { status: 200 } }];
const secrets = (own: SecretRuntime, roots: SecretRuntime): Runtime['secrets'] =>
  new Map([
    ['ads:default', own],
    ['ads:ROOTCA', roots],
  ]);

describe('resumption', () => {
  const ca = createCertificateAuthority();
  const other = createCertificateAuthority();
  const base = runtimeOf({ listeners: [withTls(httpListener('in', OK), { require_client_certificate: true, ...bySds() })] });
  const client = ca.issueWorkload('spiffe://td/ns/a/sa/client');
  const own = { cert: client.chainPem, key: client.keyPem };
  const cases: readonly [what: string, next: () => Runtime['secrets'], reused: boolean][] = [
    ['nothing changed', () => secrets(certificate(ca, ID), trust(ca.rootPem)), true],
    ['the same roots again', () => secrets(certificate(ca, ID), trust(ca.rootPem)), true],
    ['another root joined', () => secrets(certificate(ca, ID), trust(ca.rootPem, other.rootPem)), false],
    ['the server is somebody else', () => secrets(certificate(ca, 'spiffe://td/ns/a/sa/x'), trust(ca.rootPem)), false],
  ];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [what, next, reused] of cases) {
      test(`${version}: ${what}: ${reused ? 'resumed, also by a renewed certificate' : 'a full handshake'}`, async () => {
        await onStage(async ({ proxy, port }) => {
          await proxy.apply({ ...base, secrets: secrets(certificate(ca, ID), trust(ca.rootPem)) });
          const only = { ...own, minVersion: version, maxVersion: version };
          const first = await askSecurely(port(), only);
          assert.ok(isAnswered(first) && first.session && !first.reused);
          await proxy.apply({ ...base, secrets: next() });
          const second = await askSecurely(port(), { ...only, session: first.session });
          assert.deepEqual([isAnswered(second), second.reused], [true, reused]);
        });
      });
    }
  }

  test('a session of a client whose root was withdrawn opens nothing', async () => {
    await onStage(async ({ proxy, port }) => {
      await proxy.apply({ ...base, secrets: secrets(certificate(ca, ID), trust(ca.rootPem)) });
      const first = await askSecurely(port(), own);
      await proxy.apply({ ...base, secrets: secrets(certificate(ca, ID), trust(other.rootPem)) });
      const second = await askSecurely(port(), { ...own, ...(first.session && { session: first.session }) });
      assert.deepEqual([isAnswered(second), second.reused], [false, false]);
    });
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${version}: a session is good for its server name only`, async () => {
      await onStage(async ({ proxy, port }) => {
        await proxy.apply({ ...base, secrets: secrets(certificate(ca, ID), trust(ca.rootPem)) });
        const only = { ...own, minVersion: version, maxVersion: version };
        const { session } = await askSecurely(port(), { ...only, servername: 'a.test' });
        const second = await askSecurely(port(), { ...only, servername: 'b.test', ...(session && { session }) });
        assert.deepEqual([isAnswered(second), second.reused], [true, false]);
      });
    });
  }

  test('tickets can be switched off', async () => {
    const listener = withTls(httpListener('in', OK), { disable_stateless_session_resumption: true, ...bySds() });
    await onStage(async ({ proxy, port }) => {
      await proxy.apply({ ...runtimeOf({ listeners: [listener] }), secrets: secrets(certificate(ca, ID), trust(ca.rootPem)) });
      const first = await askSecurely(port(), own);
      const second = await askSecurely(port(), { ...own, ...(first.session && { session: first.session }) });
      assert.deepEqual([isAnswered(second), second.reused], [true, false]);
    });
  });
});

test('certificates and roots change under load, on both legs: no request fails and no listener is replaced', async () => {
  const authorities = [createCertificateAuthority(), createCertificateAuthority()];
  // Each step as Istio rotates a root: both trusted, then the new signer, then the old root goes.
  const steps: (() => Runtime['secrets'])[] = [];
  const [old, fresh] = authorities as [CertificateAuthority, CertificateAuthority];
  for (let i = 0; i < 5; i++) steps.push(() => secrets(certificate(old, ID), trust(old.rootPem)));
  for (let i = 0; i < 5; i++) steps.push(() => secrets(certificate(old, ID), trust(old.rootPem, fresh.rootPem)));
  for (let i = 0; i < 5; i++) steps.push(() => secrets(certificate(fresh, ID), trust(old.rootPem, fresh.rootPem)));
  for (let i = 0; i < 5; i++) steps.push(() => secrets(certificate(fresh, ID), trust(fresh.rootPem)));
  await onStage(async (back) => {
    await onStage(async (front) => {
      const inbound = runtimeOf({ listeners: [withTls(httpListener('in', OK), { require_client_certificate: true, ...bySds() })] });
      await back.proxy.apply({ ...inbound, secrets: (steps[0] as () => Runtime['secrets'])() });
      const secured = { transport_socket: upstreamTls(bySds()), circuit_breakers: { thresholds: [{ max_connections: 100 }] } };
      const outbound = runtimeOf({
        listeners: [
          withTls(httpListener('in', [routeTo('back')]), { common_tls_context: { tls_certificate_sds_secret_configs: [sds('default')] } }),
        ],
        clusters: [cluster('back', [back.port()], secured)],
      });
      await front.proxy.apply({ ...outbound, secrets: (steps[0] as () => Runtime['secrets'])() });
      const listeners = [back.proxy.listeners()[0], front.proxy.listeners()[0]];
      let isRunning = true;
      let answered = 0;
      const failed: string[] = [];
      const load = async () => {
        while (isRunning) {
          const answer = await askSecurely(front.port());
          if (isAnswered(answer)) answered++;
          else failed.push(answer.text || answer.error);
        }
      };
      const clients = Array.from({ length: 4 }, load);
      for (const step of steps) {
        const next = step();
        await Promise.all([back.proxy.apply({ ...inbound, secrets: next }), front.proxy.apply({ ...outbound, secrets: next })]);
        const before = answered;
        while (answered < before + 8 && failed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      isRunning = false;
      await Promise.all(clients);
      assert.deepEqual(failed, []);
      assert.ok(answered >= 8 * steps.length);
      assert.deepEqual([back.proxy.listeners()[0], front.proxy.listeners()[0]], listeners);
    });
  });
});
