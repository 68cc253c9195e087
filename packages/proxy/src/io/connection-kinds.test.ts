import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { type Connection, type ConnectionHandler, ignoring } from './connection.ts';
import { HandleConnection } from './handle-connection.ts';
import { readIntoShared } from './shared-read.ts';
import { SocketConnection } from './socket-connection.ts';
import { handlesAreUsable, tcpHandleOf } from './tcp-handle.ts';

const KINDS: Readonly<Record<string, (socket: Socket) => Connection>> = {
  socket: (socket) => new SocketConnection(socket, ignoring),
  handle(socket) {
    const handle = tcpHandleOf(socket);
    assert.ok(handle && readIntoShared(socket, () => {}));
    const connection = new HandleConnection(socket, ignoring);
    connection.attach(handle);
    return connection;
  },
};

/** A connection of ours and the bare socket at its other end. */
async function pair(kind: string, use: (ours: Connection, peer: Socket) => Promise<void>): Promise<void> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // The server's socket is taken over in the very callback that announces it, as listeners do.
  const accepted = new Promise<Connection>((resolve) => server.once('connection', (socket) => resolve(KINDS[kind]!(socket))));
  const peer = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  peer.on('error', () => {});
  const ours = await accepted;
  try {
    await use(ours, peer);
  } finally {
    peer.destroy();
    ours.destroy();
    server.close();
  }
}

const listen = (ours: Connection, events: Partial<ConnectionHandler>): void => {
  ours.handler = { ...ignoring, ...events };
};

const pattern = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed}, `);

test('the self-test lets handles be used on this Node', async () => {
  await eventually(() => assert.equal(handlesAreUsable(), process.env.LATEEN_IO !== 'socket'), { timeoutMs: 3000, intervalMs: 5 });
});

for (const kind of Object.keys(KINDS)) {
  suite(`a connection over a ${kind}`, () => {
    test('gives what arrives, and the end, while writing still works', () =>
      pair(kind, async (ours, peer) => {
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
      pair(kind, async (ours, peer) => {
        let drains = 0;
        listen(ours, { onDrain: () => drains++ });
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
        assert.ok(refused && !ours.isFlushed && ours.queuedBytes > 0);
        const whole = Buffer.concat(expected);
        const received: Buffer[] = [];
        peer.on('data', (bytes: Buffer) => received.push(bytes));
        ours.end();
        peer.resume();
        await once(peer, 'end');
        assert.ok(Buffer.concat(received).equals(whole));
        assert.equal(ours.queuedBytes, 0);
      }));

    test('tells when its queue has drained', () =>
      pair(kind, async (ours, peer) => {
        let drains = 0;
        listen(ours, { onDrain: () => drains++ });
        peer.pause();
        for (let i = 0; i < 500 && ours.queuedBytes < 1_000_000; i++) ours.write(pattern(100_000, i));
        assert.equal(drains, 0);
        peer.resume();
        await eventually(() => assert.deepEqual([drains, ours.isFlushed], [1, true]));
      }));

    test('reads nothing while paused', () =>
      pair(kind, async (ours, peer) => {
        let size = 0;
        listen(ours, {
          onData: (bytes) => {
            size += bytes.length;
          },
        });
        ours.pause();
        peer.write(Buffer.alloc(100_000));
        await new Promise((next) => setTimeout(next, 50));
        assert.equal(size, 0);
        ours.resume();
        await eventually(() => assert.equal(size, 100_000));
      }));

    test('a reset is seen as one by the peer, and the other way round with its code', async () => {
      await pair(kind, async (ours, peer) => {
        const failed = once(peer, 'error');
        ours.reset();
        assert.equal(((await failed)[0] as NodeJS.ErrnoException | undefined)?.code, 'ECONNRESET');
        await eventually(() => ours.closed);
      }).catch((error: NodeJS.ErrnoException) => assert.equal(error.code, 'ECONNRESET'));
      await pair(kind, async (ours, peer) => {
        const codes: (string | undefined)[] = [];
        listen(ours, { onClose: (code) => codes.push(code) });
        peer.resetAndDestroy();
        await eventually(() => assert.deepEqual(codes, ['ECONNRESET']));
      });
    });

    test('gives its socket up with the unread bytes in front', () =>
      pair(kind, async (ours, peer) => {
        let first: Buffer | undefined;
        listen(ours, {
          onData: (bytes) => {
            first = ours.keep(bytes);
          },
        });
        peer.write('first');
        await eventually(() => first !== undefined);
        const socket = ours.release(first);
        assert.equal(socket.read()?.toString(), 'first');
        socket.write('from the new owner');
        const [bytes] = (await once(peer, 'data')) as [Buffer];
        assert.equal(bytes.toString(), 'from the new owner');
        socket.destroy();
        await eventually(() => ours.closed);
      }));
  });
}
