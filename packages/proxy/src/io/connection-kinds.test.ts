import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite, test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { listen, testConnection, type WithPair } from '../testing/connection-contract.ts';
import { type Connection, ignoring } from './connection.ts';
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
const pairsOf =
  (create: (socket: Socket) => Connection): WithPair =>
  async (use) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    // The server's socket is taken over in the very callback that announces it, as listeners do.
    const accepted = new Promise<Connection>((resolve) => server.once('connection', (socket) => resolve(create(socket))));
    const peer = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    peer.on('error', () => {});
    const ours = await accepted;
    try {
      await use({ ours, peer, wire: peer });
    } finally {
      peer.destroy();
      ours.destroy();
      server.close();
    }
  };

test('the self-test lets handles be used on this Node', async () => {
  await eventually(() => assert.equal(handlesAreUsable(), process.env.LATEEN_IO !== 'socket'), { intervalMs: 5 });
});

for (const [kind, create] of Object.entries(KINDS)) {
  suite(`a connection over a ${kind}`, () => {
    const withPair = pairsOf(create);
    testConnection(withPair);

    test('is flushed once nothing that was written is in memory', () =>
      withPair(async ({ ours, peer }) => {
        peer.pause();
        for (let i = 0; i < 500 && ours.queuedBytes < 1_000_000; i++) ours.write(Buffer.alloc(100_000));
        assert.ok(!ours.isFlushed);
        peer.resume();
        await eventually(() => assert.ok(ours.isFlushed));
      }));

    test('gives its socket up with the unread bytes in front', () =>
      withPair(async ({ ours, peer }) => {
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
