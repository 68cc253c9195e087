import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, ROUTER, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, exchangeOnce, ok, openWire } from '../testing/wire.ts';

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n${headers}\r\n`;
const HTTP = 'envoy.extensions.filters.http';
const filter = (name: string, type: string, fields: JsonObject): JsonObject => ({ name, typed_config: any(`${HTTP}.${type}`, fields) });
const inList = (...filters: JsonObject[]): JsonObject => ({ http_filters: [...filters, ROUTER] });
const HUNDRED = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

test('a local rate limit lets as many through as there are tokens, by descriptor and in all', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream(answering(() => ok('real', 'connection: close\r\n')));
    const bucket = (max_tokens: number) => ({ max_tokens, tokens_per_fill: max_tokens, fill_interval: '1000s' });
    const limit = filter('rl', 'local_ratelimit.v3.LocalRateLimit', {
      stat_prefix: 'rl',
      token_bucket: bucket(3),
      filter_enabled: HUNDRED,
      filter_enforced: HUNDRED,
      response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }],
      descriptors: [{ entries: [{ key: 'user', value: 'a' }], token_bucket: bucket(1) }],
    });
    const rate_limits = [{ actions: [{ request_headers: { header_name: 'x-user', descriptor_key: 'user' } }] }];
    const off = { typed_per_filter_config: { rl: any('envoy.config.route.v3.FilterConfig', { disabled: true }) } };
    await apply({
      listeners: [httpListener('in', [{ ...routeTo('up', {}, '/free'), ...off }, routeTo('up', { rate_limits })], inList(limit))],
      clusters: [cluster('up', [up.port])],
    });
    assert.match(await exchangeOnce(port(), get('/', 'x-user: a\r\n')), /real$/);
    assert.match(
      await exchangeOnce(port(), get('/', 'x-user: a\r\n')),
      /^HTTP\/1\.1 429 [\s\S]*x-limited: yes\r\n[\s\S]*local_rate_limited$/,
    );
    assert.match(await exchangeOnce(port(), get('/', 'x-user: b\r\n')), /real$/);
    assert.match(await exchangeOnce(port(), get('/')), /real$/);
    assert.match(await exchangeOnce(port(), get('/', 'content-type: application/grpc\r\n')), /^HTTP\/1\.1 200 [\s\S]*grpc-status: 14\r\n/);
    assert.match(await exchangeOnce(port(), get('/free')), /real$/);
    assert.equal(log.filter((line) => line.includes(' RL local_rate_limited')).length, 2);
  });
});

test('a buffered request reaches the upstream whole, with its length; a longer one is a 413', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('|')) socket.write(ok('real', 'connection: close\r\n'));
    });
    const buffer = filter('b', 'buffer.v3.Buffer', { max_request_bytes: 200_000 });
    await apply({ listeners: [httpListener('in', [routeTo('up')], inList(buffer))], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
    const piece = 'x'.repeat(50_000);
    for (let i = 0; i < 3; i++) wire.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(up.received.join(''), '');
    wire.send('1\r\n|\r\n0\r\n\r\n');
    await wire.expect('real');
    wire.close();
    assert.match(up.received.join(''), /content-length: 150001\r\n/);
    assert.doesNotMatch(up.received.join(''), /transfer-encoding/);
    const long = await openWire(port());
    long.send(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200001\r\n\r\n${'x'.repeat(200_001)}`);
    await long.expect('413 Payload Too Large');
    long.close();
  });
});

