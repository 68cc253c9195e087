import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, createJsonPatch, createMergePatch, PatchError } from './index.ts';

describe('merge patch (RFC 7386)', () => {
  // The table of appendix A.
  const cases: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases) {
    test(`${JSON.stringify(target)} patched by ${JSON.stringify(patch)}`, () => {
      assert.deepEqual(applyMergePatch(target, patch), expected);
    });
  }

  test('never touches a prototype', () => {
    applyMergePatch({}, JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'));
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  test('a created patch leads from one value to the other', () => {
    const before = { a: 1, b: { c: [1, 2], d: 4 }, e: 5 };
    const after = { a: 1, b: { c: [1, 3] }, f: 6 };
    const patch = createMergePatch(before, after);
    assert.deepEqual(patch, { e: null, b: { d: null, c: [1, 3] }, f: 6 });
    assert.deepEqual(applyMergePatch(before, patch), after);
  });
});

describe('JSON patch (RFC 6902)', () => {
  const cases: { name: string; target: unknown; patch: unknown; expected: unknown }[] = [
    { name: 'adds a member', target: { a: 1 }, patch: [{ op: 'add', path: '/b', value: 2 }], expected: { a: 1, b: 2 } },
    { name: 'inserts into an array', target: [1, 3], patch: [{ op: 'add', path: '/1', value: 2 }], expected: [1, 2, 3] },
    { name: 'appends with "-"', target: { a: [1] }, patch: [{ op: 'add', path: '/a/-', value: 2 }], expected: { a: [1, 2] } },
    { name: 'removes', target: { a: [1, 2, 3] }, patch: [{ op: 'remove', path: '/a/1' }], expected: { a: [1, 3] } },
    { name: 'replaces the root', target: { a: 1 }, patch: [{ op: 'replace', path: '', value: [] }], expected: [] },
    {
      name: 'unescapes ~1 and ~0',
      target: { 'a/b': { '~c': 1 } },
      patch: [{ op: 'replace', path: '/a~1b/~0c', value: 2 }],
      expected: { 'a/b': { '~c': 2 } },
    },
    {
      name: 'moves',
      target: { a: { b: 1 }, c: {} },
      patch: [{ op: 'move', from: '/a/b', path: '/c/d' }],
      expected: { a: {}, c: { d: 1 } },
    },
    { name: 'copies', target: { a: [1] }, patch: [{ op: 'copy', from: '/a', path: '/b' }], expected: { a: [1], b: [1] } },
    {
      name: 'tests, whatever the key order',
      target: { a: { x: 1, y: 2 } },
      patch: [{ op: 'test', path: '/a', value: { y: 2, x: 1 } }],
      expected: { a: { x: 1, y: 2 } },
    },
  ];
  for (const { name, target, patch, expected } of cases) {
    test(name, () => {
      const before = structuredClone(target);
      assert.deepEqual(applyJsonPatch(target, patch), expected);
      assert.deepEqual(target, before, 'the target must stay as it was');
    });
  }

  const refused: [string, unknown, string, RegExp][] = [
    ['a failed test', [{ op: 'test', path: '/a', value: 2 }], 'inapplicable', /operation 0: test failed: the value at "\/a" is different/],
    ['a missing path', [{ op: 'remove', path: '/b/c' }], 'inapplicable', /there is nothing at "\/b"/],
    ['an index out of range', [{ op: 'add', path: '/l/7', value: 1 }], 'inapplicable', /index 7 is out of range/],
    ['a leading zero', [{ op: 'add', path: '/l/01', value: 1 }], 'malformed', /not an array index/],
    ['an unknown operation', [{ op: 'merge', path: '/a' }], 'malformed', /unknown operation "merge"/],
    ['no array', { op: 'add' }, 'malformed', /must be an array/],
    ['a missing value', [{ op: 'add', path: '/a' }], 'malformed', /needs a "value"/],
    ['a prototype key', [{ op: 'add', path: '/__proto__', value: {} }], 'malformed', /not allowed/],
    ['a walk into a prototype', [{ op: 'add', path: '/constructor/x', value: 1 }], 'inapplicable', /nothing at "\/constructor"/],
    ['moving into itself', [{ op: 'move', from: '/l', path: '/l/0' }], 'inapplicable', /into itself/],
  ];
  for (const [name, patch, reason, message] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => applyJsonPatch({ a: 1, l: [] }, patch),
        (error: unknown) => error instanceof PatchError && error.reason === reason && message.test(error.message),
      );
    });
  }

  test('copies cannot blow an object up', () => {
    const patch = [
      { op: 'add', path: '/x', value: 'x'.repeat(2_000_000) },
      { op: 'copy', from: '/x', path: '/y' },
      { op: 'copy', from: '/x', path: '/z' },
    ];
    assert.throws(() => applyJsonPatch({}, patch), /copies more than/);
  });

  test('a created patch leads from one value to the other', () => {
    const before = { a: { 'x/y': 1, gone: 1 }, list: [1, 2, 3, 4], same: { deep: [1] } };
    const after = { a: { 'x/y': 2, fresh: {} }, list: [1, 5], same: { deep: [1] }, more: [1] };
    const patch = createJsonPatch(before, after);
    assert.deepEqual(applyJsonPatch(before, patch), after);
    assert.ok(!patch.some((operation) => operation.path.startsWith('/same')));
    assert.deepEqual(createJsonPatch(after, after), []);
  });
});

