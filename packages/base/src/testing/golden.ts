// Golden pairs: the expectation is a file beside the case; UPDATE_GOLDEN=1 (npm run golden) rewrites it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Compares `actual` with the file's text; with UPDATE_GOLDEN set, writes it instead. A missing file fails. */
export function assertGolden(path: string, actual: string): void {
  if (process.env.UPDATE_GOLDEN) {
    if (!existsSync(path) || readFileSync(path, 'utf8') !== actual) writeFileSync(path, actual);
    return;
  }
  assert.ok(existsSync(path), `golden file ${path} is missing; run "npm run golden" and review it`);
  assert.equal(actual, readFileSync(path, 'utf8'), `differs from ${path}; run "npm run golden" if the change is meant`);
}
