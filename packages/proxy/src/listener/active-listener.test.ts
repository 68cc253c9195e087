import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import type { SocketAddress } from '@lateen/base';
import { eventually } from '@lateen/base/testing';
import { createHostTransport } from '../io/host-transport.ts';
import { any, cluster, httpListener, routeTo, tcpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, exchangeOnce, ok, openWire } from '../testing/wire.ts';

const SETTINGS = 4;
const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n';
const LISTENER = 'envoy.extensions.filters.listener';
const ORIGINAL_DST = { name: 'envoy.filters.listener.original_dst', typed_config: any(`${LISTENER}.original_dst.v3.OriginalDst`) };
const HTTP_INSPECTOR = { name: 'envoy.filters.listener.http_inspector', typed_config: any(`${LISTENER}.http_inspector.v3.HttpInspector`) };
const TLS_INSPECTOR = { name: 'envoy.filters.listener.tls_inspector', typed_config: any(`${LISTENER}.tls_inspector.v3.TlsInspector`) };

test('redirected connections go to the listener of their original destination, the others pass through to it', async () => {
  let destination: SocketAddress = { host: '10.1.2.3', port: 80 };
  const transport = { ...createHostTransport(), originalDestination: () => destination };
  await onStage(
    async ({ upstream, apply, port }) => {
      const passed = await upstream((socket) => socket.write('passed'));
      const unbound = (name: string, listener: object, at: number) => ({
        ...listener,
        name,
        bind_to_port: false,
        address: { socket_address: { address: '0.0.0.0', port_value: at } },
      });
      await apply({
        listeners: [
          { ...tcpListener('in', { cluster: 'original' }), use_original_dst: true, listener_filters: [ORIGINAL_DST] },
          unbound(
            'eighty',
            httpListener('eighty', [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'eighty' } } }]),
            80,
          ) as never,
        ],
        clusters: [{ name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' }],
      });
      assert.match(await exchangeOnce(port(), GET), /eighty$/);
      destination = { host: '127.0.0.1', port: passed.port };
      const wire = await openWire(port());
      wire.send('x');
      await wire.expect('passed');
      wire.close();
    },
    { transport },
  );
});

test('the TLS inspector closes what it is told to: too long ClientHellos, and other protocols', async () => {
  await onStage(async ({ upstream, apply, port, proxy }) => {
    const up = await upstream((socket) => socket.write('served'));
    const inspector = (fields: JsonObject) => ({ name: 'tls', typed_config: any(`${LISTENER}.tls_inspector.v3.TlsInspector`, fields) });
    const cases: [fields: JsonObject, servername: string | undefined, isServed: boolean][] = [
      [{}, undefined, true],
      [{ close_connection_on_client_hello_parsing_errors: true }, undefined, false],
      [{ close_connection_on_client_hello_parsing_errors: true }, 'a.test', true],
      [{ max_client_hello_size: 300 }, 'a.test', false],
    ];
    for (const [fields, servername, isServed] of cases) {
      const listener = { ...tcpListener('in', { cluster: 'up' }), listener_filters: [inspector(fields)] };
      await apply({ listeners: [listener], clusters: [cluster('up', [up.port])] });
      const before = up.received.length;
      if (servername === undefined) {
        const wire = await openWire(port());
        wire.send('plain text');
        await eventually(() => wire.text() === 'served' || wire.isClosed());
        wire.close();
      } else {
        const socket = connectTls({ host: '127.0.0.1', port: port(), servername });
        socket.on('error', () => {});
        await once(socket, 'close').catch(() => {});
      }
      assert.equal(up.received.length > before, isServed, JSON.stringify(fields));
    }
    assert.equal(proxy.counters.value('tls_inspector.client_hello_too_large'), 1);
  });
});

test('one port serves HTTP, TLS by server name and plain TCP, told apart by their first bytes', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const tls = await upstream((socket) => socket.destroy());
    const tcp = await upstream((socket, received) => {
      if (received === 'SSH-2.0-x\r\n') socket.write('tcp');
    });
    const web = await upstream(answering(() => ok('web')));
    const chain = (listener: ReturnType<typeof tcpListener>, match: object) => ({
      ...(listener['filter_chains'] as object[])[0],
      filter_chain_match: match,
    });
    await apply({
      listeners: [
        {
          ...tcpListener('in', { cluster: 'tcp' }),
          listener_filters: [TLS_INSPECTOR, HTTP_INSPECTOR],
          filter_chains: [
            chain(tcpListener('t', { cluster: 'tls' }), { transport_protocol: 'tls', server_names: ['a.test'] }),
            chain(httpListener('h', [routeTo('web', {}, '/other'), routeTo('web')]), {
              transport_protocol: 'raw_buffer',
              application_protocols: ['http/1.1', 'h2c'],
            }),
            chain(tcpListener('p', { cluster: 'tcp' }), { transport_protocol: 'raw_buffer' }),
          ] as never,
        },
      ],
      clusters: [cluster('tls', [tls.port]), cluster('web', [web.port]), cluster('tcp', [tcp.port])],
    });
    assert.match(await exchangeOnce(port(), GET), /web$/);
    const slow = await openWire(port());
    for (const char of GET) {
      slow.send(char);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await slow.expect('web');
    slow.close();
    const raw = await openWire(port());
    raw.send('SSH-2.0-x\r\n');
    await raw.expect('tcp');
    raw.close();
    const secure = connectTls({ host: '127.0.0.1', port: port(), servername: 'a.test', rejectUnauthorized: false });
    secure.on('error', () => {});
    await eventually(() => tls.received.length === 1 && tls.received[0]!.charCodeAt(0) === 22);
    secure.destroy();
    const other = connectTls({ host: '127.0.0.1', port: port(), servername: 'b.test', rejectUnauthorized: false });
    other.on('error', () => {});
    await eventually(() => other.destroyed);
    assert.equal(tls.received.length, 1, 'no chain for another name');
    const http2 = await openWire(port());
    http2.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await eventually(() => http2.text().charCodeAt(3) === SETTINGS);
    http2.close();
  });
});

test('without an inspector, HTTP/2 by prior knowledge is told from HTTP/1.1 by the first bytes', async () => {
  await onStage(async ({ apply, port }) => {
    await apply({ listeners: [httpListener('in', [{ match: { prefix: '/' }, direct_response: { status: 200 } }])] });
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    const wire = await openWire(port());
    for (const char of preface) {
      wire.send(char);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => wire.text().charCodeAt(3) === SETTINGS);
    wire.close();
    assert.match(await exchangeOnce(port(), GET), /^HTTP\/1\.1 200 /);
    assert.match(await exchangeOnce(port(), GET.replace('GET', 'PRI')), /^HTTP\/1\.1 400 /);
  });
});

test('a port that is taken is reported with its listener; the other listeners are live', async () => {
  await onStage(async ({ upstream, apply, proxy, port }) => {
    const taken = await upstream(() => {});
    const bad = { ...httpListener('bad', []), address: { socket_address: { address: '127.0.0.1', port_value: taken.port } } };
    const good = httpListener('in', [{ match: { prefix: '/' }, direct_response: { status: 200 } }]);
    await assert.rejects(apply({ listeners: [bad, good] }), { code: 'LAT6002', message: /listener bad cannot be bound/ });
    assert.match(await exchangeOnce(port(), GET), /^HTTP\/1\.1 200 /);
    assert.equal(proxy.addressOf('bad'), undefined);
  });
});
