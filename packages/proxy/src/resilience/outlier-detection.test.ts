// Plan I4: when outlier detection leaves a host out, for how long, and when it comes back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { runtimeOf } from '../testing/runtime.ts';
import type { Host } from '../upstream/host.ts';
import { type Balanced, balanced } from './balanced.ts';

function stageWith(outlier: JsonObject, hosts = 10): Balanced {
  return balanced({
    fields: {
      lb_policy: 'ROUND_ROBIN',
      outlier_detection: { interval: '1s', base_ejection_time: '10s', enforcing_success_rate: 0, max_ejection_percent: 100, ...outlier },
    },
    places: [{ endpoints: Array.from({ length: hosts }, (_, i) => ({ address: `10.0.0.${i + 1}` })) }],
  });
}

const hostsOf = (stage: Balanced) => stage.cluster.listHosts() as readonly [Host, Host, Host, Host, ...Host[]];
const times = (count: number, run: () => void) => {
  for (let i = 0; i < count; i++) run();
};
/** Advances until the host is back; gives the milliseconds. */
function untilBack(stage: Balanced, host: Host): number {
  let waitedMs = 0;
  while (!host.isAvailable && waitedMs < 1_000_000) {
    stage.clock.advance(100);
    waitedMs += 100;
  }
  return waitedMs;
}

test('I4: five errors in a row eject, four and one success do not', () => {
  const stage = stageWith({});
  const [host] = hostsOf(stage);
  times(4, () => stage.cluster.reportResult(host, 500));
  stage.cluster.reportResult(host, 404);
  times(4, () => stage.cluster.reportResult(host, 500));
  assert.equal(host.isAvailable, true);
  stage.cluster.reportResult(host, 500);
  assert.equal(host.isAvailable, false);
  const { outlier } = stage.cluster.stats;
  assert.deepEqual(
    [outlier.ejections_active, outlier.ejections_enforced_consecutive_5xx, outlier.ejections_detected_consecutive_5xx],
    [1, 1, 1],
  );
  assert.equal(stage.split((one) => one.address, {}, 1000).has(host.address), false);
  stage.close();
});

test('I4: gateway failures have a threshold of their own; other 5xx interrupt their row', () => {
  const stage = stageWith({ consecutive_5xx: 100, consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100 });
  const [host, other] = hostsOf(stage);
  times(2, () => stage.cluster.reportResult(host, 503));
  stage.cluster.reportResult(host, 500);
  times(2, () => stage.cluster.reportResult(host, 502));
  assert.equal(host.isAvailable, true);
  times(3, () => stage.cluster.reportResult(other, 504));
  assert.equal(other.isAvailable, false);
  assert.equal(stage.cluster.stats.outlier.ejections_enforced_consecutive_gateway_failure, 1);
  stage.close();
});

test('I4: errors of local origin count as 5xx, unless they are split off', () => {
  const joined = stageWith({ consecutive_5xx: 3 });
  const [first] = hostsOf(joined);
  joined.cluster.reportResult(first, 0);
  joined.cluster.reportLocal(first, 'timeout');
  joined.cluster.reportResult(first, 500);
  assert.equal(first.isAvailable, false);
  joined.close();
  const split = stageWith({ consecutive_5xx: 3, consecutive_local_origin_failure: 2, split_external_local_origin_errors: true });
  const [host, other] = hostsOf(split);
  split.cluster.reportResult(host, 0);
  times(2, () => split.cluster.reportResult(host, 500));
  assert.equal(host.isAvailable, true, 'an answer, even a bad one, shows that the host can be reached');
  times(2, () => split.cluster.reportLocal(other, 'failure'));
  assert.equal(other.isAvailable, false);
  assert.equal(split.cluster.stats.outlier.ejections_enforced_consecutive_local_origin_failure, 1);
  split.close();
});

test('I4: max_ejection_percent bounds what is out; always_eject_one_host lets one go in a small cluster', () => {
  const stage = stageWith({ consecutive_5xx: 1, max_ejection_percent: 30 });
  for (const host of hostsOf(stage)) stage.cluster.reportResult(host, 500);
  assert.equal(stage.cluster.stats.outlier.ejections_active, 3);
  assert.equal(stage.cluster.stats.outlier.ejections_overflow, 7);
  stage.close();
  for (const [always, ejected] of [
    [false, 0],
    [true, 1],
  ] as const) {
    const small = stageWith({ consecutive_5xx: 1, max_ejection_percent: 10, always_eject_one_host: always }, 2);
    for (const host of hostsOf(small)) small.cluster.reportResult(host, 500);
    assert.equal(small.cluster.stats.outlier.ejections_active, ejected);
    small.close();
  }
});

test('I4: each ejection in a row lasts one base time longer, up to the maximum', () => {
  const stage = stageWith({ consecutive_5xx: 1, max_ejection_time: '25s' });
  const [host] = hostsOf(stage);
  for (const expectedMs of [10_000, 20_000, 25_000, 25_000]) {
    stage.cluster.reportResult(host, 500);
    const waitedMs = untilBack(stage, host);
    assert.ok(Math.abs(waitedMs - expectedMs) <= 1000, `${waitedMs} ms, not ${expectedMs} ms`);
  }
  stage.close();
});

