import assert from 'node:assert/strict';
import test from 'node:test';
import { normalizePath, type PathRules } from './normalize-path.ts';

const NONE: PathRules = { normalizePath: false, mergeSlashes: false, escapedSlashes: 'keep_unchanged' };
const BASE: PathRules = { ...NONE, normalizePath: true };
const MERGE: PathRules = { ...BASE, mergeSlashes: true };
const DECODE: PathRules = { ...MERGE, escapedSlashes: 'unescape_and_forward' };

const CASES: readonly (readonly [target: string, none: string, base: string, merge: string, decode: string])[] = [
  ['/', '/', '/', '/', '/'],
  ['/a/b?x=/../y', '/a/b?x=/../y', '/a/b?x=/../y', '/a/b?x=/../y', '/a/b?x=/../y'],
  ['/a/../b', '/a/../b', '/b', '/b', '/b'],
  ['/a/./b/.', '/a/./b/.', '/a/b/', '/a/b/', '/a/b/'],
  ['/..', '/..', '/', '/', '/'],
  ['/../../etc', '/../../etc', '/etc', '/etc', '/etc'],
  ['/a/%2e%2E/b', '/a/%2e%2E/b', '/b', '/b', '/b'],
  ['/a\\b', '/a\\b', '/a/b', '/a/b', '/a/b'],
  ['/a\\..\\b', '/a\\..\\b', '/b', '/b', '/b'],
  ['//a///b', '//a///b', '//a///b', '/a/b', '/a/b'],
  ['/a%2Fb', '/a%2Fb', '/a%2Fb', '/a%2Fb', '/a/b'],
  ['/a%5cb', '/a%5cb', '/a%5cb', '/a%5cb', '/a/b'],
  ['/a%2f..%2fb', '/a%2f..%2fb', '/a%2f..%2fb', '/a%2f..%2fb', '/b'],
  ['/%41%7e', '/%41%7e', '/A~', '/A~', '/A~'],
  ['/%20%3F%23', '/%20%3F%23', '/%20%3F%23', '/%20%3F%23', '/%20%3F%23'],
  ['/a#b', '/a', '/a', '/a', '/a'],
  ['/a?b#c', '/a?b', '/a?b', '/a?b', '/a?b'],
  ['/a/%2%65%2%65/b', '/a/%2%65%2%65/b', '/a/%252e%252e/b', '/a/%252e%252e/b', '/a/%252e%252e/b'],
  ['/%%30%30', '/%%30%30', '/%2500', '/%2500', '/%2500'],
  ['/%%32%66x', '/%%32%66x', '/%252fx', '/%252fx', '/%252fx'],
  ['/%%32fx', '/%%32fx', '/%252fx', '/%252fx', '/%252fx'],
  ['/%6%61', '/%6%61', '/%256a', '/%256a', '/%256a'],
  ['/a%', '/a%', '/a%', '/a%', '/a%'],
  ['/a%4', '/a%4', '/a%4', '/a%4', '/a%4'],
  ['/%%%41', '/%%%41', '/%%A', '/%%A', '/%%A'],
  ['/a/..;x=1/b', '/a/..;x=1/b', '/b', '/b', '/b'],
  ['/a/.;/b/..;', '/a/.;/b/..;', '/a/', '/a/', '/a/'],
  // Envoy leaves this one to servers that decode it.
  ['/a/%2e%2e;/b', '/a/%2e%2e;/b', '/b', '/b', '/b'],
  ['/a;/...;/b', '/a;/...;/b', '/a;/...;/b', '/a;/...;/b', '/a;/...;/b'],
  [
    '/a"<>b|{c}^`?"<>',
    '/a"<>b|{c}^`?"<>',
    '/a%22%3C%3Eb%7C%7Bc%7D%5E%60?"<>',
    '/a%22%3C%3Eb%7C%7Bc%7D%5E%60?"<>',
    '/a%22%3C%3Eb%7C%7Bc%7D%5E%60?"<>',
  ],
  ['/%2"a', '/%2"a', '/%2%22a', '/%2%22a', '/%2%22a'],
  ['/a...b/..c', '/a...b/..c', '/a...b/..c', '/a...b/..c', '/a...b/..c'],
];

test('each of the four levels gives exactly one path', () => {
  for (const [target, ...expected] of CASES) {
    for (const [i, rules] of [NONE, BASE, MERGE, DECODE].entries()) {
      assert.deepEqual(normalizePath(target, rules), { kind: 'path', path: expected[i] }, `${target} at level ${i}`);
    }
  }
});

test('normalising twice changes nothing', () => {
  for (const [target] of CASES) {
    const once = normalizePath(target, DECODE);
    assert.ok(once.kind === 'path');
    assert.deepEqual(normalizePath(once.path, DECODE), once, target);
  }
});

test('an encoded NUL is refused at every level; escaped slashes are refused or redirected when asked', () => {
  for (const rules of [NONE, BASE, MERGE, DECODE]) assert.equal(normalizePath('/a%00', rules).kind, 'invalid');
  assert.equal(normalizePath('/a%2fb', { ...BASE, escapedSlashes: 'reject_request' }).kind, 'invalid');
  assert.deepEqual(normalizePath('/a%2fb', { ...BASE, escapedSlashes: 'unescape_and_redirect' }), { kind: 'redirect', path: '/a/b' });
});
