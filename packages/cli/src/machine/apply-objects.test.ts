import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withLastApplied } from './apply-objects.ts';

test('an object carries the annotation byte for byte as kubectl apply writes it', () => {
  const { metadata } = withLastApplied({ kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'a', namespace: 'default' } });
  assert.equal(
    metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'],
    '{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"annotations":{},"name":"a","namespace":"default"}}\n',
  );
});

test('other annotations stay, an older copy of its own does not', () => {
  const object = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'a', annotations: { x: 'y' } } };
  const once = withLastApplied(object);
  assert.equal(once.metadata.annotations?.['x'], 'y');
  assert.deepEqual(withLastApplied(once), once);
});
