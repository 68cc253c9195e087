import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { type ProxyObserver, silentObserver } from '../http/observer.ts';
import { any, cluster, httpListener, routeTo, tcpListener } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { answering, ok, openWire } from '../testing/wire.ts';
import type { ProxyHeader } from './header.ts';
import { parseProxyHeader } from './parse.ts';
import { writeProxyHeader } from './write.ts';

const addresses = { source: { host: '192.0.2.7', port: 4711 }, destination: { host: '198.51.100.9', port: 443 } };
const TLV = { type: 0xea, value: Buffer.from('vpce-1') };
const GET = 'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n';

const filter = (fields: JsonObject = {}): JsonObject => ({
  name: 'envoy.filters.listener.proxy_protocol',
  typed_config: any('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol', fields),
});

const outbound = (version: string, fields: JsonObject = {}): JsonObject => ({
  transport_socket: {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: any('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
      config: { version, ...fields },
      transport_socket: {
        name: 'envoy.transport_sockets.raw_buffer',
        typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
      },
    }),
  },
});

for (const version of [1, 2] as const) {
  test(`a header of version ${version} says who the client is, byte by byte`, async () => {
    await onStage(async ({ upstream, apply, proxy, port }) => {
      const up = await upstream(answering(() => ok('up')));
      await apply({
        listeners: [httpListener('in', [routeTo('up')], { use_remote_address: true }, { listener_filters: [filter()] })],
        clusters: [cluster('up', [up.port])],
      });
      const wire = await openWire(port());
      for (const byte of writeProxyHeader({ version, addresses, tlvs: [] })) {
        wire.send(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      wire.send(GET);
      await wire.expect('up');
      assert.match(up.received[0] ?? '', /x-forwarded-for: 192\.0\.2\.7\r\n/);
      assert.equal(proxy.counters.value(`proxy_proto.versions.v${version}.found`), 1);
      wire.close();
    });
  });
}

const refused: [name: string, fields: JsonObject, bytes: Buffer | string, counter: string][] = [
  ['nothing before the request', { stat_prefix: 'edge' }, GET, 'proxy_proto.edge.not_found_disallowed'],
  ['a malformed header', {}, 'PROXY TCP4 nobody 192.0.2.1 1 2\r\n', 'proxy_proto.versions.v1.error'],
  [
    'a version that is not allowed',
    { disallowed_versions: ['V1'] },
    writeProxyHeader({ version: 1, addresses, tlvs: [] }),
    'proxy_proto.versions.v1.disallowed',
  ],
];
for (const [name, fields, bytes, counter] of refused) {
  test(`a connection is closed, and nothing of it goes upstream: ${name}`, async () => {
    await onStage(async ({ upstream, apply, proxy, port }) => {
      const up = await upstream(answering(() => ok('up')));
      await apply({
        listeners: [httpListener('in', [routeTo('up')], {}, { listener_filters: [filter(fields)] })],
        clusters: [cluster('up', [up.port])],
      });
      const wire = await openWire(port());
      wire.send(bytes);
      await wire.closed();
      assert.equal(wire.text(), '');
      assert.equal(up.received.length, 0);
      assert.equal(proxy.counters.value(counter), 1);
      wire.close();
    });
  });
}

test('where headers are optional, connections without one are served as they are', async () => {
  await onStage(async ({ apply, port, proxy }) => {
    await apply({
      listeners: [
        httpListener(
          'in',
          [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
          {},
          {
            listener_filters: [filter({ allow_requests_without_proxy_protocol: true })],
          },
        ),
      ],
    });
    const wire = await openWire(port());
    wire.send(GET);
    await wire.expect('200 OK');
    assert.equal(proxy.counters.value('proxy_proto.not_found_allowed'), 1);
    wire.close();
  });
});

test('a client that stops within its header is closed after the listener filters timeout', async () => {
  await onStage(async ({ apply, port, proxy }) => {
    await apply({
      listeners: [{ ...tcpListener('in', { cluster: 'none' }), listener_filters: [filter()], listener_filters_timeout: '0.05s' }],
    });
    const wire = await openWire(port());
    wire.send('PROXY TC');
    await wire.closed();
    assert.equal(proxy.listeners()[0]?.stats.downstream_pre_cx_timeout, 1);
    wire.close();
  });
});

const passes: [name: string, out: JsonObject, expected: ProxyHeader][] = [
  ['version 1', outbound('V1'), { version: 1, addresses, tlvs: [] }],
  ['version 2 without TLVs', outbound('V2'), { version: 2, addresses, tlvs: [] }],
  ['version 2 with TLVs', outbound('V2', { pass_through_tlvs: {} }), { version: 2, addresses, tlvs: [TLV] }],
  [
    'version 2 with other TLVs',
    outbound('V2', { pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [5] } }),
    { version: 2, addresses, tlvs: [] },
  ],
];
for (const [name, out, expected] of passes) {
  test(`the upstream is told whose connection it is: ${name}`, async () => {
    await onStage(async ({ upstream, apply, port }) => {
      const up = await upstream((socket, received) => {
        if (received.endsWith('hello')) socket.write('world');
      });
      await apply({
        listeners: [{ ...tcpListener('in', { cluster: 'up' }), listener_filters: [filter({ pass_through_tlvs: {} })] }],
        clusters: [cluster('up', [up.port], out)],
      });
      const wire = await openWire(port());
      wire.send(Buffer.concat([writeProxyHeader({ version: 2, addresses, tlvs: [TLV] }), Buffer.from('hello')]));
      await wire.expect('world');
      const seen = parseProxyHeader(Buffer.from(up.received[0] ?? '', 'latin1'), { v1: true, v2: true });
      assert.ok(seen.kind === 'header');
      assert.deepEqual(seen.header, expected);
      assert.equal(up.received[0]?.slice(seen.sizeBytes), 'hello');
      wire.close();
    });
  });
}

test('requests of one client share upstream connections that say whose they are; other clients have their own', async () => {
  await onStage(async ({ upstream, apply, port }) => {
    const sourceOf = (received: string) => {
      const seen = parseProxyHeader(Buffer.from(received, 'latin1'), { v1: true, v2: true });
      return seen.kind === 'header' ? seen.header.addresses?.source.port : undefined;
    };
    const up = await upstream((socket, received) => {
      if (received.endsWith('\r\n\r\n')) socket.write(ok('up'));
    });
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port], outbound('V2'))] });
    const clients = [await openWire(port()), await openWire(port())];
    for (const answers of [1, 2]) {
      for (const wire of clients) {
        wire.send(GET);
        await eventually(() => assert.equal(wire.text().split('\r\n\r\nup').length, answers + 1));
      }
    }
    assert.deepEqual(
      up.received.map(sourceOf),
      clients.map(({ socket }) => socket.localPort),
    );
    assert.ok(up.received.every((text) => text.split('GET / ').length === 3));
    for (const wire of clients) wire.close();
  });
});

