import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketsOf, countOf, Histogram, mergeCounts, quantilesOf, sumOf } from './histogram.ts';

const recorded = (...values: number[]) => {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram.counts();
};
const valuesAt = (...values: number[]) => quantilesOf(recorded(...values)).map(({ value }) => value);

test('quantiles and sums are those that Envoy 1.40 showed for the same values', () => {
  assert.deepEqual(valuesAt(4, 7, 25), [4.05, 4.05, 7.05, 25.5, 25.5, 25.5, 25.5, 25.5, 25.5, 25.5]);
  assert.deepEqual(valuesAt(1, 1, 1), [1.025, 1.025, 1.05, 1.075, 1.075, 1.075, 1.075, 1.075, 1.075, 1.075]);
  assert.deepEqual(valuesAt(275).at(0), 275);
  assert.deepEqual(valuesAt(0, 0).at(-1), 0);
  assert.equal(sumOf(recorded(4, 7, 25)).toFixed(6), '36.589224');
  assert.deepEqual(valuesAt(), Array(10).fill(undefined));
});

test('buckets count what lies below their bounds', () => {
  const counts = Object.fromEntries(bucketsOf(recorded(0, 4.9, 7, 25, 999, 4_000_000)).map(({ bound, count }) => [bound, count]));
  assert.deepEqual(
    [counts['0.5'], counts['5'], counts['10'], counts['25'], counts['50'], counts['1000'], counts['3600000']],
    [1, 2, 3, 3, 4, 5, 5],
  );
});

test('every number has a bin that holds it, with less than ten percent of error', () => {
  for (const value of [0, 1, 9, 10, 99, 100, 109, 110, 999, 1000, 12_345, 99_999, 1_000_000, 86_400_000]) {
    const [shown] = valuesAt(value) as [number];
    assert.ok(Math.abs(shown - value) <= Math.max(0.05, value * 0.1), `${value} shown as ${shown}`);
  }
  assert.equal(countOf(recorded(1e15, -3)), 2);
});

test('counts of two threads are one', () => {
  assert.deepEqual(mergeCounts(recorded(3, 3), recorded(1, 3)), recorded(1, 3, 3, 3));
});