test('filter state and metadata that filters note are there for routes to match and for headers to tell', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream(answering((request) => ok(request)));
    const state = filter('s', 'set_filter_state.v3.Config', {
      on_request_headers: [
        { object_key: 'who', format_string: { text_format_source: { inline_string: '%REQ(x-user)%!' } } },
        { object_key: 'none', format_string: { text_format_source: { inline_string: '%REQ(nope)%' } }, skip_if_empty: true },
      ],
      clear_route_cache: true,
    });
    const metadata = filter('m', 'set_metadata.v3.Config', { metadata: [{ metadata_namespace: 'ns', value: { a: { b: 'deep' } } }] });
    const toMetadata = filter('h', 'header_to_metadata.v3.Config', {
      request_rules: [{ header: 'x-user', on_header_present: { metadata_namespace: 'ns', key: 'user' }, remove: false }],
    });
    const request_headers_to_add = [
      { header: { key: 'x-told', value: '%DYNAMIC_METADATA(ns:a:b)% %DYNAMIC_METADATA(ns:user)% %FILTER_STATE(who)%' } },
      { header: { key: 'x-missing', value: '%REQ(nope)%' } },
    ];
    const match = { prefix: '/', filter_state: [{ key: 'who', string_match: { exact: 'jo!' } }] };
    await apply({
      listeners: [
        httpListener(
          'in',
          [
            { ...routeTo('up'), match, request_headers_to_add },
            { match: { prefix: '/' }, direct_response: { status: 404 } },
          ],
          {
            ...inList(metadata, toMetadata, state),
          },
        ),
      ],
      clusters: [cluster('up', [up.port])],
    });
    const answer = await exchangeOnce(port(), get('/', 'x-user: jo\r\n'));
    assert.match(answer, /x-told: deep jo "jo!"$/);
    assert.doesNotMatch(answer, /x-missing/);
    assert.match(await exchangeOnce(port(), get('/', 'x-user: al\r\n')), /^HTTP\/1\.1 404 /);
  });
});

test('local replies are mapped, laid out, and told to gRPC clients in their way', async () => {
  await onStage(async ({ apply, port }) => {
    const local_reply_config = {
      mappers: [
        {
          filter: { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 444, runtime_key: 'x' } } } },
          status_code: 449,
          body: { inline_string: 'mapped 100%' },
          body_format_override: { json_format: { code: '%RESPONSE_CODE%', body: '%LOCAL_REPLY_BODY%' } },
          headers_to_add: [{ header: { key: 'x-lr', value: '%RESPONSE_FLAGS%' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
        },
      ],
    };
    const response_headers_to_add = [{ header: { key: 'x-d', value: '%ROUTE_NAME%/%REQ(nope)%' } }];
    await apply({
      listeners: [
        httpListener(
          'in',
          [
            { match: { prefix: '/j' }, direct_response: { status: 444, body: { inline_string: 'orig' } } },
            { name: 'made', match: { prefix: '/made' }, direct_response: { status: 201 }, response_headers_to_add },
          ],
          { local_reply_config },
        ),
      ],
    });
    assert.match(
      await exchangeOnce(port(), get('/j')),
      /^HTTP\/1\.1 449 [\s\S]*x-lr: -\r\n[\s\S]*content-type: application\/json\r\n[\s\S]*\{"body":"mapped 100%","code":449\}\n$/,
    );
    const grpc = await exchangeOnce(port(), get('/j', 'content-type: application/grpc\r\n'));
    assert.match(grpc, /^HTTP\/1\.1 200 [\s\S]*grpc-status: 2\r\ngrpc-message: \{"body":"mapped 100%25","code":449\}%0A\r\n/);
    assert.match(await exchangeOnce(port(), get('/zz', 'content-type: application/grpc+proto\r\n')), /grpc-status: 12\r\n/);
    assert.match(
      await exchangeOnce(port(), get('/made')),
      /^HTTP\/1\.1 201 [\s\S]*location: http:\/\/a\.test\/made\r\n[\s\S]*x-d: made\/\r\n/,
    );
  });
});

