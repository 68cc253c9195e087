import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { matchesFields, parseFieldSelector } from './field-selector.ts';
import { compileLabelSelector, formatLabelSelector, labelSelectorMatches, matchesLabels, parseLabelSelector } from './label-selector.ts';

const LABELS = { app: 'reviews', version: 'v2', 'topology.istio.io/network': 'n1', weight: '7', empty: '' };

describe('label selectors', () => {
  const cases: [string, boolean][] = [
    ['', true],
    ['app=reviews', true],
    ['app==reviews', true],
    ['app = reviews , version=v2', true],
    ['app!=reviews', false],
    ['gone!=x', true],
    ['version in (v1, v2)', true],
    ['version in (v1)', false],
    ['version notin (v1,v3)', true],
    ['gone notin (a)', true],
    ['gone in (a)', false],
    ['app', true],
    ['gone', false],
    ['!gone', true],
    ['! app', false],
    ['topology.istio.io/network=n1,app', true],
    ['weight>6', true],
    ['weight<7', false],
    ['app>1', false],
    ['empty=', true],
    ['app=', false],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)} ${expected ? 'matches' : 'does not match'}`, () => {
      const selector = parseLabelSelector(text);
      assert.ok(selector.ok);
      assert.equal(matchesLabels(selector.value, LABELS), expected);
      const again = parseLabelSelector(formatLabelSelector(selector.value));
      assert.deepEqual(again, selector, 'the text form must survive a round trip');
    });
  }

  for (const text of ['=a', 'a=b c', 'a in b', 'a in (b', 'a,,b', '-a=b', 'a=-b', 'w>x', `${'k'.repeat(64)}=a`, 'a/b/c=d']) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.equal(parseLabelSelector(text).ok, false));
  }

  test('a label key that is a property of every object does not match', () => {
    const selector = parseLabelSelector('constructor');
    assert.ok(selector.ok);
    assert.equal(matchesLabels(selector.value, {}), false);
  });

  test('an absent LabelSelector matches nothing, an empty one everything', () => {
    assert.equal(labelSelectorMatches(undefined, LABELS), false);
    assert.equal(labelSelectorMatches({}, undefined), true);
  });

  test('a LabelSelector needs all labels and expressions', () => {
    const selector = {
      matchLabels: { app: 'reviews' },
      matchExpressions: [{ key: 'version', operator: 'NotIn' as const, values: ['v1'] }],
    };
    assert.equal(labelSelectorMatches(selector, LABELS), true);
    assert.equal(labelSelectorMatches(selector, { app: 'reviews', version: 'v1' }), false);
    assert.equal(formatLabelSelector(compileLabelSelector(selector)), 'app=reviews,version!=v1');
  });
});

describe('field selectors', () => {
  const pod = { metadata: { name: 'a,b', namespace: 'default' }, spec: { nodeName: 'n', hostNetwork: true }, status: { phase: 'Running' } };
  const cases: [string, boolean][] = [
    ['', true],
    ['metadata.namespace=default', true],
    ['metadata.namespace=default,status.phase!=Running', false],
    ['metadata.name=a\\,b', true],
    ['spec.hostNetwork=true', true],
    ['spec.gone=', true],
    ['spec.gone!=x', true],
    ['metadata=x', false],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)} ${expected ? 'matches' : 'does not match'}`, () => {
      const selector = parseFieldSelector(text);
      assert.ok(selector.ok);
      assert.equal(matchesFields(selector.value, pod), expected);
    });
  }
  test('refuses a path without a value', () => assert.equal(parseFieldSelector('metadata.name').ok, false));
});
