import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetricRegistry } from './metrics.ts';

test('the exposition has help, type, sorted labels, escaped values and cumulative buckets', () => {
  const registry = createMetricRegistry();
  const requests = registry.counter({ name: 'requests_total', help: 'All\nrequests.' });
  requests.labels({ b: 'x"y\\z\n', a: '1' }).add();
  requests.labels({ a: '1', b: 'x"y\\z\n' }).add(2);
  registry.gauge({ name: 'unused', help: 'Has no series.' });
  const gauge = registry.gauge({ name: 'open', help: 'Open.' });
  registry.onCollect(() => gauge.labels().set(7));
  const durations = registry.histogram({ name: 'duration_ms', help: 'Duration.', buckets: [1, 5] });
  for (const value of [0.5, 1, 3, 9]) durations.labels({ k: 'v' }).observe(value);
  assert.equal(
    registry.expose(),
    [
      '# HELP requests_total All\\nrequests.',
      '# TYPE requests_total counter',
      'requests_total{a="1",b="x\\"y\\\\z\\n"} 3',
      '# HELP open Open.',
      '# TYPE open gauge',
      'open 7',
      '# HELP duration_ms Duration.',
      '# TYPE duration_ms histogram',
      'duration_ms_bucket{k="v",le="1"} 2',
      'duration_ms_bucket{k="v",le="5"} 3',
      'duration_ms_bucket{k="v",le="+Inf"} 4',
      'duration_ms_sum{k="v"} 13.5',
      'duration_ms_count{k="v"} 4',
      '',
    ].join('\n'),
  );
});

test('a series can be forgotten, and a name is registered once', () => {
  const registry = createMetricRegistry();
  const family = registry.counter({ name: 'a', help: 'A.' });
  family.labels({ x: '1' }).add();
  family.remove({ x: '1' });
  assert.equal(registry.expose(), '');
  assert.throws(() => registry.gauge({ name: 'a', help: 'A.' }), /registered twice/);
});
