import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HcmRuntime } from '../runtime/model.ts';
import { addressFromRight, detectClient } from './client-address.ts';
import { Head } from './head.ts';

test('x-forwarded-for is read from the right', () => {
  assert.equal(addressFromRight('9.9.9.9, 1.2.3.4', 0), '1.2.3.4:0');
  assert.equal(addressFromRight('9.9.9.9,1.2.3.4', 1), '9.9.9.9:0');
  assert.equal(addressFromRight('2001:db8::1', 0), '[2001:db8::1]:0');
  for (const [list, skip] of [
    ['1.2.3.4', 1],
    ['nobody', 0],
  ] as const) {
    assert.equal(addressFromRight(list, skip), undefined);
  }
});

test('detection extensions are asked in order; one may refuse', () => {
  const custom: HcmRuntime['ipDetection'][number] = { kind: 'custom_header', headerName: 'x-real-ip', isTrusted: true, rejectStatus: 401 };
  const xff: HcmRuntime['ipDetection'][number] = { kind: 'xff', trustedHops: 0, isTrustedProxy: undefined, appendsPeer: false };
  const head = new Head(0);
  const detect = (...extensions: HcmRuntime['ipDetection']) => detectClient(head, extensions, '127.0.0.1');
  assert.deepEqual(detect(xff), { address: undefined, isTrusted: false, rejectStatus: undefined, appendsPeer: false });
  assert.equal(detect(xff, custom).rejectStatus, 401);
  head.add('x-real-ip', '4.4.4.4');
  assert.deepEqual(detect(xff, custom), { address: '4.4.4.4:0', isTrusted: true, rejectStatus: undefined, appendsPeer: false });
  head.add('x-forwarded-for', '5.5.5.5');
  assert.equal(detect(xff, custom).address, '5.5.5.5:0');
});
