import assert from 'node:assert/strict';
import test from 'node:test';
import { any, cluster, httpListener, ROUTER, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, exchangeOnce, ok, openWire } from '../testing/wire.ts';

const HTTP = 'envoy.extensions.filters.http';
const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n${headers}\r\n`;

test('weighted clusters: chance decides by weight, each entry with its own headers', async () => {
  let chance = 0;
  await onStage(
    async ({ upstream, apply, port }) => {
      const ups = await Promise.all(['a', 'b', 'c'].map((name) => upstream(answering(() => ok(name)))));
      const entry = (name: string, weight: number) => ({
        name,
        weight,
        request_headers_to_add: [{ header: { key: 'x-entry', value: name } }],
        response_headers_to_add: [{ header: { key: 'x-from', value: name } }],
      });
      const rule = { match: { prefix: '/' }, route: { weighted_clusters: { clusters: [entry('a', 20), entry('b', 0), entry('c', 80)] } } };
      await apply({
        listeners: [httpListener('in', [rule])],
        clusters: ['a', 'b', 'c'].map((name, i) => cluster(name, [ups[i]!.port])),
      });
      for (const [at, name] of [
        [0, 'a'],
        [0.199, 'a'],
        [0.2, 'c'],
        [0.999, 'c'],
      ] as const) {
        chance = at;
        assert.match(await exchangeOnce(port(), get('/')), new RegExp(`x-from: ${name}\\r\\n[^]*${name}$`), `at ${at}`);
      }
      assert.match(ups[0]!.received.join(''), /x-entry: a\r\n/);
      assert.equal(ups[1]!.received.length, 0, 'a weight of zero');
    },
    { random: () => chance },
  );
});

test('header_mutation: the filter first, then the route, both ways', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('x', 'x-internal: 1\r\n')));
    const append = (key: string, value: string) => ({
      append: { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
    });
    const filter = {
      name: 'mutate',
      typed_config: any(`${HTTP}.header_mutation.v3.HeaderMutation`, {
        mutations: {
          request_mutations: [append('x-one', 'filter'), append('x-two', 'filter'), { remove: 'x-secret' }],
          response_mutations: [{ remove: 'x-internal' }],
        },
      }),
    };
    const perRoute = {
      typed_per_filter_config: {
        mutate: any(`${HTTP}.header_mutation.v3.HeaderMutationPerRoute`, {
          mutations: { request_mutations: [append('x-two', 'route')], response_mutations: [append('x-by', 'route')] },
        }),
      },
    };
    await apply({
      listeners: [httpListener('in', [{ ...routeTo('up'), ...perRoute }], { http_filters: [filter, ROUTER] })],
      clusters: [cluster('up', [up.port])],
    });
    const answer = await exchangeOnce(port(), get('/', 'x-secret: 1\r\n'));
    const sent = up.received.join('');
    assert.match(sent, /x-one: filter\r\n/);
    assert.match(sent, /x-two: route\r\n/);
    assert.doesNotMatch(sent, /x-secret|x-two: filter/);
    assert.match(answer, /x-by: route\r\n/);
    assert.doesNotMatch(answer, /x-internal/);
  });
});

test('health_check: answers by itself what its matchers take, 503 while draining', async () => {
  await onStage(async ({ upstream, apply, port, proxy, log }) => {
    const up = await upstream(answering(() => ok('app')));
    const filter = {
      name: 'health',
      typed_config: any(`${HTTP}.health_check.v3.HealthCheck`, {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
      }),
    };
    await apply({
      listeners: [httpListener('in', [routeTo('up')], { http_filters: [filter, ROUTER] })],
      clusters: [cluster('up', [up.port])],
    });
    assert.match(await exchangeOnce(port(), get('/healthz')), /^HTTP\/1\.1 200 /);
    assert.equal(up.received.length, 0);
    assert.deepEqual(log, ['200 - health_check_ok']);
    const kept = await openWire(port());
    kept.send('GET /other HTTP/1.1\r\nhost: a\r\n\r\n');
    await kept.expect('app');
    proxy.drain();
    kept.send('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    await kept.expect('HTTP/1.1 503 ');
    kept.close();
  });
});
