import assert from 'node:assert/strict';
import test from 'node:test';
import { CountedMethods } from './counted-methods.ts';

test('a client that makes methods up fills no more than a thousand names', () => {
  const methods = new CountedMethods();
  const admitted = Array.from({ length: 5000 }, (_, i) => methods.admit(`/pkg.Service/${i}`)).filter(Boolean);
  assert.equal(admitted.length, 1000);
  assert.equal(methods.admit('/pkg.Service/999'), true);
  assert.equal(methods.admit('/pkg.Service/1000'), false);
});
