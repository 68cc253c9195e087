import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeLock, entryFromName } from './complete-lock.ts';

test('a platform package is known by its name', () => {
  const cases: [name: string, expected: object][] = [
    ['@biomejs/cli-darwin-arm64', { version: '1.0.0', cpu: ['arm64'], optional: true, os: ['darwin'] }],
    ['@oxlint/binding-linux-x64-musl', { version: '1.0.0', cpu: ['x64'], libc: ['musl'], optional: true, os: ['linux'] }],
    ['@oxlint/binding-linux-arm-gnueabihf', { version: '1.0.0', cpu: ['arm'], libc: ['glibc'], optional: true, os: ['linux'] }],
    ['@oxlint-tsgolint/win32-x64', { version: '1.0.0', cpu: ['x64'], optional: true, os: ['win32'] }],
  ];
  for (const [name, expected] of cases) assert.deepEqual(entryFromName(name, '1.0.0', false), expected, name);
  assert.throws(() => entryFromName('left-pad', '1.0.0', false), /cannot tell its platform/);
});

test('only missing optional packages are added, in order', () => {
  const lock = {
    packages: {
      '': {},
      'node_modules/tool': { dev: true, optionalDependencies: { 'tool-linux-x64': '2.0.0', 'tool-darwin-x64': '2.0.0' } },
      'node_modules/tool-linux-x64': { version: '2.0.0' },
    } as Record<string, object>,
  };
  assert.equal(completeLock(lock), 1);
  assert.deepEqual(Object.keys(lock.packages), ['', 'node_modules/tool', 'node_modules/tool-darwin-x64', 'node_modules/tool-linux-x64']);
  assert.equal(completeLock(lock), 0);
});
