import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from './duration.ts';

test("Go's durations parse to milliseconds", () => {
  const cases: [text: string, ms: number | undefined][] = [
    ['0', 0],
    ['0s', 0],
    ['1s', 1000],
    ['0.25s', 250],
    ['.5s', 500],
    ['1h30m', 5_400_000],
    ['1m0.5s', 60_500],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['-1.5h', -5_400_000],
    ['', undefined],
    ['1', undefined],
    ['s', undefined],
    ['1d', undefined],
    ['1s ', undefined],
    ['1__proto__', undefined],
    [`${'1s'.repeat(100)}`, undefined],
  ];
  for (const [text, ms] of cases) {
    const parsed = parseDuration(text);
    assert.equal(parsed.ok ? parsed.value : undefined, ms, text);
  }
});

test('milliseconds print as Go prints them', () => {
  const cases: [ms: number, text: string][] = [
    [0, '0s'],
    [250, '250ms'],
    [1500, '1.5s'],
    [60_000, '1m0s'],
    [5_400_000, '1h30m0s'],
    [0.1, '100µs'],
    [-1000, '-1s'],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});
