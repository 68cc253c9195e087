import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ValidationRuntime } from '../runtime/model.ts';
import { keyEpoch, sessionKeys, trustGeneration } from './trust-generation.ts';

const validation: ValidationRuntime = {
  trustedCaPem: 'root',
  trustedCaPath: '',
  systemRoots: false,
  crlPem: '',
  matchSubjectAltNames: [],
  verifyCertificateSpki: [],
  verifyCertificateHash: [],
  trustDomains: new Map(),
  acceptUntrusted: false,
  allowExpired: false,
  maxVerifyDepth: undefined,
};
const parts = { validation, identities: ['spiffe://a'], rules: [true] };
const generation = trustGeneration(parts);
const matcher: ValidationRuntime['matchSubjectAltNames'][number] = { type: 'dns', oid: '', text: 'exact a.test', matches: () => true };

const CHANGES: Readonly<Record<string, Partial<ValidationRuntime>>> = {
  roots: { trustedCaPem: 'another root' },
  'the roots of the system': { systemRoots: true },
  'a revocation list': { crlPem: 'revoked' },
  'names that the peer must have': { matchSubjectAltNames: [matcher] },
  'a pinned key': { verifyCertificateSpki: ['pin'] },
  'a pinned certificate': { verifyCertificateHash: ['pin'] },
  'a trust domain': { trustDomains: new Map([['a', 'root']]) },
  'tolerance of strangers': { acceptUntrusted: true },
  'how deep a chain may be': { maxVerifyDepth: 1 },
  'tolerance of age': { allowExpired: true },
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`sessions are not resumed across a change of ${what}`, () => {
    assert.notEqual(trustGeneration({ ...parts, validation: { ...validation, ...change } }), generation);
  });
}

test('nor across a change of identity, of rules, or the loss of all checks; but a renewed certificate stays in its generation', () => {
  assert.notEqual(trustGeneration({ ...parts, identities: ['spiffe://b'] }), generation);
  assert.notEqual(trustGeneration({ ...parts, rules: [false] }), generation);
  assert.notEqual(trustGeneration({ ...parts, validation: undefined }), generation);
  assert.equal(trustGeneration({ ...parts, validation: { ...validation } }), generation);
});

test('ticket keys differ by generation and by day; configured ones stay for as long as they are configured', () => {
  const keys = (of: string, nowMs: number, given?: Uint8Array) => sessionKeys(of, keyEpoch(nowMs), given).ticketKeys.toString('hex');
  const day = 24 * 3_600_000;
  assert.notEqual(keys('a', 0), keys('b', 0));
  assert.equal(keys('a', 0), keys('a', day - 1));
  assert.notEqual(keys('a', 0), keys('a', day));
  assert.equal(keys('a', 0, Buffer.alloc(80)), keys('a', day, Buffer.alloc(80)));
  assert.notEqual(keys('a', 0, Buffer.alloc(80)), keys('a', 0, Buffer.alloc(80, 1)));
});
