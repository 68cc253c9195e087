import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProxy } from '../proxy.ts';
import { cluster, runtimeOf } from '../testing/runtime.ts';
import { clusterValues } from '../upstream/cluster-values.ts';
import { replyClusters } from './clusters.ts';

const NO_CONFIG = { entries: () => [] } as never;

test('/clusters says of each host what Envoy says, in its order', async () => {
  const proxy = createProxy();
  try {
    const fields = { outlier_detection: { consecutive_5xx: 1, max_ejection_percent: 100 } };
    const assigned = {
      cluster_name: 'c',
      endpoints: [
        {
          locality: { region: 'r', zone: 'z' },
          lb_endpoints: [
            {
              health_status: 'DRAINING',
              endpoint: { hostname: 'h', address: { socket_address: { address: '10.0.0.1', port_value: 80 } } },
            },
          ],
        },
      ],
    };
    await proxy.apply(runtimeOf({ clusters: [cluster('c', [], { ...fields, load_assignment: assigned })] }));
    const [state] = proxy.clusters();
    const [host] = state!.listHosts();
    state!.reportResult(host!, 500);
    const { body } = replyClusters({ query: new URLSearchParams() }, proxy, NO_CONFIG);
    assert.deepEqual(String(body).trim().split('\n'), [
      'c::observability_name::c',
      'c::outlier::success_rate_average::-1',
      'c::outlier::success_rate_ejection_threshold::-1',
      'c::outlier::local_origin_success_rate_average::-1',
      'c::outlier::local_origin_success_rate_ejection_threshold::-1',
      'c::default_priority::max_connections::1024',
      'c::default_priority::max_pending_requests::1024',
      'c::default_priority::max_requests::1024',
      'c::default_priority::max_retries::3',
      'c::high_priority::max_connections::1024',
      'c::high_priority::max_pending_requests::1024',
      'c::high_priority::max_requests::1024',
      'c::high_priority::max_retries::3',
      'c::added_via_api::false',
      'c::10.0.0.1:80::cx_active::0',
      'c::10.0.0.1:80::cx_connect_fail::0',
      'c::10.0.0.1:80::cx_total::0',
      'c::10.0.0.1:80::rq_active::0',
      'c::10.0.0.1:80::rq_error::1',
      'c::10.0.0.1:80::rq_success::0',
      'c::10.0.0.1:80::rq_timeout::0',
      'c::10.0.0.1:80::rq_total::0',
      'c::10.0.0.1:80::hostname::h',
      'c::10.0.0.1:80::health_flags::/failed_outlier_check/eds_status_draining',
      'c::10.0.0.1:80::weight::1',
      'c::10.0.0.1:80::region::r',
      'c::10.0.0.1:80::zone::z',
      'c::10.0.0.1:80::sub_zone::',
      'c::10.0.0.1:80::canary::false',
      'c::10.0.0.1:80::priority::0',
      'c::10.0.0.1:80::success_rate::-1',
      'c::10.0.0.1:80::local_origin_success_rate::-1',
    ]);
    const json = JSON.parse(String(replyClusters({ query: new URLSearchParams('format=json') }, proxy, NO_CONFIG).body));
    assert.deepEqual(json.cluster_statuses[0].host_statuses[0].health_status, {
      failed_outlier_check: true,
      eds_health_status: 'DRAINING',
    });
  } finally {
    await proxy.close();
  }
});

test('the numbers of a cluster have the names of Envoy', async () => {
  const proxy = createProxy();
  try {
    const fields = { outlier_detection: {}, circuit_breakers: { thresholds: [{ track_remaining: true, max_retries: 7 }] } };
    await proxy.apply(runtimeOf({ clusters: [cluster('c', [1], fields)] }));
    const [state] = proxy.clusters();
    state!.stats.external.count(204);
    const values = new Map(clusterValues(state!).map(({ name, type, value }) => [name, `${type} ${value}`]));
    assert.deepEqual(
      [
        'circuit_breakers.default.remaining_retries',
        'circuit_breakers.high.rq_open',
        'outlier_detection.ejections_active',
        'membership_total',
        'membership_change',
        'upstream_rq_204',
        'upstream_rq_2xx',
      ].map((name) => values.get(name)),
      ['gauge 7', 'gauge 0', 'gauge 0', 'gauge 1', 'counter 1', 'counter 1', 'counter 1'],
    );
    assert.equal(values.has('health_check.attempt'), false);
  } finally {
    await proxy.close();
  }
});
