// Plan C1, C2, C3: slow and idle clients. The service is there for everybody else all the time, and the slow are cut off by the
// configured timeout. Scaled: timeouts of a second instead of minutes.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { type Recorder, startRecorder } from './h1/recorder.ts';
import { openFrames, postBlock, requestBlock } from './h2/frame-client.ts';
import { data, headers, PREFACE, SETTING, settings } from './h2/frames.ts';
import { type ChildTarget, startChildTarget } from './support/child-target.ts';
import { closeAll, openMany, probe, startVictim } from './support/clients.ts';
import { clusterOf, downstreamTls, listenerOf } from './support/configuration.ts';

const CONNECTIONS = 500;
const TIMEOUT_MS = 1000;

/** What a second of each timeout looks like. */
const HURRIED = {
  request_headers_timeout: '1s',
  request_timeout: '1s',
  stream_idle_timeout: '1s',
  common_http_protocol_options: { idle_timeout: '1s' },
  drain_timeout: '0.3s',
  delayed_close_timeout: '0.2s',
};

const HOST = 'Host: a.test\r\n';

suite('slow clients', () => {
  let recorder: Recorder;
  let target: ChildTarget;
  const ca = createCertificateAuthority();
  before(async () => {
    recorder = await startRecorder(({ target: path }) =>
      path === '/big' ? `HTTP/1.1 200 OK\r\ncontent-length: 4000000\r\n\r\n${'b'.repeat(4_000_000)}` : undefined,
    );
    const { chainPem, keyPem } = ca.issueServer(['a.test']);
    const tls = downstreamTls({ cert: chainPem, key: keyPem });
    const handshake = {
      listener_filters: [
        {
          name: 'envoy.filters.listener.tls_inspector',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
        },
      ],
      listener_filters_timeout: '1s',
    };
    target = await startChildTarget(
      [
        listenerOf({ name: 'in', port: 0, profile: 'gateway', hcm: HURRIED }),
        listenerOf({ name: 'tls', port: 0, profile: 'gateway', hcm: HURRIED, transportSocket: tls, listener: handshake }),
        listenerOf({ name: 'probe', port: 0, profile: 'gateway' }),
      ],
      [clusterOf('up', recorder.port)],
    );
    await probe(target.portOf('probe'));
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });

  /** 500 clients of this kind: all are cut soon after the timeout (a loaded machine needs its time), nobody else notices. */
  const slow = (
    name: string,
    attack: () => Promise<{ allCut: () => boolean; close: () => void; trickle?: () => void }>,
    timeoutMs = TIMEOUT_MS,
  ): void =>
    void test(name, { timeout: 20_000 }, async () => {
      const victim = startVictim(target.portOf('probe'));
      const { allCut, close, trickle } = await attack();
      const startedMs = performance.now();
      try {
        while (!allCut() && performance.now() - startedMs < timeoutMs + 4000) {
          trickle?.();
          await sleep(100);
        }
        assert.ok(allCut(), 'slow clients are still served');
      } finally {
        close();
        const { failed, asked } = await victim.stop();
        assert.deepEqual(failed, [], `of ${asked}`);
      }
      await settled(target);
    });

  /** Connections that send `greeting` and then `drop` now and then. */
  const raw =
    (listener: string, greeting: string | Buffer, drop: string | Buffer = '') =>
    async () => {
      const sockets = await openMany(target.portOf(listener), CONNECTIONS, greeting);
      return {
        allCut: () => sockets.every((socket) => socket.destroyed || socket.readableEnded),
        close: () => closeAll(sockets),
        trickle: () => {
          if (drop.length === 0) return;
          for (const socket of sockets) if (!socket.destroyed) socket.write(drop);
        },
      };
    };

  slow('slow headers, HTTP/1.1', raw('in', `GET /x HTTP/1.1\r\n${HOST}`, 'X-A: b\r\n'));
  slow('slow body, HTTP/1.1', raw('in', `POST /x HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n`, 'b'));
  slow('nothing after the connection, HTTP/1.1', raw('in', ''));
  slow('half a handshake, TLS', raw('tls', Buffer.from('16030100c8010000c40303', 'hex')));
  slow('half a field block, HTTP/2', raw('in', Buffer.concat([PREFACE, settings(), headers(1, requestBlock(), { endHeaders: false })])));
  slow(
    'slow DATA, HTTP/2',
    raw(
      'in',
      Buffer.concat([
        PREFACE,
        settings(),
        headers(1, postBlock([['content-length', '100000']]), { endStream: false }),
        data(1, 'b', false),
      ]),
      data(1, 'b', false),
    ),
  );

  test('slow headers over TLS', { timeout: 20_000 }, async () => {
    const victim = startVictim(target.portOf('probe'));
    const sockets = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const socket = connectTls({
          host: '127.0.0.1',
          port: target.portOf('tls'),
          servername: 'a.test',
          rejectUnauthorized: false,
          ALPNProtocols: ['http/1.1'],
        });
        socket.on('error', () => {});
        await new Promise((resolve) => socket.once('secureConnect', resolve));
        socket.write(`GET /x HTTP/1.1\r\n${HOST}`);
        socket.resume();
        return socket;
      }),
    );
    try {
      const isCut = (socket: TLSSocket) => socket.destroyed || socket.readableEnded;
      await eventually(() => assert.ok(sockets.every(isCut), 'slow clients are still served'), { timeoutMs: TIMEOUT_MS + 4000 });
    } finally {
      closeAll(sockets);
      assert.deepEqual((await victim.stop()).failed, []);
    }
    await settled(target);
  });

  test('an answer that nobody reads, HTTP/1.1', { timeout: 20_000 }, async () => {
    const before = await target.measure();
    const victim = startVictim(target.portOf('probe'));
    const sockets = await openMany(target.portOf('in'), 100, `GET /big HTTP/1.1\r\n${HOST}\r\n`);
    for (const socket of sockets) socket.pause();
    try {
      await sleep(500);
      const held = await target.measure();
      // 100 answers of 4 MB; the kernel takes a part, we hold the soft limit of each.
      assert.ok(
        held.externalBytes + held.heapBytes - before.externalBytes - before.heapBytes < 64 * 2 ** 20,
        'answers are swallowed whole',
      );
    } finally {
      closeAll(sockets);
      assert.deepEqual((await victim.stop()).failed, []);
    }
    await settled(target);
  });

  test('a window of zero, HTTP/2: the stream is reset when nothing moves', { timeout: 20_000 }, async () => {
    const client = await openFrames(target.portOf('in'), { settings: [[SETTING.initialWindowSize, 0]] });
    try {
      client.send(headers(1, requestBlock({ path: '/big' })));
      await client.until('a reset', () => client.answer(1).resetCode !== undefined || client.goawayCode !== undefined, TIMEOUT_MS + 4000);
    } finally {
      client.close();
    }
    await settled(target);
  });
});

