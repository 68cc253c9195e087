import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startClusters } from '../testing/clusters.ts';
import { cluster } from '../testing/runtime.ts';

test('ejections, enforced or not, and returns go into the log as Envoy writes them', (t) => {
  const lines: Record<string, unknown>[] = [];
  const openLog = () => ({ write: (line: string) => void lines.push(JSON.parse(line)) });
  const { clock, registry, apply } = startClusters(t, undefined, { openLog, outlierLogPath: '/log' });
  const detection = { consecutive_5xx: 2, interval: '1s', base_ejection_time: '3s', max_ejection_percent: 100 };
  apply([
    cluster('c', [8080], { outlier_detection: { ...detection, consecutive_gateway_failure: 1, enforcing_consecutive_gateway_failure: 0 } }),
  ]);
  const state = registry.get('c')!;
  const host = state.listHosts()[0]!;
  for (const status of [503, 500]) state.reportResult(host, status);
  clock.advance(4000);
  state.close();
  const common = { cluster_name: 'c', upstream_url: '127.0.0.1:8080' };
  assert.deepEqual(
    lines.map(({ timestamp, ...event }) => event),
    [
      {
        type: 'CONSECUTIVE_GATEWAY_FAILURE',
        ...common,
        action: 'EJECT',
        num_ejections: 0,
        enforced: false,
        eject_consecutive_event: {},
      },
      { type: 'CONSECUTIVE_5XX', ...common, action: 'EJECT', num_ejections: 1, enforced: true, eject_consecutive_event: {} },
      { type: 'CONSECUTIVE_5XX', secs_since_last_action: '3', ...common, action: 'UNEJECT', num_ejections: 1, enforced: false },
    ],
  );
});

test('with origins split, failures in a row end with every request that gets a connection', (t) => {
  const { registry, apply } = startClusters(t);
  const detection = { split_external_local_origin_errors: true, consecutive_local_origin_failure: 2, max_ejection_percent: 100 };
  apply([cluster('c', [8080], { outlier_detection: detection })]);
  const state = registry.get('c')!;
  const host = state.listHosts()[0]!;
  for (let i = 0; i < 4; i++) {
    state.outlier.reportConnected(host);
    state.reportResult(host, 0);
  }
  assert.equal(host.ejectedUntilMs, 0);
  for (let i = 0; i < 2; i++) state.reportResult(host, 0);
  assert.ok(host.ejectedUntilMs > 0);
});
