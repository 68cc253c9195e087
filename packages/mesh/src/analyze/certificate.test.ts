import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateExpiry, isPem } from './certificate.ts';

// A self-signed P-256 certificate, valid from 2026-11-21T12:11:00Z for a day.
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUInE7yWECrGBWECOtROX8RcnJ9ZAwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAeFw0yNjExMjExMjExMDBaFw0yNjExMjIxMjExMDBaMAwx
CjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR+qfoGqzYr+1fI
F3emuTFUJ8toizYz3DZ259uAZ/w3g8MuARMnFn8Fhgkbg0OOvMDn5loWnuqS/Zbh
FOLsxxw5o1MwUTAdBgNVHQ4EFgQUFSZCA3RMnRQZn4v5MAuNfKVErdIwHwYDVR0j
BBgwFoAUFSZCA3RMnRQZn4v5MAuNfKVErdIwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiB3XYmwGqvCko2cMxdC8g1LEGH9Chuus9kxkZBfnsCniQIh
AM47Q0wLMl0vwXvgzwdX5dElbehEdYGtEKsMGIN/4Iqv
-----END CERTIFICATE-----`;

test('the end of validity is read from a certificate', () => {
  assert.equal(certificateExpiry(CERTIFICATE), Date.UTC(2026, 10, 22, 12, 11, 0));
  assert.ok(isPem(CERTIFICATE, 'CERTIFICATE'));
  assert.ok(!isPem(CERTIFICATE, 'PRIVATE KEY'));
});

test('what is no certificate gives nothing', () => {
  const cut = CERTIFICATE.replace(/MII[\s\S]*?IwHw/, '');
  for (const text of [
    '',
    'hush',
    cut,
    CERTIFICATE.replace('MIIBb', 'MIJ/////'),
    '-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----',
  ]) {
    assert.equal(certificateExpiry(text), undefined);
  }
});
