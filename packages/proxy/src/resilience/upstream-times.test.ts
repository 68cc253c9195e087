import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { type HttpObserver, type ProxyObserver, silentObserver } from '../http/observer.ts';
import type { RequestRecord } from '../http/request-record.ts';
import { countOf } from '../observe/histogram.ts';
import { cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { ok, openWire } from '../testing/wire.ts';

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

for (const timesUpstream of [true, false]) {
  test(`when the request was sent upstream is known ${timesUpstream ? 'to who asks' : 'to nobody who did not ask'}`, async () => {
    const records: Pick<RequestRecord, 'upstreamTimes' | 'requestDurationMs' | 'responseDurationMs'>[] = [];
    const http: HttpObserver = {
      timesUpstream,
      connectionOpened() {},
      connectionClosed() {},
      requestStarted() {},
      finish: ({ upstreamTimes, requestDurationMs, responseDurationMs }) =>
        void records.push({ upstreamTimes, requestDurationMs, responseDurationMs }),
    };
    const observer: ProxyObserver = { ...silentObserver, http: () => http };
    await onStage(
      async ({ upstream, apply, port }) => {
        const up = await upstream((socket, received) => void (received.endsWith('last') && socket.write(ok(''))));
        await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
        const wire = await openWire(port());
        wire.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n1234');
        await new Promise((resolve) => setTimeout(resolve, 20));
        wire.send('last');
        await wire.expect('HTTP/1.1 200');
        wire.close();
        await eventually(() => records.length === 1);
      },
      { observer },
    );
    const [{ upstreamTimes, requestDurationMs = 0, responseDurationMs = 0 }] = records as [(typeof records)[0]];
    if (!timesUpstream) return assert.equal(upstreamTimes, undefined);
    const { beginMs, endMs = 0 } = upstreamTimes!;
    assert.ok(endMs - beginMs >= 10 && endMs >= requestDurationMs && endMs <= responseDurationMs, JSON.stringify(records));
  });
}
