import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandReferences } from './expand.ts';

const values = new Map([
  ['A', 'alpha'],
  ['EMPTY', ''],
  ['B', '$(A)'],
]);

const cases: [text: string, expanded: string, why: string][] = [
  ['plain', 'plain', 'no reference'],
  ['x-$(A)-y', 'x-alpha-y', 'a reference in the middle'],
  ['$(A)$(EMPTY)$(A)', 'alphaalpha', 'an empty value'],
  ['$(MISSING)', '$(MISSING)', 'an unknown name stays'],
  ['$$(A)', '$(A)', 'an escaped reference'],
  ['$$$(A)', '$alpha', 'an escape before a reference'],
  ['$A $ {A} $', '$A $ {A} $', 'shell syntax is not ours'],
  ['$(A', '$(A', 'no closing parenthesis'],
  ['$(B)', '$(A)', 'values are not expanded again'],
];

for (const [text, expanded, why] of cases) {
  test(`${JSON.stringify(text)} becomes ${JSON.stringify(expanded)}: ${why}`, () => {
    assert.equal(expandReferences(text, values), expanded);
  });
}
