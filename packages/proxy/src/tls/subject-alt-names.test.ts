import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createCertificateAuthority } from '@lateen/pki';
import { subjectAltNamesOf } from './subject-alt-names.ts';

const ca = createCertificateAuthority();
const derOf = (names: { dnsNames?: string[]; uris?: string[]; ipAddresses?: string[] }): Buffer =>
  new X509Certificate(ca.issue({ subjectAltNames: names }).certPem).raw;

test('names are read one by one, whatever is in them', () => {
  const der = derOf({
    dnsNames: ['a.test', 'b.test, URI:spiffe://td/x'],
    uris: ['spiffe://td/ns/a/sa/b'],
    ipAddresses: ['10.0.0.1', '2001:db8:0:0:0:0:0:1'],
  });
  assert.deepEqual(subjectAltNamesOf(der), {
    ok: true,
    value: {
      dns: ['a.test', 'b.test, URI:spiffe://td/x'],
      uri: ['spiffe://td/ns/a/sa/b'],
      email: [],
      ip: ['10.0.0.1', '2001:db8::1'],
      otherName: [],
    },
  });
});

test('a certificate without names has none', () => {
  assert.deepEqual(subjectAltNamesOf(derOf({})), { ok: true, value: { dns: [], uri: [], email: [], ip: [], otherName: [] } });
});

test('names with control characters refuse the certificate', () => {
  for (const name of ['a.test\0.evil.test', 'a\n.test', 'a\x7f.test'])
    assert.equal(subjectAltNamesOf(derOf({ dnsNames: [name] })).ok, false);
});

test('a certificate with any byte changed or cut anywhere is read or refused, never thrown at us', () => {
  const der = derOf({ dnsNames: ['a.test'], uris: ['spiffe://td/ns/a/sa/b'] });
  for (let at = 0; at < der.length; at++) {
    subjectAltNamesOf(der.subarray(0, at));
    for (const value of [0, 0x7f, 0x80, 0xff]) {
      const changed = Buffer.from(der);
      changed[at] = value;
      subjectAltNamesOf(changed);
    }
  }
});
