import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RuntimeLayers } from '../overload/runtime-layers.ts';
import { startClusters } from '../testing/clusters.ts';
import { cluster } from '../testing/runtime.ts';

test('runtime keys hold over limits, panic and outlier detection, as soon as they change', (t) => {
  const keys = new RuntimeLayers([{ name: 'admin', values: new Map(), isAdmin: true }]);
  const { registry, apply } = startClusters(t, undefined, { runtimeKeys: keys });
  const sick = { common_lb_config: { healthy_panic_threshold: { value: 50 } }, outlier_detection: { max_ejection_percent: 100 } };
  apply([cluster('c', [8080, 8081], sick)]);
  const state = registry.get('c')!;
  keys.onChange = () => state.onRuntimeKeys();
  assert.deepEqual([state.breakers.default.limits.maxRequests, state.breakers.default.limits.retryBudget], [1024, undefined]);
  keys.modify([
    ['circuit_breakers.c.default.max_requests', '2'],
    ['circuit_breakers.c.default.retry_budget.budget_percent', '30'],
    ['outlier_detection.consecutive_5xx', '1'],
    ['upstream.healthy_panic_threshold', '0'],
  ]);
  const { limits } = state.breakers.default;
  assert.deepEqual([limits.maxRequests, limits.retryBudget], [2, { percent: 30, minConcurrency: 3 }]);
  assert.equal(state.breakers.high.limits.maxRequests, 1024);
  for (const host of state.listHosts()) state.reportResult(host, 500);
  assert.equal(state.stats.outlier.ejections_active, 2);
  assert.equal(state.pick(undefined), undefined);
  keys.modify([['upstream.healthy_panic_threshold', '']]);
  assert.ok(state.pick(undefined));
});
