import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePathTemplate } from './path-template.ts';

test('templates match whole paths, and rewrite by their variables', () => {
  const cases: [template: string, path: string, rewrite: string, expected: string | undefined][] = [
    ['/api/*/users', '/api/v1/users', '/u', '/u'],
    ['/api/*/users', '/api/v1/x/users', '/u', undefined],
    ['/files/**', '/files/a/b', '/f', '/f'],
    ['/v/{id}/name', '/v/7/name', '/{id}', '/7'],
    ['/media/{path=videos/*}/end', '/media/videos/x/end', '/{path}', '/videos/x'],
    ['/tail/{rest=**}.txt', '/tail/a/b.txt', '/{rest}', '/a/b'],
    ['/o/{a}/x/{b=**}', '/o/1/x/2/3', '/{b}/r/{a}', '/2/3/r/1'],
    ['/plus/a+b', '/plus/aab', '/', undefined],
    ['/{foo}/**.ts', '/x/y/z.ts', '/{foo}', '/x'],
    ['/*_suf', '/a_suf', '/s', '/s'],
    ['/a*b', '/axb', '/', undefined],
    ['/a*b', '/a*b', '/*', '/*'],
    ['/{v==na/*}/end/', '/=na/x/end/', '/{v}', '/=na/x'],
  ];
  for (const [template, path, rewrite, expected] of cases) {
    const compiled = compilePathTemplate(template);
    assert.ok(compiled.ok, template);
    assert.equal(compiled.value.matches(path), expected !== undefined, `${template} ${path}`);
    const apply = compiled.value.compileRewrite(rewrite);
    assert.ok(apply.ok);
    if (expected !== undefined) assert.equal(apply.value(path), expected);
  }
});

test('malformed templates are refused', () => {
  const templates = ['no/slash', '/{a', '/{1}', '/{a}/{a}', '/**/x/*', '/{a}/{b}/{c}/{d}/{e}/{f}', '/{a=**}/{b}', '/a//b', '/{a}-{b}'];
  for (const template of [...templates, '/{a=}', '/{a=*b}', '/x?y', '/a b', '/{a=/*}', '/{abcdefghijklmnopq}', '/**a/b']) {
    assert.equal(compilePathTemplate(template).ok, false, template);
  }
  const compiled = compilePathTemplate('/{a}');
  assert.ok(compiled.ok);
  for (const rewrite of ['{a}', '/{b}', '/a//b', '/{a}?b', '/a b']) assert.equal(compiled.value.compileRewrite(rewrite).ok, false, rewrite);
});
