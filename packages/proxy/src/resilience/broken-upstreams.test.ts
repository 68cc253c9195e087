// Plan I10: upstream connections that end at the wrong moment. A request is repeated only where the upstream cannot have acted on
// it; the log says what happened.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '@lateen/base/testing';
import { any, cluster, httpListener, routeTo } from '../testing/runtime.ts';
import { onStage } from '../testing/stage.ts';
import { ok, openWire } from '../testing/wire.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody';
const HALF = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf';
const HALF_CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n';

type End = 'FIN' | 'RST';

function hangUp(socket: Socket, end: End): void {
  if (end === 'FIN') socket.destroy();
  else socket.resetAndDestroy();
}

type Row = { name: string; end: End; when: 'at accept' | 'after the request' | 'within the answer'; answer?: string; log: RegExp };

const BEFORE = /^503 (?:UC|UF) upstream_reset_before_response_started\{/;
const WITHIN = /^200 (?:UC|UPE) upstream_reset_after_response_started\{/;

const ROWS: readonly Row[] = [
  { name: 'FIN at accept', end: 'FIN', when: 'at accept', log: BEFORE },
  { name: 'RST at accept', end: 'RST', when: 'at accept', log: BEFORE },
  { name: 'FIN instead of an answer', end: 'FIN', when: 'after the request', log: BEFORE },
  { name: 'RST instead of an answer', end: 'RST', when: 'after the request', log: BEFORE },
  { name: 'FIN within a body of known length', end: 'FIN', when: 'within the answer', answer: HALF, log: WITHIN },
  { name: 'RST within a body of known length', end: 'RST', when: 'within the answer', answer: HALF, log: WITHIN },
  { name: 'FIN within a chunked body', end: 'FIN', when: 'within the answer', answer: HALF_CHUNKED, log: WITHIN },
];

for (const { name, end, when, answer = '', log: expected } of ROWS) {
  test(`I10: ${name}`, async () => {
    await onStage(async ({ upstream, apply, port, log, proxy }) => {
      const up = await upstream((socket, received) => {
        if (!received.includes('\r\n\r\n') || when === 'at accept') return;
        if (answer === '') hangUp(socket, end);
        else socket.write(answer, () => setTimeout(() => hangUp(socket, end), 20));
      });
      if (when === 'at accept') up.server.on('connection', (socket) => hangUp(socket, end));
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send(GET);
      await eventually(() => log.length === 1, { intervalMs: 5 });
      assert.match(log[0] as string, expected);
      if (answer !== '') {
        const text = await wire.closed();
        assert.ok(!text.endsWith('0\r\n\r\n'), 'the client cannot take the answer for complete');
      }
      const stats = proxy.clusters()[0]?.stats;
      assert.deepEqual([stats?.upstream_rq_active, stats?.upstream_cx_active], [0, 0]);
      wire.close();
    });
  });
}

test('I10: an answer that is not HTTP is a protocol error', async () => {
  await onStage(async ({ upstream, apply, port, log }) => {
    const up = await upstream((socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n'));
    await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
    const wire = await openWire(port());
    wire.send(GET);
    assert.match(await wire.expect('\r\n\r\n'), /^HTTP\/1\.1 502 /);
    assert.match(log[0] as string, /^502 UPE /);
    wire.close();
  });
});

for (const [method, request, answered] of [
  ['GET', GET, true],
  ['POST', POST, false],
] as const) {
  test(`I10: a ${method} that meets a closing idle connection is ${answered ? 'sent again' : 'not sent again'}`, async () => {
    await onStage(async ({ upstream, apply, port, log }) => {
      // Every connection serves one request and hangs up when it sees a second.
      const served = new Set<Socket>();
      const up = await upstream((socket, received) => {
        if (!received.endsWith('\r\n\r\n') && !received.endsWith('body')) return;
        if (served.has(socket)) return socket.destroy();
        served.add(socket);
        socket.write(ok('fine'));
      });
      await apply({ listeners: [httpListener('in', [routeTo('up')])], clusters: [cluster('up', [up.port])] });
      const wire = await openWire(port());
      wire.send(GET);
      await wire.expect('fine');
      wire.send(request);
      await eventually(() => log.length === 2, { intervalMs: 5 });
      assert.match(log[1] as string, answered ? /^200 - / : /^503 UC /);
      const sent = up.received.join('').split(`${method} / `).length - 1;
      assert.equal(sent, method === 'GET' ? 3 : 1);
      wire.close();
    });
  });
}

type Goaway = { lastStreamId: number; served: number; log: RegExp; connections: number };

const GOAWAYS: readonly [string, Goaway][] = [
  ['below the request: it is sent again elsewhere', { lastStreamId: 1, served: 3, log: /^200 - /, connections: 2 }],
  ['at the request: it is answered on the old connection', { lastStreamId: 3, served: 2, log: /^200 - /, connections: 1 }],
];

for (const [name, { lastStreamId, served, log: expected, connections }] of GOAWAYS) {
  test(`I10: GOAWAY with a last stream ${name}`, async () => {
    await onStage(async ({ apply, port, log }) => {
      const sessions = new Set<Http2Session>();
      let asked = 0;
      const up = createServer();
      up.on('session', (session) => void sessions.add(session));
      up.on('sessionError', () => {});
      up.on('stream', (stream: ServerHttp2Stream) => {
        stream.on('error', () => {});
        asked++;
        const isSecond = asked === 2;
        if (isSecond) stream.session?.goaway(0, lastStreamId);
        if (isSecond && lastStreamId < 3) return;
        stream.respond({ ':status': 200 });
        stream.end('fine');
      });
      up.listen(0, '127.0.0.1');
      await once(up, 'listening');
      try {
        const options: JsonObject = {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
            explicit_http_config: { http2_protocol_options: {} },
          }),
        };
        const retry = { retry_policy: { retry_on: 'refused-stream', num_retries: 1 } };
        await apply({
          listeners: [httpListener('in', [routeTo('up', retry)])],
          clusters: [cluster('up', [(up.address() as AddressInfo).port], { typed_extension_protocol_options: options })],
        });
        const wire = await openWire(port());
        wire.send(GET);
        await wire.expect('fine');
        wire.send(GET);
        await eventually(() => log.length === 2, { intervalMs: 5 });
        assert.match(log[1] as string, expected);
        assert.deepEqual([asked, sessions.size], [served, connections]);
        wire.close();
      } finally {
        for (const session of sessions) session.destroy();
        up.close();
      }
    });
  });
}