test('TLVs become dynamic metadata of the connection', async () => {
  const seen: unknown[] = [];
  const observer: ProxyObserver = {
    ...silentObserver,
    tcp: () => ({
      connectionOpened: ({ dynamicMetadata }) => void seen.push(dynamicMetadata?.get('envoy.filters.listener.proxy_protocol')),
      finish() {},
    }),
    http: () => ({
      connectionOpened() {},
      connectionClosed() {},
      requestStarted() {},
      finish: ({ dynamicMetadata }) => void seen.push(dynamicMetadata?.get('envoy.filters.listener.proxy_protocol')),
    }),
  };
  await onStage(
    async ({ upstream, apply, port, proxy }) => {
      const up = await upstream(() => {});
      const rules = [
        { tlv_type: TLV.type, on_tlv_present: { key: 'vpce' } },
        { tlv_type: 1, on_tlv_present: { key: 'absent' } },
      ];
      const listener = { ...tcpListener('in', { cluster: 'up' }), listener_filters: [filter({ rules })] };
      await apply({ listeners: [listener], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send(Buffer.concat([writeProxyHeader({ version: 2, addresses, tlvs: [TLV] }), Buffer.from('x')]));
      await eventually(() => seen.length === 1);
      assert.deepEqual({ ...(seen[0] as object) }, { vpce: 'vpce-1' });
      wire.close();
      const http = { ...httpListener('web', [routeTo('up')]), listener_filters: [filter({ rules })] };
      await apply({ listeners: [http], clusters: [] });
      const request = await openWire(proxy.addressOf('web')!.port);
      request.send(Buffer.concat([writeProxyHeader({ version: 2, addresses, tlvs: [TLV] }), Buffer.from(GET)]));
      await eventually(() => seen.length === 2);
      assert.deepEqual({ ...(seen[1] as object) }, { vpce: 'vpce-1' }, 'requests of the connection see it, too');
      request.close();
    },
    { observer },
  );
});
