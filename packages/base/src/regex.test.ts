import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRegex, type Regex } from './regex.ts';

const compile = (source: string): Regex => {
  const compiled = compileRegex(source);
  assert.ok(compiled.ok, source);
  return compiled.value;
};

test('a full match takes the whole text, a partial one any part', () => {
  const digits = compile('[0-9]+');
  assert.equal(digits.matchesFully('12'), true);
  assert.equal(digits.matchesFully('12x'), false);
  assert.equal(digits.matchesPartly('x12'), true);
});

test('what RE2 does not have is refused, and so is what is too long', () => {
  for (const source of ['(?=a)', '(a)\\1', '(', `${'a'.repeat(3000)}`]) assert.equal(compileRegex(source).ok, false, source.slice(0, 20));
});

test('an expression that would blow up a backtracking engine is linear', () => {
  assert.equal(compile('(a+)+$').matchesFully(`${'a'.repeat(20_000)}b`), false);
});

test("replacement uses RE2's group notation, and dollars are plain", () => {
  const cases: [source: string, text: string, substitution: string, expected: string][] = [
    ['^/service/([^/]+)(/.*)$', '/service/foo/v1/api', '\\2/instance/\\1', '/v1/api/instance/foo'],
    ['one', 'xxx/one/yyy/one', 'two', 'xxx/two/yyy/two'],
    ['a', 'a', '$1', '$1'],
    ['a', 'a', 'x\\\\y', 'x\\y'],
  ];
  for (const [source, text, substitution, expected] of cases) assert.equal(compile(source).replaceAll(text, substitution), expected);
});
