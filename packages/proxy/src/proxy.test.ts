import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { eventually, freePort } from '@lateen/base/testing';
import { assignment, cluster, httpListener, routeTo, runtimeOf, tcpListener } from './testing/runtime.ts';
import { onStage } from './testing/stage.ts';
import { answering, exchangeOnce, ok, openWire } from './testing/wire.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n';
const GET_CLOSE = 'GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n';

test('a request goes through listener, route, cluster and upstream, and its answer comes back', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream(answering(() => ok('hello')));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('GET /a?b=c HTTP/1.1\r\nHost: example.test\r\nUser-Agent: x\r\n\r\n');
    const answer = await wire.expect('hello');
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /\r\nserver: istio-envoy\r\n/);
    assert.match(answer, /\r\nx-envoy-upstream-service-time: \d+\r\n/);
    assert.match(up.received[0]!, /^GET \/a\?b=c HTTP\/1\.1\r\nhost: example\.test\r\nuser-agent: x\r\n/);
    wire.send(GET);
    await eventually(() => wire.text().split('hello').length === 3);
    assert.equal(up.received.length, 1, 'the upstream connection is kept');
    assert.deepEqual(log, ['200 - via_upstream', '200 - via_upstream']);
    wire.close();
  });
});

test('bodies pass whole both ways: with length, chunked, large and slow readers', async () => {
  const big = Buffer.alloc(3_000_000, 'abcdefghij');
  const digest = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, received) => {
      const [head = '', body = ''] = received.split('\r\n\r\n', 2);
      const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
      if (head.includes('chunked') ? !received.endsWith('0\r\n\r\n') : body.length < length) return;
      if (head.startsWith('POST /length')) socket.write(ok(digest(Buffer.from(body, 'latin1')), 'connection: close\r\n'));
      else if (head.startsWith('GET /big'))
        socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${big.length}\r\nconnection: close\r\n\r\n`), big]));
      else if (head.startsWith('GET /chunked'))
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n');
      else if (head.startsWith('GET /until-close')) socket.end('HTTP/1.1 200 OK\r\n\r\nto the end');
      else socket.write(ok(received.slice(head.length + 4), 'connection: close\r\n'));
    });
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const posted = await openWire(port());
    posted.send(`POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: ${big.length}\r\n\r\n`);
    posted.send(big);
    await posted.expect(digest(big));
    posted.close();

    const chunked = await openWire(port());
    chunked.send('POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
    chunked.send('2\r\nde\r\n0\r\n\r\n');
    await chunked.expect('0\r\n\r\n');
    assert.match(chunked.text(), /\r\n\r\n5\r\nabcde\r\n0\r\n\r\n$/);
    chunked.close();

    const slow = await openWire(port());
    slow.socket.pause();
    slow.send('GET /big HTTP/1.1\r\nhost: a\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    slow.socket.resume();
    const body = () => slow.text().split('\r\n\r\n')[1] ?? '';
    await eventually(() => assert.equal(body().length, big.length));
    assert.equal(digest(Buffer.from(body(), 'latin1')), digest(big));
    slow.close();

    const answer = await exchangeOnce(port(), 'GET /chunked HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    assert.match(answer, /transfer-encoding: chunked[\s\S]*3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n$/);
    const until = await exchangeOnce(port(), 'GET /until-close HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    assert.match(until, /transfer-encoding: chunked[\s\S]*a\r\nto the end\r\n0\r\n\r\n$/);
  });
});

test('local answers are those of Envoy', async (t) => {
  const dead = await freePort();
  await onStage(async ({ apply, log, upstream, port }) => {
    const silent = await upstream(() => {});
    const broken = await upstream((socket) => socket.destroy());
    const garbage = await upstream((socket) => socket.write('nonsense\r\n\r\n'));
    const at = (path: string, route: object) => ({ match: { path }, route });
    await apply({
      listeners: [
        httpListener('in', [
          at('/dead', { cluster: 'dead' }),
          at('/none', { cluster: 'empty' }),
          at('/missing', { cluster: 'no-such' }),
          at('/slow', { cluster: 'silent', timeout: '0.05s' }),
          at('/broken', { cluster: 'broken' }),
          at('/garbage', { cluster: 'garbage' }),
          at('/retried', { cluster: 'dead', retry_policy: { retry_on: 'connect-failure', num_retries: 2 } }),
          at('/full', { cluster: 'full' }),
          { match: { path: '/fixed' }, direct_response: { status: 418, body: { inline_string: 'tea' } } },
          { match: { path: '/moved' }, redirect: { path_redirect: '/new' } },
        ] as never[]),
      ],
      clusters: [
        cluster('dead', [dead]),
        cluster('empty', []),
        cluster('silent', [silent.port]),
        cluster('broken', [broken.port]),
        cluster('garbage', [garbage.port]),
        cluster('full', [silent.port], { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } }),
      ],
    });
    const reset = 'upstream connect error or disconnect/reset before headers.';
    const refused = 'remote connection failure';
    const refusedDetails = 'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}';
    const cases: readonly (readonly [path: string, status: number, body: string, entry: string])[] = [
      ['/nowhere', 404, '', '404 NR route_not_found'],
      ['/dead', 503, `${reset} reset reason: ${refused}`, `503 UF ${refusedDetails}`],
      ['/none', 503, 'no healthy upstream', '503 UH no_healthy_upstream'],
      ['/missing', 503, '', '503 NC cluster_not_found'],
      ['/slow', 504, 'upstream request timeout', '504 UT response_timeout'],
      [
        '/broken',
        503,
        `${reset} reset reason: connection termination`,
        '503 UC upstream_reset_before_response_started{connection_termination}',
      ],
      ['/garbage', 502, `${reset} reset reason: protocol error`, '502 UPE upstream_reset_before_response_started{protocol_error}'],
      ['/retried', 503, `${reset} retried and the latest reset reason: ${refused}`, `503 URX,UF ${refusedDetails}`],
      ['/full', 503, `${reset} reset reason: overflow`, '503 UO upstream_reset_before_response_started{overflow}'],
      ['/fixed', 418, 'tea', '418 - direct_response'],
      ['/moved', 301, '', '301 - direct_response'],
    ];
    for (const [path, status, body, entry] of cases) {
      await t.test(path, async () => {
        const answer = await exchangeOnce(port(), `GET ${path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n`);
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.equal(answer.split('\r\n\r\n')[1], body);
        assert.equal(log.at(-1), entry);
        if (path === '/moved') assert.match(answer, /location: http:\/\/a\.test\/new\r\n/);
        if (path === '/full') assert.match(answer, /x-envoy-overloaded: true\r\n/);
      });
    }
  });
});

test('a failed attempt is repeated on another host, as the retry policy allows', async () => {
  const dead = await freePort();
  await onStage(async ({ upstream, apply, log, proxy, port }) => {
    const flaky = await upstream(
      answering((_request, index) => (index === 0 ? 'HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno' : ok('yes'))),
    );
    const retry = { retry_policy: { retry_on: '5xx,connect-failure', num_retries: 5, retry_back_off: { base_interval: '0.001s' } } };
    await apply({
      listeners: [httpListener('in', [routeTo('flaky', retry, '/flaky'), routeTo('half', retry)])],
      clusters: [cluster('flaky', [flaky.port]), cluster('half', [dead, flaky.port])],
    });
    const body = 'POST /flaky HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';
    assert.match(await exchangeOnce(port(), body), /200 OK[\s\S]*yes$/);
    for (let i = 0; i < 8; i++) assert.match(await exchangeOnce(port(), GET_CLOSE), /200 OK/);
    assert.ok(
      log.every((entry) => entry === '200 - via_upstream'),
      log.join('; '),
    );
    assert.equal(proxy.clusters()[0]!.breakers.default.retries, 0);
    assert.equal(proxy.clusters()[0]!.breakers.default.requests, 0);
  });
});

test('a request that meets a connection which its host just closed is sent again on a fresh one', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream((socket, received, connection) => {
      const count = received.split('\r\n\r\n').length - 1;
      // The second request on the first connection meets its end.
      if (connection === 0 && count === 2) socket.destroy();
      else socket.write(ok(`c${connection}`));
    });
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(GET);
    await wire.expect('c0');
    wire.send(GET);
    await wire.expect('c1');
    assert.deepEqual(log, ['200 - via_upstream', '200 - via_upstream']);
    wire.close();
  });
});

test('WebSocket: nothing passes before the 101, then everything does, with half-close', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('\r\n\r\n'))
        setTimeout(
          () => socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx: y\r\n\r\nfirst'),
          30,
        );
      if (received.endsWith('ping')) socket.write('pong');
    });
    const hcm = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
    await apply({ listeners: [httpListener('in', [routeTo('up')], hcm)], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: k\r\n\r\nearly');
    await eventually(() => up.received.length === 1);
    assert.match(up.received[0]!, /connection: Upgrade\r\nupgrade: WebSocket\r\n/);
    assert.ok(!up.received[0]!.includes('early'), 'early data waits');
    const answer = await wire.expect('first');
    assert.match(answer, /^HTTP\/1\.1 101 /);
    await eventually(() => up.received[0]!.endsWith('early'));
    wire.send('ping');
    await wire.expect('pong');
    wire.socket.end();
    await wire.closed();
  });
});

test('an answer before the request is complete reaches the client and closes the connection', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream((socket) => socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n'));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const answer = await exchangeOnce(port(), 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nsome');
    assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*connection: close/);
    assert.deepEqual(log, ['413 - via_upstream']);
  });
});

test('an answer that breaks off is broken off towards the client', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart', () => socket.destroy());
    });
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(GET);
    await wire.closed();
    assert.deepEqual(log, ['200 UPE upstream_reset_after_response_started{protocol_error}']);
    wire.close();
  });
});

test('a client that half-closes still gets its answer', async () => {
  await onStage(async ({ upstream, apply, log, port }) => {
    const up = await upstream((socket) => void setTimeout(() => socket.write(ok('late')), 50));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(GET);
    wire.socket.end();
    assert.match(await wire.closed(), /late$/);
    assert.deepEqual(log, ['200 - via_upstream']);
    wire.close();
  });
});

test('a client that leaves takes its upstream request with it', async () => {
  await onStage(async ({ upstream, apply, log, proxy, port }) => {
    const up = await upstream(() => {});
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(GET);
    await eventually(() => up.received.length === 1);
    wire.socket.resetAndDestroy();
    await eventually(() => log.length === 1);
    assert.deepEqual(log, ['0 DC downstream_remote_disconnect']);
    await eventually(() => proxy.clusters()[0]!.stats.upstream_cx_active === 0);
  });
});

test('a client that leaves in the middle of its body leaves nothing behind', async () => {
  await onStage(async ({ upstream, apply, log, proxy, port }) => {
    const up = await upstream(() => {});
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nsome');
    await eventually(() => up.received[0]?.endsWith('some') === true);
    wire.socket.end();
    await eventually(() => proxy.connectionCount === 0);
    await eventually(() => proxy.clusters()[0]!.stats.upstream_cx_active === 0);
    assert.deepEqual(log, ['0 DC downstream_remote_disconnect']);
    wire.close();
  });
});

test('100-continue is answered here and the body follows', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('body')) socket.write(ok('done'));
    });
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send('POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n');
    await wire.expect('HTTP/1.1 100 Continue\r\n\r\n');
    wire.send('body');
    await wire.expect('done');
    assert.ok(!up.received[0]!.includes('\r\nexpect:'));
    wire.close();
  });
});

test('routes, clusters and endpoints change under load without a failed request', async () => {
  await onStage(async ({ upstream, log, proxy, port }) => {
    const a = await upstream(answering(() => ok('a')));
    const b = await upstream(answering(() => ok('b')));
    const listener = httpListener('in', 'table');
    const table = (name: string, target: string) => ({ name, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [routeTo(target)] }] });
    const eds = (name: string) => ({ name, type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } } });
    const first = runtimeOf({
      listeners: [listener],
      routes: [table('table', 'one')],
      clusters: [eds('one')],
      endpoints: [assignment('one', [a.port])],
    });
    await proxy.apply(first);
    let running = true;
    const load = (async () => {
      const wire = await openWire(port());
      for (let i = 1; running; i++) {
        wire.send(GET);
        await eventually(() => wire.text().split('HTTP/1.1 ').length === i + 1, { intervalMs: 1 });
      }
      wire.close();
    })();
    for (let i = 0; i < 20; i++) {
      const name = i % 2 === 0 ? 'two' : 'one';
      const next = runtimeOf({
        routes: [table('table', name)],
        clusters: [eds(name)],
        endpoints: [assignment(name, [i % 3 === 0 ? a.port : b.port])],
      });
      await proxy.apply({ ...next, listeners: first.listeners });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    running = false;
    await load;
    assert.ok(log.length > 20);
    assert.deepEqual([...new Set(log)], ['200 - via_upstream']);
  });
});

test('a changed listener drains: old connections end with an answer, none without; new ones get the new rules', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const release: (() => void)[] = [];
    const up = await upstream((socket) => {
      release.push(() => socket.write(ok('late')));
    });
    const clusters = [cluster('up', [up.port])];
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters });
    const before = port();
    const busy = await openWire(port());
    const idle = await openWire(port());
    busy.send(GET);
    await eventually(() => up.received.length === 1);
    await apply({ listeners: [httpListener('in', [{ match: { prefix: '/' }, direct_response: { status: 204 } }])], clusters });
    idle.send(GET);
    await eventually(() => up.received.length === 2);
    assert.equal(port(), before, 'the port stays open');
    assert.match(await exchangeOnce(port(), GET_CLOSE), /^HTTP\/1\.1 204 /);
    for (const one of release) one();
    assert.match(await busy.closed(), /connection: close[\s\S]*late$/);
    assert.match(await idle.closed(), /connection: close[\s\S]*late$/);
    busy.close();
    idle.close();
  });
});

test('after the drain time, HTTP connections of a replaced listener are gone; byte streams live until it is removed', async () => {
  const drainMs = 30;
  await onStage(
    async ({ upstream, apply, port, proxy }) => {
      const up = await upstream((socket) => socket.write('x'));
      const clusters = [cluster('up', [up.port])];
      const both = (prefix: string) => [
        tcpListener('in', { cluster: 'up', stat_prefix: prefix }),
        httpListener('web', [], { stat_prefix: prefix }),
      ];
      await apply({ listeners: both('a'), clusters });
      const stream = await openWire(port());
      const idle = await openWire(proxy.addressOf('web')!.port);
      stream.send('1');
      await stream.expect('x');
      await apply({ listeners: both('b'), clusters });
      await idle.closed();
      stream.send('2');
      await stream.expect('xx');
      await apply({ clusters });
      await stream.closed();
      stream.close();
      idle.close();
    },
    { drainMs },
  );
});

test('TCP passes both ways with half-close; a dead upstream closes the client', async () => {
  const dead = await freePort();
  await onStage(async ({ upstream, apply, log, proxy, port }) => {
    const up = await upstream((socket, received) => {
      if (received.endsWith('hello')) socket.write('world');
    });
    await apply({
      listeners: [tcpListener('in', { cluster: 'up' }), tcpListener('dead', { cluster: 'dead' })],
      clusters: [cluster('up', [up.port]), cluster('dead', [dead])],
    });
    const wire = await openWire(port());
    wire.send('hello');
    await wire.expect('world');
    wire.socket.end();
    await wire.closed();
    await eventually(() => log.length === 1);
    const lost = await openWire(proxy.addressOf('dead')!.port);
    lost.send('x');
    await lost.closed();
    await eventually(() => log.length === 2);
    assert.deepEqual(
      log.map((entry) => entry.split(' ')[1]),
      ['-', 'URX,UF'],
    );
    lost.close();
  });
});
