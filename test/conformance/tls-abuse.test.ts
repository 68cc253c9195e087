// Plan C3: handshakes that are broken, renegotiated, many, or odd. Nothing leaks, nothing crashes, others are served.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { createCertificateAuthority } from '@lateen/pki';
import { type Recorder, startRecorder } from './h1/recorder.ts';
import { type ChildTarget, startChildTarget } from './support/child-target.ts';
import { closeAll, openMany, startVictim } from './support/clients.ts';
import { clusterOf, downstreamTls, type JsonObject, listenerOf } from './support/configuration.ts';

const ca = createCertificateAuthority();
const server = ca.issueServer(['a.test']);
const client = ca.issueClient('somebody');
const stranger = createCertificateAuthority().issueClient('somebody');

function mutualTls(): JsonObject {
  const socket = downstreamTls({ cert: server.chainPem, key: server.keyPem });
  const config = socket['typed_config'] as { common_tls_context: JsonObject };
  const common = { ...config.common_tls_context, validation_context: { trusted_ca: { inline_string: ca.rootPem } } };
  return { ...socket, typed_config: { ...config, require_client_certificate: true, common_tls_context: common } };
}

const INSPECTOR = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
};

suite('abuse of TLS', () => {
  let recorder: Recorder;
  let target: ChildTarget;
  before(async () => {
    recorder = await startRecorder();
    const listener = { listener_filters: [INSPECTOR], listener_filters_timeout: '1s' };
    const plain = downstreamTls({ cert: server.chainPem, key: server.keyPem });
    target = await startChildTarget(
      [
        listenerOf({ name: 'tls', port: 0, profile: 'gateway', transportSocket: plain, listener }),
        listenerOf({ name: 'direct', port: 0, profile: 'gateway', transportSocket: plain }),
        listenerOf({ name: 'mutual', port: 0, profile: 'inbound', transportSocket: mutualTls(), listener }),
        listenerOf({ name: 'probe', port: 0, profile: 'gateway' }),
      ],
      [clusterOf('up', recorder.port)],
    );
    await handshakes(target.portOf('mutual'), 50, { cert: client.chainPem, key: client.keyPem });
  });
  after(async () => {
    await target?.close();
    await recorder?.close();
  });

  const guarded = (name: string, run: () => Promise<void>): void =>
    void test(name, { timeout: 120_000 }, async () => {
      const before = await target.measure();
      const victim = startVictim(target.portOf('probe'));
      try {
        await run();
      } finally {
        assert.deepEqual((await victim.stop()).failed, []);
      }
      const deadline = performance.now() + 10_000;
      for (;;) {
        const now = await target.measure();
        const more = now.heapBytes + now.externalBytes - before.heapBytes - before.externalBytes;
        if (now.connections <= before.connections && more < 16 * 2 ** 20) break;
        assert.ok(performance.now() < deadline, `${now.connections} connections, ${Math.round(more / 2 ** 20)} MiB left`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const [status] = await handshakes(target.portOf('tls'), 1, {});
      assert.equal(status, 'served');
    });

  guarded('2,000 half ClientHellos', async () => {
    const hello = await captureHello();
    for (let i = 0; i < 2000; i += 500) {
      const sockets = await openMany(
        target.portOf(i % 1000 === 0 ? 'tls' : 'direct'),
        500,
        hello.subarray(0, 1 + (((i / 500) * 61 + 40) % (hello.length - 1))),
      );
      closeAll(sockets);
    }
  });

  guarded('renegotiation', async () => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: target.portOf('tls'),
      servername: 'a.test',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    const refused = new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.renegotiate({}, (error) => error && resolve());
      setTimeout(() => resolve(), 1500);
    });
    await refused;
    socket.destroy();
  });

  guarded('5,000 handshakes with client certificates, good, strange and missing', async () => {
    for (let i = 0; i < 5000; i += 60) {
      const [good, strange, none] = await Promise.all([
        handshakes(target.portOf('mutual'), 20, { cert: client.chainPem, key: client.keyPem }),
        handshakes(target.portOf('mutual'), 20, { cert: stranger.chainPem, key: stranger.keyPem }),
        handshakes(target.portOf('mutual'), 20, {}),
      ]);
      assert.ok(
        good.every((one) => one === 'served'),
        good.join(),
      );
      assert.ok(
        [...strange, ...none].every((one) => one === 'refused'),
        [...strange, ...none].join(),
      );
    }
  });

  guarded('ClientHellos with odd names, protocols and lengths', async () => {
    const hello = await captureHello();
    for (let i = 0; i < 1000; i += 100) {
      const sockets = await Promise.all(
        Array.from(
          { length: 100 },
          async (_, k) => (await openMany(target.portOf(k % 2 === 0 ? 'tls' : 'direct'), 1, damaged(hello, i + k)))[0]!,
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
      closeAll(sockets);
    }
  });
});

/** One byte of each ClientHello is another; every position has its turn. */
function damaged(hello: Buffer, seed: number): Buffer {
  const copy = Buffer.from(hello);
  const at = 5 + ((seed * 7) % (copy.length - 5));
  copy[at] = [0, 255, 0x2e, copy[at]! ^ 0x80][seed % 4]!;
  return copy;
}

async function captureHello(): Promise<Buffer> {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const socket = connectTls({
    host: '127.0.0.1',
    port: (listening.address() as AddressInfo).port,
    servername: 'a.test',
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  socket.on('error', () => {});
  const [accepted] = await once(listening, 'connection');
  const [bytes] = (await once(accepted, 'data')) as [Buffer];
  accepted.destroy();
  socket.destroy();
  listening.close();
  return bytes;
}

/** Each asks once; "refused" when no answer comes. */
function handshakes(port: number, count: number, options: ConnectionOptions): Promise<('served' | 'refused')[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket: TLSSocket = connectTls({
        host: '127.0.0.1',
        port,
        servername: 'a.test',
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1'],
        ...options,
      });
      let text = '';
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        text += bytes;
      });
      socket.on('secureConnect', () => socket.write('GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n'));
      await Promise.race([once(socket, 'close').catch(() => {}), new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
      socket.destroy();
      return text.startsWith('HTTP/1.1 200') ? 'served' : 'refused';
    }),
  );
}
