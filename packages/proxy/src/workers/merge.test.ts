import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stat } from '../observe/stats.ts';
import { mergeExpositions, mergeStats } from './merge.ts';

const stat = (name: string, value: number): Stat => ({ name, family: name, labels: {}, type: 'counter', value });

test('numbers of threads add up, those of the process do not', () => {
  const threads = [
    [stat('http.a.downstream_rq_total', 2), stat('server.uptime', 7)],
    [stat('http.a.downstream_rq_total', 3), stat('server.uptime', 0), stat('cluster.b.upstream_rq_total', 1)],
  ];
  const merged = mergeStats(threads, (name) => name.startsWith('server.'));
  assert.deepEqual(
    merged.map(({ name, value }) => [name, value]),
    [
      ['http.a.downstream_rq_total', 5],
      ['server.uptime', 7],
      ['cluster.b.upstream_rq_total', 1],
    ],
  );
});

test('expositions add up sample by sample, label values with spaces and braces included', () => {
  const one = '# HELP a A.\n# TYPE a counter\na{x="p q}"} 2\na{x="r"} 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 3\nh_sum 1.5\n';
  const two =
    '# HELP a A.\n# TYPE a counter\na{x="p q}"} 5\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 0.5\n# TYPE only gauge\nonly 1\n';
  assert.equal(
    mergeExpositions([one, two]),
    '# HELP a A.\n# TYPE a counter\na{x="p q}"} 7\na{x="r"} 1\n# TYPE h histogram\nh_bucket{le="+Inf"} 4\nh_sum 2\n# TYPE only gauge\nonly 1\n',
  );
});
