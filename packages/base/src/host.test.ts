import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareHostSpecificity, hostMatches, hostsIntersect, intersectHosts } from './host.ts';

test('a pattern takes its own names and no others', () => {
  const cases: [pattern: string, host: string, matches: boolean][] = [
    ['*', 'a.b', true],
    ['a.b', 'A.B', true],
    ['a.b', 'x.a.b', false],
    ['*.b', 'a.b', true],
    ['*.b', 'x.a.b', true],
    ['*.b', 'b', false],
    ['*.b', '.b', false],
    ['*.b', '*.a.b', true],
    ['*.a.b', '*.b', false],
  ];
  for (const [pattern, host, matches] of cases) assert.equal(hostMatches(pattern, host), matches, `${pattern} ${host}`);
});

test('the intersection is the narrower pattern', () => {
  const cases: [a: string, b: string, both: string | undefined][] = [
    ['*', '*.b', '*.b'],
    ['*.b', 'a.b', 'a.b'],
    ['*.a.b', '*.b', '*.a.b'],
    ['a.b', 'c.b', undefined],
    ['*.a', '*.b', undefined],
  ];
  for (const [a, b, both] of cases) {
    assert.equal(intersectHosts(a, b), both);
    assert.equal(intersectHosts(b, a), both);
    assert.equal(hostsIntersect(a, b), both !== undefined);
  }
});

test('the most specific host sorts first', () => {
  assert.deepEqual(['*', '*.b', 'a.b', '*.a.b', 'x.a.b'].sort(compareHostSpecificity), ['x.a.b', 'a.b', '*.a.b', '*.b', '*']);
});