describe('strategic merge patch', () => {
  const cases: { name: string; target: unknown; patch: unknown; expected: unknown; kind?: string }[] = [
    {
      name: 'containers merge by name',
      target: { containers: [{ name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }] },
      patch: { containers: [{ name: 'a', image: 'a:2', env: [{ name: 'Y', value: '2' }] }] },
      // A new item of a patch goes in front, as the API server does it.
      expected: {
        containers: [
          {
            name: 'a',
            image: 'a:2',
            env: [
              { name: 'Y', value: '2' },
              { name: 'X', value: '1' },
            ],
          },
          { name: 'b' },
        ],
      },
    },
    {
      name: '$setElementOrder decides the order',
      target: { env: [{ name: 'A' }, { name: 'B' }] },
      patch: { '$setElementOrder/env': [{ name: 'B' }, { name: 'C' }, { name: 'A' }], env: [{ name: 'C' }] },
      expected: { env: [{ name: 'B' }, { name: 'C' }, { name: 'A' }] },
    },
    {
      name: '$setElementOrder alone reorders, and keeps items it does not know in their place',
      target: { env: [{ name: 'S' }, { name: 'A' }, { name: 'B' }, { name: 'T' }] },
      patch: { '$setElementOrder/env': [{ name: 'B' }, { name: 'A' }] },
      expected: { env: [{ name: 'S' }, { name: 'B' }, { name: 'A' }, { name: 'T' }] },
    },
    {
      name: '$patch: delete in a list removes the item',
      target: { containers: [{ name: 'a' }, { name: 'b' }] },
      patch: { containers: [{ name: 'a', $patch: 'delete' }] },
      expected: { containers: [{ name: 'b' }] },
    },
    {
      name: '$patch: replace in a list replaces the whole list',
      target: { containers: [{ name: 'a' }, { name: 'b' }] },
      patch: { containers: [{ $patch: 'replace' }, { name: 'c', image: null }] },
      expected: { containers: [{ name: 'c' }] },
    },
    {
      name: '$patch: replace in a map replaces the map',
      target: { labels: { a: '1', b: '2' } },
      patch: { labels: { $patch: 'replace', c: '3' } },
      expected: { labels: { c: '3' } },
    },
    {
      name: '$patch: delete in a map empties it',
      target: { labels: { a: '1' } },
      patch: { labels: { $patch: 'delete' } },
      expected: { labels: {} },
    },
    {
      name: '$deleteFromPrimitiveList and additions to finalizers',
      target: { metadata: { finalizers: ['a', 'b'] } },
      patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] } },
      expected: { metadata: { finalizers: ['c', 'b'] } },
    },
    {
      name: '$retainKeys drops the others (kubectl apply of a strategy)',
      target: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } },
      patch: { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      expected: { strategy: { type: 'Recreate' } },
    },
    {
      name: 'container ports merge by containerPort',
      target: { ports: [{ containerPort: 80 }, { containerPort: 81, name: 'x' }] },
      patch: { ports: [{ containerPort: 81, name: 'y' }] },
      expected: { ports: [{ containerPort: 80 }, { containerPort: 81, name: 'y' }] },
    },
    {
      name: 'service ports merge by port',
      target: { ports: [{ port: 80, name: 'http' }] },
      patch: { ports: [{ port: 80, targetPort: 8080 }] },
      expected: { ports: [{ port: 80, name: 'http', targetPort: 8080 }] },
    },
    {
      name: 'Endpoints are atomic',
      kind: 'Endpoints',
      target: { subsets: [{ addresses: [{ ip: '1.1.1.1' }], ports: [{ port: 1 }] }], ports: [{ port: 80 }] },
      patch: { subsets: [{ addresses: [{ ip: '2.2.2.2' }] }], ports: [{ port: 81 }] },
      expected: { subsets: [{ addresses: [{ ip: '2.2.2.2' }] }], ports: [{ port: 81 }] },
    },
    { name: 'other lists are replaced whole', target: { args: ['a', 'b'] }, patch: { args: ['c'] }, expected: { args: ['c'] } },
    {
      name: 'conditions merge by type',
      target: { status: { conditions: [{ type: 'Ready', status: 'False' }] } },
      patch: { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
      expected: { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    },
    { name: 'null deletes', target: { a: 1, b: 2 }, patch: { a: null, c: { d: null, e: 1 } }, expected: { b: 2, c: { e: 1 } } },
  ];
  for (const { name, target, patch, expected, kind } of cases) {
    test(name, () => {
      const before = structuredClone(target);
      assert.deepEqual(applyStrategicMergePatch(target, patch, kind ? { kind } : {}), expected);
      assert.deepEqual(target, before, 'the target must stay as it was');
    });
  }

  test('refuses an item without its merge key and an unknown directive', () => {
    assert.throws(() => applyStrategicMergePatch({}, { containers: [{ image: 'x' }] }), /lacks its merge key "name"/);
    assert.throws(() => applyStrategicMergePatch({}, { a: { $patch: 'erase' } }), /unknown value "erase"/);
    assert.throws(() => applyStrategicMergePatch({}, []), /must be an object/);
  });

  test('never touches a prototype', () => {
    applyStrategicMergePatch({ a: {} }, JSON.parse('{"a": {"__proto__": {"polluted": true}}}'));
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });
});
