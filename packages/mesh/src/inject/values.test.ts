import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalQuantity } from './go-json.ts';
import { overlayValues, parseSetFlag, parseSetFlags, valueAt } from './values.ts';
import { parseInjectPath } from './webhook-path.ts';

describe('--set', () => {
  const cases: [string, unknown][] = [
    ['a.b=c', { a: { b: 'c' } }],
    ['a=1', { a: 1 }],
    ['a=007', { a: '007' }],
    ['a=true', { a: true }],
    ['a=null', { a: null }],
    ['a={x,2}', { a: ['x', 2] }],
    ['a.l[1].k=v', { a: { l: [null, { k: 'v' }] } }],
    ['a\\.b/c=d', { 'a.b/c': 'd' }],
    ['a=b=c', { a: 'b=c' }],
    ['a=10.0.0.0/8,1.1.1.1/32', { a: '10.0.0.0/8,1.1.1.1/32' }],
  ];
  for (const [flag, expected] of cases) {
    test(flag, () => assert.deepEqual(parseSetFlag(flag), { ok: true, value: expected }));
  }
  for (const flag of ['', 'a', '=b', '__proto__.x=1']) {
    test(`refuses ${JSON.stringify(flag)}`, () => assert.equal(parseSetFlag(flag).ok, false));
  }

  test('paths of istioctl land in chart values and MeshConfig', () => {
    const overlay = parseSetFlags([
      'values.global.tag=x',
      'meshConfig.trustDomain=td',
      'components.cni.enabled=true',
      'values.cni.provider=multus',
      'hub=h',
      'revision=canary',
      'global.meshID=m',
    ]);
    assert.deepEqual(overlay.meshConfig, { trustDomain: 'td' });
    const { values } = overlay;
    assert.deepEqual([valueAt(values, 'global.tag'), valueAt(values, 'global.hub'), valueAt(values, 'global.meshID')], ['x', 'h', 'm']);
    assert.deepEqual(
      [valueAt(values, 'pilot.cni.enabled'), valueAt(values, 'pilot.cni.provider'), values['revision']],
      [true, 'multus', 'canary'],
    );
  });

  test('overlaying never touches a prototype', () => {
    overlayValues({}, JSON.parse('{"__proto__":{"polluted":1}}'));
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });
});

describe('quantities', () => {
  const cases: [string | number, string][] = [
    ['2000m', '2'],
    ['100m', '100m'],
    ['0.5', '500m'],
    [1, '1'],
    ['1024Mi', '1Gi'],
    ['1500Mi', '1500Mi'],
    ['128Mi', '128Mi'],
    ['1000k', '1M'],
    ['0', '0'],
    ['512Ki', '512Ki'],
    ['1.5Gi', '1536Mi'],
    ['abc', 'abc'],
    ['', ''],
  ];
  for (const [given, expected] of cases) test(`${given} is written ${expected}`, () => assert.equal(canonicalQuantity(given), expected));
});

describe('the webhook path', () => {
  const cases: [string, Record<string, string>][] = [
    ['/inject', {}],
    ['/inject/cluster/c1/net/n--slash--1/', { ISTIO_META_CLUSTER_ID: 'c1', ISTIO_META_NETWORK: 'n/1' }],
    ['/inject/my_var/x/odd', { MY_VAR: 'x' }],
  ];
  for (const [path, expected] of cases) test(path, () => assert.deepEqual(parseInjectPath(path), expected));
});
