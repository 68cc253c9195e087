import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyStatusRows } from './rows.ts';

test('a proxy shows its subscribed types, and which of them it has not acknowledged', () => {
  const rows = proxyStatusRows([
    {
      proxy: 'b.default',
      cluster_id: 'Kubernetes',
      istiod: 'istiod-1',
      istio_version: '1.0',
      cluster_sent: 'n1',
      cluster_acked: 'n1',
      route_sent: 'n2',
      route_acked: 'n1',
    },
    { proxy: 'a.default' },
  ]);
  assert.deepEqual(rows, [
    ['a.default', '', '', '', '0 ()'],
    ['b.default', 'Kubernetes', 'istiod-1', '1.0', '2 (CDS,RDS:STALE)'],
  ]);
});
