import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { eventually } from '@lateen/base/testing';
import { createCertificateAuthority } from '@lateen/pki';
import { type ConnectionHandler, ignoring } from '../io/connection.ts';
import type { TlsFacts } from '../io/tls-facts.ts';
import type { TlsConnection } from './tls-connection.ts';
import { tlsHandlesAreUsable } from './tls-handle.ts';
import { TlsHandleConnection } from './tls-handle-connection.ts';
import { TlsStreamConnection } from './tls-stream-connection.ts';

const KINDS = { stream: TlsStreamConnection, handle: TlsHandleConnection };
const { chainPem, keyPem } = createCertificateAuthority().issueServer(['a.test']);
const secureContext = createSecureContext({ cert: chainPem, key: keyPem });
const facts = {} as TlsFacts;

type Pair = { ours: TlsConnection; peer: TLSSocket; wire: Socket };

/** A session of ours, the peer's, and the peer's bare socket below. */
async function pair(Kind: (typeof KINDS)['handle' | 'stream'], use: (pair: Pair) => Promise<void>) {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const secured = new Promise<TlsConnection>((resolve) =>
    server.once('connection', (raw) => {
      const ours = new Kind(raw, ignoring);
      const session = new TLSSocket(raw, { isServer: true, secureContext });
      ours.wrap(session);
      session.once('secure', () => {
        ours.begin(facts);
        resolve(ours);
      });
    }),
  );
  const wire = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  wire.on('error', () => {});
  await once(wire, 'connect');
  const peer = connect({ socket: wire, rejectUnauthorized: false });
  peer.on('error', () => {});
  const ours = await secured;
  try {
    await use({ ours, peer, wire });
  } finally {
    peer.destroy();
    wire.destroy();
    ours.destroy();
    server.close();
  }
}

