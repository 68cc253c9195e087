import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from './compile-cel.ts';
import { celOf, FAILED } from './value.ts';

const REQUEST = { path: '/a/b', method: 'GET', size: 5, headers: { host: 'h.test', 'x-n': '12' }, tags: ['a', 'b'], none: null };
const scope = (name: string) => (name === 'request' ? celOf(REQUEST) : FAILED);

const CASES: [source: string, expected: unknown][] = [
  ['1 + 2 * 3', 7n],
  ['(1 + 2) * 3 - -1', 10n],
  ['7 / 2', 3n],
  ['7.0 / 2.0', 3.5],
  ['1 / 0', FAILED],
  ['7 % 4', 3n],
  ['0x1F', 31n],
  ['"a" + \'b\\n\' + "\\x41\\u0042"', 'ab\nAB'],
  ['1 == 1.0 && "a" < "b" && !(2 >= 3)', true],
  ['request.method == "GET" ? "yes" : "no"', 'yes'],
  ["request.headers['host']", 'h.test'],
  ['request.headers["nope"]', FAILED],
  ['has(request.headers.host) && !has(request.headers.nope)', true],
  ['"host" in request.headers && !("x" in request.headers) && "a" in request.tags', true],
  ['request.path.startsWith("/a") && request.path.endsWith("b") && request.path.contains("/")', true],
  ['request.path.matches("^/[a-z]/.$")', true],
  ['request.path.matches("^/" + "a/b$")', true],
  ['request.nope == 1 || true', true],
  ['request.nope == 1 && false', false],
  ['request.nope == 1 || false', FAILED],
  ['foo["test"]', FAILED],
  ['size("äb") + request.path.size() + size(request.tags)', 8n],
  ['int(request.headers["x-n"]) + 1', 13n],
  ['string(5) + string(true) + string(1.5)', '5true1.5'],
  ['request.tags[1]', 'b'],
  ['request.tags.exists(t, t == "b") && request.tags.all(t, t < "c") && !request.tags.exists(t, t == "z")', true],
  ['[1, 2] == [1, 2] && request.none == null', true],
  ['"UP".lowerAscii()', 'up'],
  ['1 + "a"', FAILED],
];
for (const [source, expected] of CASES) {
  test(source, () => {
    const program = compileCel(source);
    assert.ok(program.ok, program.ok ? '' : program.error);
    assert.deepEqual(program.value(scope), expected);
  });
}

test('what is no expression, or too much of one, is refused', () => {
  for (const source of [
    '',
    '(+++',
    '1 +',
    'a b',
    '"open',
    'f(1)',
    'a.f(1)',
    'a ? 1',
    '[1',
    '#',
    '('.repeat(200),
    '!'.repeat(2000),
    'a.matches("(")',
    `"${'x'.repeat(5000)}"`,
  ]) {
    assert.equal(compileCel(source).ok, false, source.slice(0, 20));
  }
});
