import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CodedError } from '@lateen/base';
import { lockHolder, lockStateDir, readReport, requireReport, statePaths, writeReport } from './state-dir.ts';

function scratchPaths(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'lateen-state-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return statePaths(join(root, 'state'));
}

const report = (pid: number) => ({
  pid,
  network: { mode: 'proxy', reason: 'asked for' },
  apiServer: 'https://127.0.0.1:1',
  kubeconfig: 'k',
  gateway: undefined,
  startedAt: '2026-01-01T00:00:00Z',
});

test('a second holder is refused while the first lives, and the folder is private', (t) => {
  const paths = scratchPaths(t);
  const release = lockStateDir(paths);
  assert.equal(lockHolder(paths), process.pid);
  assert.equal(statSync(paths.root).mode & 0o777, 0o700);
  assert.throws(
    () => lockStateDir(paths),
    (error) => error instanceof CodedError && error.code === 'LAT7101',
  );
  release();
  assert.equal(lockHolder(paths), undefined);
  lockStateDir(paths)();
});

test('the lock of a dead process, of a reused pid, or half-written does not count', (t) => {
  const paths = scratchPaths(t);
  lockStateDir(paths)();
  for (const text of ['{"pid":999999999,"startTime":"1"}', `{"pid":${process.pid},"startTime":"not mine"}`, '{"pid":']) {
    writeFileSync(paths.lock, text);
    assert.equal(lockHolder(paths), undefined, text);
    lockStateDir(paths)();
  }
});

test('a report counts only while its writer runs', (t) => {
  const paths = scratchPaths(t);
  const release = lockStateDir(paths);
  assert.throws(() => requireReport(paths), /still starting/);
  writeReport(paths, report(process.pid));
  assert.equal(readReport(paths)?.apiServer, 'https://127.0.0.1:1');
  release();
  assert.throws(() => requireReport(paths), /no mesh is running/);
});
