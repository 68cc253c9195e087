// Plan I8 and issue 3's sixth promise: endpoints come and go and routes are swapped under load, and no request fails.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignment, httpListener, routeTo, runtimeOf } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire, type RawServer } from '../testing/wire.ts';

const CHANGES = 1000;
const SWAPS = 200;
const CLIENTS = 6;
const SERVERS = 8;
const PAUSE_MS = 5;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test(`I8: ${CHANGES} endpoint changes and ${SWAPS} route swaps under load fail no request`, async () => {
  await onStage(async ({ upstream, proxy, port }) => {
    const servers: RawServer[] = [];
    for (let i = 0; i < SERVERS; i++) servers.push(await upstream(answering(() => ok(`from ${i}`))));
    const eds = {
      name: 'up',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {} } },
      lb_policy: 'LEAST_REQUEST',
      connect_timeout: '5s',
    };
    const routes = (n: number) => [
      { name: 'r', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [routeTo('up', {}, `/other-${n}`), routeTo('up')] }] },
    ];
    // Four of eight hosts, one of them exchanged at each change.
    const endpointsAt = (n: number) =>
      runtimeOf({
        endpoints: [
          assignment(
            'up',
            [0, 1, 2, 3].map((i) => (servers[(n + i) % SERVERS] as RawServer).port),
          ),
        ],
      }).endpoints;
    const base = runtimeOf({ listeners: [httpListener('in', 'r')], routes: routes(0), clusters: [eds] });
    let runtime = { ...base, endpoints: endpointsAt(0) };
    await proxy.apply(runtime);
    let isOver = false;
    let served = 0;
    const failures: string[] = [];
    const client = async () => {
      const wire = await openWire(port());
      let answers = 0;
      let seen = 0;
      while (!isOver && failures.length < 5) {
        wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        const before = performance.now();
        for (;;) {
          const at = wire.text().indexOf('from ', seen);
          if (at >= 0) {
            if (!wire.text().slice(seen).startsWith('HTTP/1.1 200')) failures.push(wire.text().slice(seen, seen + 100));
            seen = wire.text().length;
            break;
          }
          if (wire.isClosed() || performance.now() - before > 5000) {
            failures.push(`no answer ${answers}: ${wire.text().slice(seen)}`);
            break;
          }
          await pause(1);
        }
        answers++;
        served++;
        await pause(10);
      }
      wire.close();
    };
    const clients = Array.from({ length: CLIENTS }, client);
    for (let n = 1; n <= CHANGES; n++) {
      runtime = {
        ...runtime,
        endpoints: endpointsAt(n),
        ...(n % (CHANGES / SWAPS) === 0 && { routes: runtimeOf({ routes: routes(n) }).routes }),
      };
      await proxy.apply(runtime);
      await pause(PAUSE_MS);
    }
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    assert.ok(served > 500, `${served} requests`);
    const state = proxy.clusters()[0];
    assert.deepEqual([state?.hostCount, state?.stats.membership_total], [4, 4]);
    assert.equal(state?.stats.membership_change, CHANGES + 1);
    assert.ok(state?.listHosts().every((host) => host.stats.rq_active === 0));
  });
});
