import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteCount } from './byte-count.ts';

test('open and ended connections add up; a reset begins from nought', () => {
  const count = new ByteCount();
  const [a, b] = [
    { bytesRead: 5, bytesWritten: 50 },
    { bytesRead: 7, bytesWritten: 70 },
  ];
  count.add(a);
  count.add(b);
  count.end(a);
  count.end(a);
  assert.deepEqual(count.named('cx'), { cx_rx_bytes_total: 12, cx_tx_bytes_total: 120 });
  count.reset();
  assert.deepEqual(count.named('cx'), { cx_rx_bytes_total: 0, cx_tx_bytes_total: 0 });
  b.bytesRead += 1;
  count.end(b);
  assert.deepEqual(count.named('cx'), { cx_rx_bytes_total: 1, cx_tx_bytes_total: 0 });
});
