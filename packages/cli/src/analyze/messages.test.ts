import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '@lateen/api';
import { errorLine, messageOfFinding, renderErrors, renderFinding } from './messages.ts';

const finding: Finding = {
  code: 'IST0101',
  level: 'error',
  path: 'spec.gateways[0]',
  message: 'Referenced gateway not found: "g"',
  fix: 'Write namespace/name.',
  resource: { kind: 'VirtualService', namespace: 'shop', name: 'cart', file: 'cart.yaml' },
  line: 7,
};

test('a finding is a line of istioctl, with the fix below', () => {
  assert.equal(
    renderFinding(finding),
    'Error [IST0101] (VirtualService shop/cart cart.yaml:7) Referenced gateway not found: "g"\n    fix: Write namespace/name.\n',
  );
});

test('a finding is a message of istioctl, with field and fix beside', () => {
  assert.deepEqual(messageOfFinding(finding), {
    code: 'IST0101',
    level: 'Error',
    message: 'Referenced gateway not found: "g"',
    origin: 'VirtualService shop/cart',
    reference: 'cart.yaml:7',
    documentationUrl: 'https://istio.io/latest/docs/reference/config/analysis/ist0101/?ref=istioctl-analyze',
    path: 'spec.gateways[0]',
    fix: 'Write namespace/name.',
  });
});

test('findings of our own have no page of Istio, and those without an object no origin', () => {
  assert.deepEqual(messageOfFinding({ code: 'LAT0004', level: 'warning', path: '', message: 'm' }), {
    code: 'LAT0004',
    level: 'Warning',
    message: 'm',
  });
});

test('errors are counted and starred, each with its object and field', () => {
  const { fix: _, ...plain } = finding;
  assert.equal(errorLine(plain), 'VirtualService/shop/cart: spec.gateways[0]: Referenced gateway not found: "g"');
  assert.equal(renderErrors([errorLine(plain)]).split('\n')[0], 'Error: 1 error occurred:');
  assert.equal(renderErrors(['a', 'b\nc']), 'Error: 2 errors occurred:\n\t* a\n\t* b\n\t  c\n\n');
});
