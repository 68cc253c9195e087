// Plan I11: injected faults, and mirrors whose shadow is dead, slow or broken: the main request never notices.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually, freePort } from '@lateen/base/testing';
import { any, cluster, httpListener, ROUTER, routeTo } from '../testing/runtime.ts';
import { onStage, type Stage } from '../testing/stage.ts';
import { answering, ok, openWire } from '../testing/wire.ts';

const FAULT = 'envoy.extensions.filters.http.fault.v3.HTTPFault';
const ALWAYS = { numerator: 100, denominator: 'HUNDRED' };
const REQUESTS = 20;

const withFault = (fields: JsonObject): JsonObject => ({
  http_filters: [{ name: 'envoy.filters.http.fault', typed_config: any(FAULT, fields) }, ROUTER],
});

test('I11: an injected abort reaches no upstream', async () => {
  await onStage(async ({ upstream, apply, port, log }) => {
    const up = await upstream(answering(() => ok('fine')));
    const hcm = withFault({ abort: { http_status: 503, percentage: ALWAYS } });
    await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await wire.expect('fault filter abort'), /^HTTP\/1\.1 503 /);
    assert.deepEqual([log, up.received.length], [['503 FI fault_filter_abort'], 0]);
    wire.close();
  });
});

test('I11: an injected delay holds the request back, not the answer', async () => {
  await onStage(async ({ upstream, apply, port, log }) => {
    const up = await upstream(answering(() => ok('fine')));
    const hcm = withFault({ delay: { fixed_delay: '0.1s', percentage: ALWAYS } });
    await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    const before = performance.now();
    wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await wire.expect('fine');
    assert.ok(performance.now() - before >= 95);
    assert.deepEqual(log, ['200 DI via_upstream']);
    wire.close();
  });
});

type Shadow = { name: string; clusters(stage: Stage): Promise<JsonObject[]> };

const SHADOWS: readonly Shadow[] = [
  { name: 'refuses connections', clusters: async () => [cluster('shadow', [await freePort()])] },
  { name: 'never answers', clusters: async ({ upstream }) => [cluster('shadow', [(await upstream(() => {})).port])] },
  {
    name: 'resets every connection',
    clusters: async ({ upstream }) => [cluster('shadow', [(await upstream((socket) => void socket.resetAndDestroy())).port])],
  },
  { name: 'does not exist', clusters: async () => [] },
];

for (const { name, clusters } of SHADOWS) {
  test(`I11: a mirror whose shadow ${name} does not touch the main request`, async () => {
    await onStage(async (stage) => {
      const up = await stage.upstream(answering(() => ok('fine')));
      const mirrored = routeTo('up', { request_mirror_policies: [{ cluster: 'shadow' }], timeout: '2s' });
      await stage.apply({
        listeners: [httpListener('in', [mirrored])],
        clusters: [cluster('up', [up.port]), ...(await clusters(stage))],
      });
      const wire = await openWire(stage.port());
      for (let i = 1; i <= REQUESTS; i++) {
        wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        await eventually(() => assert.equal(wire.text().split('fine').length - 1, i), { intervalMs: 2 });
      }
      assert.deepEqual(stage.log, Array<string>(REQUESTS).fill('200 - via_upstream'));
      assert.equal(up.received.length, 1, 'the connection to the upstream was kept');
      wire.close();
    });
  });
}
