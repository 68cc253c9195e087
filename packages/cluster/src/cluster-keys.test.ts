import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyChain } from '@lateen/pki';
import { loadClusterKeys } from './cluster-keys.ts';

test('the authority and the token key stay, certificates are made anew and chain to it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-keys-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const first = loadClusterKeys(join(folder, 'pki'));
  const second = loadClusterKeys(join(folder, 'pki'));
  assert.equal(first.authority.certPem, second.authority.certPem);
  assert.equal(first.serviceAccountKeyPem, second.serviceAccountKeyPem);
  assert.notEqual(first.admin.certPem, second.admin.certPem);
  assert.equal(statSync(join(folder, 'pki', 'ca.pem')).mode & 0o777, 0o600);
  const parse = (pem: string) => [new X509Certificate(pem)];
  const verified = verifyChain({
    chain: parse(second.admin.certPem),
    roots: parse(first.authority.rootPem),
    nowMs: Date.now(),
    usage: 'client',
  });
  assert.ok(verified.ok, verified.ok ? '' : verified.error);
  assert.match(verified.value.leaf.subject, /O=system:masters/);
});
