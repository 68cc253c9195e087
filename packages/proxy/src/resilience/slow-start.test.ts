// Plan I7: a new host's share of the traffic over its warm-up window.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balanced } from './balanced.ts';

const OLD = { address: '10.0.0.1' };
const NEW = { address: '10.0.0.2' };
const WINDOW_MS = 60_000;

type Row = { policy: 'ROUND_ROBIN' | 'LEAST_REQUEST'; aggression: number; minPercent: number };

const ROWS: readonly Row[] = [
  { policy: 'ROUND_ROBIN', aggression: 1, minPercent: 10 },
  { policy: 'ROUND_ROBIN', aggression: 2, minPercent: 10 },
  { policy: 'LEAST_REQUEST', aggression: 1, minPercent: 30 },
  { policy: 'LEAST_REQUEST', aggression: 2, minPercent: 50 },
];

for (const { policy, aggression, minPercent } of ROWS) {
  test(`I7: ${policy} warms up with aggression ${aggression} from ${minPercent} %`, () => {
    const config = {
      slow_start_config: {
        slow_start_window: `${WINDOW_MS / 1000}s`,
        aggression: { default_value: aggression, runtime_key: 'a' },
        min_weight_percent: { value: minPercent },
      },
    };
    const field = policy === 'ROUND_ROBIN' ? 'round_robin_lb_config' : 'least_request_lb_config';
    const { clock, place, split, close } = balanced({ fields: { lb_policy: policy, [field]: config }, places: [{ endpoints: [OLD] }] });
    clock.advance(2 * WINDOW_MS);
    place([{ endpoints: [OLD, NEW] }]);
    for (const age of [0, 0.1, 0.25, 0.5, 0.75, 0.95, 1.1]) {
      clock.advance(0);
      const factor = age >= 1 ? 1 : Math.max(minPercent / 100, age ** (1 / aggression));
      const expected = factor / (1 + factor);
      const share = (split((host) => host.ip).get(NEW.address) ?? 0) / 10_000;
      assert.ok(Math.abs(share - expected) <= 0.1 * expected + 0.01, `at ${age} of the window: ${share}, not ${expected}`);
      const next = [0.1, 0.25, 0.5, 0.75, 0.95, 1.1].find((one) => one > age) ?? age;
      clock.advance((next - age) * WINDOW_MS);
    }
    close();
  });
}