const listen = (ours: TlsConnection, events: Partial<ConnectionHandler>): void => {
  ours.handler = { ...ignoring, ...events };
};
const pattern = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed}, `);

test('the self-test lets handles of sessions be used on this Node', async () => {
  await eventually(() => assert.equal(tlsHandlesAreUsable(), process.env.LATEEN_IO !== 'socket'), { timeoutMs: 5000, intervalMs: 5 });
});

for (const [kind, Kind] of Object.entries(KINDS)) {
  suite(`a TLS connection over a ${kind}`, () => {
    test('gives what arrives, and the end, while writing still works', () =>
      pair(Kind, async ({ ours, peer }) => {
        let text = '';
        let ended = false;
        listen(ours, {
          onData: (bytes) => {
            text += bytes.toString();
          },
          onEnd: () => {
            ended = true;
          },
        });
        let answer = '';
        peer.on('data', (bytes) => {
          answer += bytes.toString();
        });
        peer.end('hello');
        await eventually(() => assert.deepEqual([text, ended], ['hello', true]));
        ours.write(Buffer.from('late'));
        ours.end();
        await eventually(() => assert.deepEqual([answer, peer.readableEnded, ours.closed], ['late', true, true]));
      }));

    test('keeps bytes in order when the peer is slow, whatever becomes of the memory they came from', () =>
      pair(Kind, async ({ ours, peer }) => {
        const scratch = Buffer.alloc(300_000);
        const expected: Buffer[] = [];
        peer.pause();
        let refused = false;
        for (let i = 0; i < 60; i++) {
          const piece = pattern(200_000 + i, i);
          piece.copy(scratch);
          const before = Buffer.from(`${i}\r\n`);
          const around = i % 3 === 0 ? { before, after: Buffer.from('\r\n') } : undefined;
          if (!ours.relay(scratch.subarray(0, piece.length), undefined, around)) refused = true;
          // What the connection was lent is used for something else at once.
          scratch.fill(0);
          expected.push(...(around ? [before, piece, around.after] : [piece]));
        }
        assert.ok(refused && ours.queuedBytes > 0);
        const whole = Buffer.concat(expected);
        const received: Buffer[] = [];
        peer.on('data', (bytes: Buffer) => received.push(bytes));
        ours.end();
        peer.resume();
        await once(peer, 'end');
        assert.ok(Buffer.concat(received).equals(whole));
        assert.equal(ours.queuedBytes, 0);
      }));

    test('tells once when its queue has drained', () =>
      pair(Kind, async ({ ours, peer }) => {
        let drains = 0;
        listen(ours, { onDrain: () => drains++ });
        peer.pause();
        for (let i = 0; i < 500 && ours.queuedBytes < 1_000_000; i++) ours.write(pattern(100_000, i));
        assert.equal(drains, 0);
        peer.resume();
        await eventually(() => assert.deepEqual([drains, ours.queuedBytes], [1, 0]));
      }));

    test('gives nothing while paused, and then all in order, the end last', () =>
      pair(Kind, async ({ ours, peer }) => {
        const received: Buffer[] = [];
        let sizeAtEnd = -1;
        const size = () => received.reduce((sum, { length }) => sum + length, 0);
        listen(ours, {
          onData: (bytes) => {
            received.push(Buffer.from(bytes));
            // Records of the same read are still to come.
            ours.pause();
            setTimeout(() => ours.resume(), 1);
          },
          onEnd: () => {
            sizeAtEnd = size();
          },
        });
        ours.pause();
        const sent = Buffer.concat(Array.from({ length: 20 }, (_, i) => pattern(10_000, i)));
        peer.end(sent);
        await new Promise((next) => setTimeout(next, 50));
        assert.equal(size(), 0);
        ours.resume();
        await eventually(() => assert.equal(sizeAtEnd, sent.length));
        assert.ok(Buffer.concat(received).equals(sent));
      }));

    test('hears nothing more once destroyed in the middle of a read', () =>
      pair(Kind, async ({ ours, peer }) => {
        const heard: string[] = [];
        listen(ours, {
          onData: () => {
            heard.push('data');
            ours.destroy();
          },
          onEnd: () => heard.push('end'),
          onClose: () => heard.push('close'),
        });
        peer.write(pattern(60_000, 1));
        await eventually(() => assert.ok(ours.closed));
        assert.deepEqual(heard, ['data', 'close']);
      }));

    test('a reset is seen as one by the peer, and the other way round with its code', async () => {
      // In the very callback that tells of the session, which is one of OpenSSL's.
      await pair(Kind, async ({ ours, peer }) => {
        const failed = new Promise<NodeJS.ErrnoException>((resolve) => peer.once('error', resolve));
        ours.reset();
        assert.equal((await failed).code, 'ECONNRESET');
        await eventually(() => assert.ok(ours.closed), { timeoutMs: 2000 });
      });
      await pair(Kind, async ({ ours, peer, wire }) => {
        const codes: (string | undefined)[] = [];
        listen(ours, { onData: () => wire.resetAndDestroy(), onClose: (code) => codes.push(code) });
        peer.write('ready');
        await eventually(() => assert.deepEqual(codes, ['ECONNRESET']), { timeoutMs: 2000 });
      });
    });

    test('bytes that are no record end it', () =>
      pair(Kind, async ({ ours, wire }) => {
        const codes: (string | undefined)[] = [];
        listen(ours, { onClose: (code) => codes.push(code) });
        // The session over it keeps the handle, so the write goes around the session.
        const handle = (wire as unknown as { _handle: { writeLatin1String(request: object, text: string): number } })._handle;
        const { WriteWrap } = (process as unknown as { binding(name: string): { WriteWrap: new () => object } }).binding('stream_wrap');
        handle.writeLatin1String(new WriteWrap(), 'x'.repeat(100));
        await eventually(() => assert.equal(codes.length, 1), { timeoutMs: 2000 });
        assert.match(codes[0] ?? '', /^ERR_SSL_/);
      }));
  });
}
