// Plan I5: the tables of Envoy's documentation on priorities, degraded hosts and panic, as splits over 10,000 picks.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balanced, level } from './balanced.ts';

type Row = {
  /** Healthy, degraded and unhealthy hosts per priority. */
  levels: readonly (readonly [number, number, number])[];
  /** Percent of the traffic to each priority. */
  shares: readonly number[];
  /** Share of the unhealthy hosts in each priority's traffic, where a panic is expected. */
  sick?: readonly number[];
  panicPercent?: number;
};

const healthy = (percent: number): readonly [number, number, number] => [percent, 0, 100 - percent];

const ROWS: readonly Row[] = [
  { levels: [healthy(100), healthy(100)], shares: [100, 0] },
  { levels: [healthy(72), healthy(72)], shares: [100, 0] },
  { levels: [healthy(71), healthy(71)], shares: [99, 1] },
  { levels: [healthy(50), healthy(50)], shares: [70, 30] },
  { levels: [healthy(25), healthy(100)], shares: [35, 65] },
  { levels: [healthy(0), healthy(100)], shares: [0, 100] },
  { levels: [healthy(25), healthy(25), healthy(100)], shares: [35, 35, 30] },
  // Degraded hosts take what the healthy ones of all priorities leave.
  { levels: [[25, 65, 10], healthy(0)], shares: [100, 0] },
  // Not enough anywhere: priorities below the threshold serve all their hosts.
  { levels: [healthy(25), healthy(25)], shares: [50, 50], sick: [75, 75] },
  { levels: [healthy(5), healthy(65)], shares: [7, 93], sick: [95, 0] },
  // The same without panic: nobody sick is served.
  { levels: [healthy(25), healthy(25)], shares: [50, 50], sick: [0, 0], panicPercent: 0 },
];

for (const { levels, shares, sick, panicPercent } of ROWS) {
  const name = levels.map((counts, i) => `P${i} ${counts.join('/')}`).join(', ');
  test(`I5: ${name}${panicPercent === undefined ? '' : `, panic below ${panicPercent} %`} splits ${shares.join('/')}`, () => {
    const { split, close } = balanced({
      fields: {
        lb_policy: 'RANDOM',
        common_lb_config: panicPercent === undefined ? {} : { healthy_panic_threshold: { value: panicPercent } },
      },
      places: levels.map((counts, i) => level(i, counts)),
    });
    const counts = split((host) => `${host.locality?.priority} ${host.health}`);
    for (const [i, share] of shares.entries()) {
      const of = (...kinds: string[]) => kinds.reduce((sum, kind) => sum + (counts.get(`${i} ${kind}`) ?? 0), 0);
      const all = of('healthy', 'degraded', 'unhealthy');
      assert.ok(Math.abs(all / 100 - share) <= 3, `P${i}: ${all / 100} %, not ${share} %`);
      const sickShare = all === 0 ? 0 : (of('unhealthy') * 100) / all;
      assert.ok(Math.abs(sickShare - (sick?.[i] ?? 0)) <= 3, `P${i}: ${sickShare} % to unhealthy hosts`);
    }
    assert.equal(counts.get('') ?? 0, 0);
    close();
  });
}

test('with every host degraded the degraded serve; healthy ones are preferred as far as they carry', () => {
  const { split, place, close } = balanced({ fields: { lb_policy: 'ROUND_ROBIN' }, places: [level(0, [0, 10, 0])] });
  assert.deepEqual(
    split((host) => host.health),
    new Map([['degraded', 10_000]]),
  );
  place([level(0, [5, 5, 0])]);
  assert.equal(Math.round((split((host) => host.health).get('healthy') ?? 0) / 100 / 3) * 3, 69);
  close();
});

test('fail_traffic_on_panic answers nobody instead of everybody', () => {
  const { split, cluster, close } = balanced({
    fields: { lb_policy: 'RANDOM', common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } } },
    places: [level(0, [1, 0, 9])],
  });
  assert.deepEqual(
    split(() => 'someone', {}, 100),
    new Map([['', 100]]),
  );
  assert.equal(cluster.stats.lb_healthy_panic, 100);
  close();
});
