import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { countOf } from '../observe/histogram.ts';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';

test('how long connections and answers of a cluster took', async () => {
  await onStage(async ({ port, upstream, apply, proxy }) => {
    const up = await upstream((socket) => void setTimeout(() => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'), 25));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    for (const _ of [1, 2])
      assert.equal(await (await fetch(`http://127.0.0.1:${port()}/`, { headers: { connection: 'close' } })).text(), 'ok');
    const { stats } = proxy.clusters()[0]!;
    const [listener] = proxy.listeners();
    await eventually(() => countOf(stats.upstream_cx_length_ms.counts()) === 2);
    await eventually(() => countOf(listener!.stats.downstream_cx_length_ms.counts()) === 2);
    assert.equal(countOf(stats.upstream_cx_connect_ms.counts()), 2);
    assert.deepEqual(stats.upstream_rq_per_cx.counts(), [[1, 2]]);
    const answers = stats.upstream_rq_time.counts();
    assert.equal(countOf(answers), 2);
    assert.ok(
      answers.every(([bin]) => bin >= 20),
      'the answer took 25 ms',
    );
  });
});