test('I4: every quiet interval takes one base time off again', () => {
  const stage = stageWith({ consecutive_5xx: 1 });
  const [host] = hostsOf(stage);
  for (let i = 0; i < 3; i++) {
    stage.cluster.reportResult(host, 500);
    untilBack(stage, host);
  }
  assert.equal(host.outlier.backoff, 3);
  stage.clock.advance(2000);
  assert.equal(host.outlier.backoff, 1);
  stage.cluster.reportResult(host, 500);
  assert.ok(Math.abs(untilBack(stage, host) - 20_000) <= 1000);
  stage.close();
});

test('I4: jitter prolongs, by its maximum at most', () => {
  const stage = stageWith({ consecutive_5xx: 1, max_ejection_time_jitter: '5s' });
  const waits = hostsOf(stage).map((host) => {
    stage.cluster.reportResult(host, 500);
    return host.ejectedUntilMs - stage.clock.monotonicMs();
  });
  assert.ok(
    waits.every((ms) => ms >= 10_000 && ms < 15_000),
    String(waits),
  );
  assert.ok(new Set(waits).size > 5);
  stage.close();
});

test('I4: a host whose success rate lies far below the others is ejected at the end of the interval', () => {
  const stage = stageWith({ consecutive_5xx: 1000, enforcing_success_rate: 100, success_rate_request_volume: 50 });
  const hosts = hostsOf(stage);
  for (const [i, host] of hosts.entries()) {
    for (let n = 0; n < 100; n++) stage.cluster.reportResult(host, n < (i === 3 ? 60 : 2) ? 500 : 200);
  }
  assert.equal(stage.cluster.stats.outlier.ejections_active, 0);
  stage.clock.advance(1000);
  assert.deepEqual(
    hosts.map((host) => host.isAvailable),
    hosts.map((_, i) => i !== 3),
  );
  assert.ok(Math.abs(stage.cluster.outlier.average - 92.2) < 0.01);
  assert.equal(hosts[3].outlier.external.last, 40);
  assert.equal(stage.cluster.stats.outlier.ejections_enforced_success_rate, 1);
  stage.close();
});

test('I4: failure percentage ejects all that fail too often, given enough hosts and requests', () => {
  const rules = {
    consecutive_5xx: 1000,
    failure_percentage_threshold: 50,
    enforcing_failure_percentage: 100,
    failure_percentage_request_volume: 20,
    failure_percentage_minimum_hosts: 3,
  };
  const stage = stageWith(rules);
  const [bad, worse, quiet, fine] = hostsOf(stage);
  for (let n = 0; n < 40; n++) {
    stage.cluster.reportResult(bad, n % 2 === 0 ? 500 : 200);
    stage.cluster.reportResult(worse, 500);
    stage.cluster.reportResult(fine, 200);
    if (n < 10) stage.cluster.reportResult(quiet, 500);
  }
  stage.clock.advance(1000);
  assert.deepEqual(
    [bad, worse, quiet, fine].map((host) => host.isAvailable),
    [false, false, true, true],
  );
  stage.close();
  const few = stageWith({ ...rules, failure_percentage_minimum_hosts: 5 });
  const [lonely] = hostsOf(few);
  times(40, () => few.cluster.reportResult(lonely, 500));
  few.clock.advance(1000);
  assert.equal(lonely.isAvailable, true);
  few.close();
});

test('I4: a health check that passes brings a host back at once; enforcing 0 % only counts', () => {
  const stage = stageWith({ consecutive_5xx: 1 });
  const [host] = hostsOf(stage);
  stage.cluster.reportResult(host, 500);
  stage.cluster.outlier.reportCheckPassed(host);
  assert.equal(host.isAvailable, true);
  assert.equal(stage.cluster.stats.outlier.ejections_active, 0);
  stage.close();
  const off = stageWith({ consecutive_5xx: 1, successful_active_health_check_uneject_host: false });
  const [other] = hostsOf(off);
  off.cluster.reportResult(other, 500);
  off.cluster.outlier.reportCheckPassed(other);
  assert.equal(other.isAvailable, false);
  off.close();
  const counting = stageWith({ consecutive_5xx: 1, enforcing_consecutive_5xx: 0 });
  counting.cluster.reportResult(hostsOf(counting)[0], 500);
  const { outlier } = counting.cluster.stats;
  assert.deepEqual([outlier.ejections_active, outlier.ejections_detected_consecutive_5xx, outlier.ejections_enforced_total], [0, 1, 0]);
  counting.close();
});

test('a changed configuration keeps who is out for its time; without detection everybody is in', () => {
  const eject = { consecutive_5xx: 1, interval: '1s', base_ejection_time: '10s', max_ejection_percent: 100 };
  const stage = stageWith(eject);
  const [host, other] = hostsOf(stage);
  const configure = (fields: JsonObject) =>
    stage.registry.apply({
      ...runtimeOf({ clusters: [{ name: 'c', type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } }, ...fields }] }),
    });
  stage.cluster.reportResult(host, 500);
  configure({ outlier_detection: { ...eject, interval: '2s' } });
  assert.equal(host.isAvailable, false);
  assert.ok(Math.abs(untilBack(stage, host) - 10_000) <= 2000);
  stage.cluster.reportResult(other, 500);
  configure({});
  assert.equal(other.isAvailable, true);
  assert.equal(stage.cluster.stats.membership_healthy, 10);
  stage.close();
});
