import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonEqual, parseJson, stableStringify } from './json.ts';

test('equality looks at values, not at key order or absent keys', () => {
  const cases: [a: unknown, b: unknown, equal: boolean][] = [
    [{ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, true],
    [{ a: undefined }, {}, true],
    [{ a: null }, {}, false],
    [[1, 2], [2, 1], false],
    [[], {}, false],
    [1, '1', false],
    [{ toString: 1 }, {}, false],
    [{}, { constructor: 1 }, false],
  ];
  for (const [a, b, equal] of cases) assert.equal(jsonEqual(a, b), equal, `${stableStringify(a)} ${stableStringify(b)}`);
});

test('equal values have equal text', () => {
  assert.equal(stableStringify({ b: 1, a: { d: 1, c: [{ f: 1, e: 2 }] } }), '{"a":{"c":[{"e":2,"f":1}],"d":1},"b":1}');
});

test('hostile text is refused before it is parsed, and prototype keys are dropped', () => {
  assert.throws(() => parseJson('['.repeat(300) + ']'.repeat(300)), /nested deeper than 256/);
  assert.throws(() => parseJson(`"${'x'.repeat(100)}"`, { maxBytes: 50 }), /larger than 50/);
  assert.deepEqual(parseJson(`"${'['.repeat(300)}"`), '['.repeat(300));
  const value = parseJson('{"__proto__":{"polluted":true},"a":"\\"["}') as Record<string, unknown>;
  assert.deepEqual(Object.keys(value), ['a']);
  assert.equal(value['polluted'], undefined);
});
