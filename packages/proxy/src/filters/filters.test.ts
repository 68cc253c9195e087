import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import type { RequestRecord } from '../http/request-record.ts';
import { createProxy } from '../proxy.ts';
import { any, cluster, httpListener, ROUTER, routeTo, runtimeOf } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, exchangeOnce, ok, openWire } from '../testing/wire.ts';

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n${headers}\r\n`;
const httpFilter = (name: string, type: string, fields: JsonObject = {}): JsonObject => ({ name, typed_config: any(type, fields) });
const FAULT = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

test('faults: a delay, then an abort, by route, with their flags', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith(received.startsWith('POST') ? 'body' : '\r\n\r\n')) socket.write(ok('real', 'connection: close\r\n'));
    });
    const percentage = { numerator: 100, denominator: 'HUNDRED' };
    const fault = (fields: JsonObject) => ({ typed_per_filter_config: { 'envoy.filters.http.fault': any(FAULT, fields) } });
    const delay = { fixed_delay: '0.05s', percentage };
    await apply({
      listeners: [
        httpListener(
          'in',
          [
            { ...routeTo('up', {}, '/abort'), ...fault({ abort: { http_status: 555, percentage } }) },
            { ...routeTo('up', {}, '/slow'), ...fault({ delay }) },
            { ...routeTo('up', {}, '/both'), ...fault({ delay, abort: { http_status: 500, percentage } }) },
            routeTo('up'),
          ],
          { http_filters: [httpFilter('envoy.filters.http.fault', FAULT), ROUTER] },
        ),
      ],
      clusters: [cluster('up', [up.port])],
    });
    assert.match(await exchangeOnce(port(), get('/abort')), /^HTTP\/1\.1 555 [\s\S]*fault filter abort$/);
    const posted = await openWire(port());
    posted.send('POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nsome');
    posted.send('body');
    await posted.expect('real');
    posted.close();
    assert.match(up.received.join(''), /somebody$/);
    log.length = 0;
    log.push('555 FI fault_filter_abort');
    const before = performance.now();
    assert.match(await exchangeOnce(port(), get('/slow')), /real$/);
    assert.ok(performance.now() - before >= 45);
    assert.match(await exchangeOnce(port(), get('/both')), /^HTTP\/1\.1 500 /);
    assert.match(await exchangeOnce(port(), get('/')), /real$/);
    assert.deepEqual(log, ['555 FI fault_filter_abort', '200 DI via_upstream', '500 DI,FI fault_filter_abort', '200 - via_upstream']);
    const left = await openWire(port());
    left.send(get('/slow'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    left.socket.resetAndDestroy();
    await eventually(() => log.length === 5);
    assert.match(log[4]!, /^0 DI,DC /);
  });
});

test('cors: preflights are answered for allowed origins, other answers are marked', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('real')));
    const policy = {
      allow_origin_string_match: [{ exact: 'https://good.test' }],
      allow_methods: 'GET,PUT',
      max_age: '60',
      allow_credentials: true,
    };
    const type = 'envoy.extensions.filters.http.cors.v3';
    await apply({
      listeners: [
        httpListener(
          'in',
          [{ ...routeTo('up'), typed_per_filter_config: { 'envoy.filters.http.cors': any(`${type}.CorsPolicy`, policy) } }],
          {
            http_filters: [httpFilter('envoy.filters.http.cors', `${type}.Cors`), ROUTER],
          },
        ),
      ],
      clusters: [cluster('up', [up.port])],
    });
    const preflight = (origin: string) =>
      exchangeOnce(
        port(),
        `OPTIONS / HTTP/1.1\r\nhost: a\r\nconnection: close\r\norigin: ${origin}\r\naccess-control-request-method: PUT\r\n\r\n`,
      );
    const allowed = await preflight('https://good.test');
    assert.match(allowed, /^HTTP\/1\.1 200 /);
    assert.match(allowed, /access-control-allow-origin: https:\/\/good\.test\r\n/);
    assert.match(allowed, /access-control-allow-methods: GET,PUT\r\n/);
    assert.equal(up.received.length, 0);
    assert.doesNotMatch(await preflight('https://evil.test'), /access-control-allow-origin/);
    assert.match(
      await exchangeOnce(port(), get('/', 'origin: https://good.test\r\n')),
      /access-control-allow-credentials: true\r\n[\s\S]*real$/,
    );
    assert.doesNotMatch(await exchangeOnce(port(), get('/', 'origin: https://evil.test\r\n')), /access-control/);
  });
});

test('mirrors get a copy of the whole request; the client sees only the main answer, also when the mirror is dead', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const main = await upstream((socket, received) => {
      if (received.endsWith('body')) socket.write(ok('main'));
    });
    const shadow = await upstream((socket, received) => {
      if (received.endsWith('body')) socket.write(ok('shadow'));
    });
    const mirrors = { request_mirror_policies: [{ cluster: 'shadow' }, { cluster: 'dead' }, { cluster: 'missing' }] };
    await apply({
      listeners: [httpListener('in', [routeTo('main', mirrors)])],
      clusters: [cluster('main', [main.port]), cluster('shadow', [shadow.port]), cluster('dead', [1])],
    });
    const wire = await openWire(port());
    wire.send('POST /x?y HTTP/1.1\r\nhost: a.test\r\ncontent-length: 8\r\nconnection: close\r\n\r\nsome');
    wire.send('body');
    const answer = await wire.closed();
    assert.match(answer, /main$/);
    assert.ok(!answer.includes('shadow'));
    await eventually(() => shadow.received[0]?.endsWith('somebody') === true);
    assert.match(shadow.received[0]!, /^POST \/x\?y HTTP\/1\.1\r\n[\s\S]*content-length: 8\r\n/);
    wire.close();
  });
});

test('header operations, path and host rewrites reach the upstream and the client', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering(() => ok('x', 'x-drop: 1\r\n')));
    await apply({
      listeners: [
        httpListener('in', [
          {
            match: { prefix: '/old' },
            route: { cluster: 'up', prefix_rewrite: '/new', host_rewrite_literal: 'inner.test' },
            request_headers_to_add: [
              { header: { key: 'x-client', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
              { header: { key: 'x-two', value: 'ü' } },
            ],
            request_headers_to_remove: ['x-secret'],
            response_headers_to_add: [{ header: { key: 'x-code', value: '%RESPONSE_CODE%' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
            response_headers_to_remove: ['x-drop'],
          },
        ]),
      ],
      clusters: [cluster('up', [up.port])],
    });
    const answer = await exchangeOnce(port(), get('/old/path?q=1', 'x-secret: s\r\nx-two: 1\r\n'));
    const seen = up.received[0]!;
    assert.match(seen, /^GET \/new\/path\?q=1 HTTP\/1\.1\r\n/);
    assert.match(seen, /\r\nhost: inner\.test\r\n/);
    assert.match(seen, /\r\nx-envoy-original-path: \/old\/path\?q=1\r\n/);
    assert.match(seen, /\r\nx-client: 127\.0\.0\.1\r\n/);
    assert.match(seen, /\r\nx-two: 1\r\n[\s\S]*x-two: \xc3\xbc\r\n/);
    assert.ok(!seen.includes('x-secret'));
    assert.match(answer, /\r\nx-code: 200\r\n/);
    assert.ok(!answer.includes('x-drop'));
  });
});

test('an edge says who the client is and takes nothing internal from outside; a sidecar believes its peer', async () => {
  await onStage(async ({ upstream, apply, port, proxy }) => {
    const up = await upstream(answering(() => ok('x')));
    await apply({
      listeners: [httpListener('in', [routeTo('up')], { use_remote_address: true }), httpListener('side', [routeTo('up')])],
      clusters: [cluster('up', [up.port])],
    });
    const forged =
      'x-envoy-retry-on: 5xx\r\nx-envoy-original-path: /x\r\nx-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-request-id: mine\r\n';
    await exchangeOnce(port(), get('/', forged));
    const edge = up.received.join('');
    assert.match(edge, /\r\nx-forwarded-for: 1\.2\.3\.4,127\.0\.0\.1\r\n/);
    assert.match(edge, /\r\nx-forwarded-proto: http\r\n/);
    assert.match(edge, /\r\nx-request-id: [0-9a-f]{8}-/);
    assert.doesNotMatch(edge, /x-envoy-retry-on|x-envoy-original-path|x-request-id: mine/);
    await exchangeOnce(proxy.addressOf('side')!.port, get('/', forged));
    const side = up.received.join('').slice(edge.length);
    assert.match(side, /\r\nx-forwarded-for: 1\.2\.3\.4\r\n[\s\S]*x-forwarded-proto: https\r\n[\s\S]*x-request-id: mine\r\n/);
  });
});

test('two proxies tell each other who they are, and neither application sees it', async () => {
  const records: RequestRecord['downstreamPeer'][] = [];
  const node = (name: string) => ({
    id: `sidecar~10.0.0.1~${name}.ns~ns.svc`,
    cluster: name,
    metadata: { WORKLOAD_NAME: name, NAMESPACE: 'ns', CLUSTER_ID: 'Kubernetes', LABELS: { app: name, version: 'v1' } },
  });
  const peer = httpFilter('envoy.filters.http.peer_metadata', 'io.istio.http.peer_metadata.Config', {
    downstream_discovery: [{ istio_headers: {} }],
    upstream_discovery: [{ istio_headers: {} }],
    downstream_propagation: [{ istio_headers: {} }],
    upstream_propagation: [{ istio_headers: {} }],
  });
  const silent = { connectionOpened() {}, connectionClosed() {}, requestStarted() {} };
  const callee = createProxy({
    node: node('reviews'),
    observer: {
      http: () => ({ ...silent, finish: (record) => void records.push(record.downstreamPeer) }),
      tcp: () => ({ connectionOpened() {}, finish() {} }),
    },
  });
  const caller = createProxy({
    node: node('productpage'),
    observer: {
      http: () => ({ ...silent, finish: (record) => void records.push(record.upstreamPeer) }),
      tcp: () => ({ connectionOpened() {}, finish() {} }),
    },
  });
  try {
    await onStage(async ({ upstream }) => {
      const app = await upstream(answering(() => ok('stars')));
      const filters = { http_filters: [peer, ROUTER] };
      await callee.apply(runtimeOf({ listeners: [httpListener('in', [routeTo('app')], filters)], clusters: [cluster('app', [app.port])] }));
      const inbound = callee.addressOf('in')!.port;
      await caller.apply(runtimeOf({ listeners: [httpListener('in', [routeTo('out')], filters)], clusters: [cluster('out', [inbound])] }));
      const answer = await exchangeOnce(caller.addressOf('in')!.port, get('/'));
      assert.match(answer, /stars$/);
      assert.ok(!answer.includes('peer-metadata'));
      await eventually(() => records.length === 2);
      assert.deepEqual(
        records.map((one) => [one?.workloadName, one?.namespace, one?.clusterId, one?.labels['version']]),
        [
          ['productpage', 'ns', 'Kubernetes', 'v1'],
          ['reviews', 'ns', 'Kubernetes', 'v1'],
        ],
      );
    });
  } finally {
    await caller.close();
    await callee.close();
  }
});

for (const [what, metadata, isTold] of [
  ['within the mesh', {}, true],
  ['of a service outside', { istio: { external: true } }, false],
  ['without metadata exchange', { istio: { disable_mx: true } }, false],
] as const) {
  test(`skip_external_clusters: a cluster ${what} ${isTold ? 'hears' : 'does not hear'} who calls`, async () => {
    await onStage(async ({ upstream, apply, port }) => {
      const up = await upstream(answering(() => ok('hi')));
      const peer = httpFilter('envoy.filters.http.peer_metadata', 'io.istio.http.peer_metadata.Config', {
        upstream_propagation: [{ istio_headers: { skip_external_clusters: true } }],
      });
      const clusters = [cluster('up', [up.port], { metadata: { filter_metadata: metadata } })];
      await apply({ listeners: [httpListener('in', [routeTo('up')], { http_filters: [peer, ROUTER] })], clusters });
      await exchangeOnce(port(), get('/'));
      assert.equal(up.received.join('').includes('x-envoy-peer-metadata:'), isTold);
    });
  });
}
