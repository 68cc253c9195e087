import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { httpListener, runtimeOf } from '../testing/runtime.ts';
import { inlineCertificate, withTls } from '../testing/tls.ts';
import { replyCertificates } from './certs.ts';

test('/certs lists each certificate and root in force once, in the shape of Envoy, without a key', () => {
  const clock = createVirtualClock(Date.parse('2026-03-01T00:00:00Z'));
  const ca = createCertificateAuthority({ clock, ttlMs: 100 * 86_400_000 });
  const own = ca.issue({
    subjectAltNames: { dnsNames: ['a.test'], uris: ['spiffe://td/a'], ipAddresses: ['10.0.0.1'] },
    ttlMs: 10.5 * 86_400_000,
  });
  const tls = {
    common_tls_context: { tls_certificates: [inlineCertificate(own)], validation_context: { trusted_ca: { inline_string: ca.rootPem } } },
  };
  const runtime = runtimeOf({ listeners: ['one', 'two'].map((name) => withTls(httpListener(name, []), tls)) });
  const { body } = replyCertificates(runtime, clock.now());
  const { certificates } = JSON.parse(body) as {
    certificates: { ca_cert: Record<string, unknown>[]; cert_chain: Record<string, unknown>[] }[];
  };
  assert.equal(certificates.length, 1);
  const { serial_number, ...chain } = certificates[0]?.cert_chain[0] ?? {};
  assert.match(String(serial_number), /^[0-9a-f]{32}$/);
  assert.deepEqual(chain, {
    path: '<inline>',
    subject_alt_names: [{ dns: 'a.test' }, { uri: 'spiffe://td/a' }, { ip_address: '10.0.0.1' }],
    days_until_expiration: '10',
    valid_from: '2026-02-28T23:58:00Z',
    expiration_time: '2026-03-11T12:00:00Z',
  });
  assert.equal(certificates[0]?.ca_cert[0]?.['days_until_expiration'], '100');
  assert.ok(!body.includes('PRIVATE'));
});