/** Everything is let go. */
async function settled(target: ChildTarget): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const { connections, upstreamActive } = await target.measure();
    if (connections === 0 && upstreamActive === 0) return;
    if (performance.now() > deadline) assert.fail(`${connections} connections and ${upstreamActive} requests left`);
    await sleep(100);
  }
}

suite('connections beyond the limit', () => {
  let recorder: Recorder;
  let target: ChildTarget;
  const LIMIT = 2000;
  before(async () => {
    recorder = await startRecorder();
    const overload = {
      overload_manager: {
        resource_monitors: [
          {
            name: 'envoy.resource_monitors.global_downstream_max_connections',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
              max_active_downstream_connections: LIMIT,
            },
          },
        ],
      },
    };
    target = await startChildTarget(
      [
        listenerOf({ name: 'in', port: 0, profile: 'gateway' }),
        listenerOf({ name: 'probe', port: 0, profile: 'gateway', listener: { ignore_global_conn_limit: true } }),
      ],
      [clusterOf('up', recorder.port)],
      { more: overload },
    );
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });
  test('10,000 idle connections against a limit of 2,000: the excess is refused, the probe port answers', { timeout: 60_000 }, async () => {
    const sockets = await openMany(target.portOf('in'), 10_000);
    try {
      const openCount = () => sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
      await eventually(() => assert.ok(openCount() <= LIMIT, `${openCount()} connections are open`));
      assert.ok(openCount() >= LIMIT - 10, `${openCount()} connections are open`);
      assert.equal((await probe(target.portOf('probe'))).status, 200);
    } finally {
      closeAll(sockets);
    }
    await settled(target);
    assert.equal((await probe(target.portOf('in'))).status, 200);
  });
});