test('redirects inside: followed as often as allowed, with copied headers, else passed on', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream(
      answering((request) => {
        const path = request.split(' ')[1] as string;
        if (!path.startsWith('/go')) return ok(`${request}\n`, 'connection: close\r\n');
        const location = path === '/go/rel' ? '/rel' : path === '/go/loop' ? 'http://b.test/go/loop' : 'http://b.test/there?x=1';
        return `HTTP/1.1 302 Found\r\nlocation: ${location}\r\nx-c: 7\r\ncontent-length: 0\r\n\r\n`;
      }),
    );
    const internal_redirect_policy = { max_internal_redirects: 2, response_headers_to_copy: ['x-c'] };
    await apply({
      listeners: [httpListener('in', [routeTo('up', { internal_redirect_policy })])],
      clusters: [cluster('up', [up.port])],
    });
    const followed = await exchangeOnce(port(), get('/go/there'));
    assert.match(
      followed,
      /^HTTP\/1\.1 200 [\s\S]*GET \/there\?x=1 HTTP[\s\S]*x-c: 7[\s\S]*host: b\.test[\s\S]*x-envoy-original-url: http:\/\/a\.test\/go\/there/,
    );
    assert.match(await exchangeOnce(port(), get('/go/rel')), /^HTTP\/1\.1 302 [\s\S]*location: \/rel/);
    const before = up.received.join('').split('GET ').length;
    assert.match(await exchangeOnce(port(), get('/go/loop')), /^HTTP\/1\.1 302 /);
    assert.equal(up.received.join('').split('GET ').length - before, 3);
    assert.equal(log.filter((line) => line === '302 - internal_redirect').length, 3);
  });
});

test('a fault slows the body down; trailers and query parameters are mutated; gRPC messages are counted', async () => {
  const seen: number[][] = [];
  await onStage(
    async ({ upstream, apply, port }) => {
      const frame = `\0\0\0\0\x03abc`;
      const up = await upstream((socket, received) => {
        if (!received.endsWith('\r\n\r\n') && !received.endsWith('0\r\n\r\n')) return;
        const body = received.startsWith('POST') ? frame + frame : 'y'.repeat(3000);
        socket.write(
          `HTTP/1.1 200 OK\r\nx-path: ${received.split(' ')[1]}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
        );
      });
      const fault = filter('f', 'fault.v3.HTTPFault', {
        response_rate_limit: { fixed_limit: { limit_kbps: 10 }, percentage: { numerator: 100 } },
        headers: [{ name: 'x-slow' }],
      });
      const mutation = filter('m', 'header_mutation.v3.HeaderMutation', {
        mutations: {
          query_parameter_mutations: [
            { append: { record: { key: 'b', value: '%REQ(x-b)%' }, action: 'OVERWRITE_IF_EXISTS_OR_ADD' } },
            { remove: 'gone' },
          ],
        },
      });
      const stats = filter('g', 'grpc_stats.v3.FilterConfig', { stats_for_all_methods: true });
      await apply({
        listeners: [httpListener('in', [routeTo('up')], inList(fault, mutation, stats))],
        clusters: [cluster('up', [up.port])],
      });
      const started = performance.now();
      const slow = await exchangeOnce(port(), get('/p?b=1&gone=2&c=3', 'x-slow: 1\r\nx-b: 2 3\r\n'));
      assert.ok(performance.now() - started >= 240, 'as slow as 10 KiB/s');
      assert.match(slow, /x-path: \/p\?b=2%203&c=3\r\n[\s\S]*y{3000}$/);
      const head = 'POST /pkg.Service/Method HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n';
      const wire = await openWire(port());
      wire.send(`${head}8\r\n${frame}\r\n`);
      wire.send(`3\r\n\0\0\0\r\n`);
      wire.send(`4\r\n\0\x02ab\r\n0\r\n\r\n`);
      await wire.expect('abc');
      wire.close();
      assert.deepEqual(seen.at(-1), [2, 2]);
    },
    {
      observer: {
        http: () => ({
          connectionOpened() {},
          connectionClosed() {},
          requestStarted() {},
          finish: (record) => void seen.push([record.requestMessages, record.responseMessages]),
        }),
        tcp: () => ({ connectionOpened() {}, finish() {} }),
      },
    },
  );
});
