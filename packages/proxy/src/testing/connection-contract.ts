// What every kind of connection must do, whether a socket carries it or a session of TLS.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '@lateen/base/testing';
import { type Connection, type ConnectionHandler, ignoring } from '../io/connection.ts';

/** A connection of ours, the socket or session at its other end, and the bare socket below that: without TLS the same one. */
export type ConnectionPair<C extends Connection = Connection> = { ours: C; peer: Socket; wire: Socket };

/** Lends a pair that ends with the call. */
export type WithPair<C extends Connection = Connection> = (use: (pair: ConnectionPair<C>) => Promise<void>) => Promise<void>;

/** What a connection is heard to say; the rest is ignored. */
export const listen = (ours: Connection, events: Partial<ConnectionHandler>): void => {
  ours.handler = { ...ignoring, ...events };
};

const pattern = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed}, `);

/** Adds the tests of the contract to the suite under way. */
export function testConnection(withPair: WithPair): void {
  testEnds(withPair);
  testQueue(withPair);
  testPause(withPair);
  testBreaks(withPair);
}

function testEnds(withPair: WithPair): void {
  test('gives what arrives, and the end, while writing still works', () =>
    withPair(async ({ ours, peer }) => {
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
}

function testQueue(withPair: WithPair): void {
  test('keeps bytes in order when the peer is slow, whatever becomes of the memory they came from', () =>
    withPair(async ({ ours, peer }) => {
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
      const received: Buffer[] = [];
      peer.on('data', (bytes: Buffer) => received.push(bytes));
      ours.end();
      peer.resume();
      await once(peer, 'end');
      assert.ok(Buffer.concat(received).equals(Buffer.concat(expected)));
      assert.equal(ours.queuedBytes, 0);
    }));

  test('tells once when its queue has drained', () =>
    withPair(async ({ ours, peer }) => {
      let drains = 0;
      listen(ours, { onDrain: () => drains++ });
      peer.pause();
      for (let i = 0; i < 500 && ours.queuedBytes < 1_000_000; i++) ours.write(pattern(100_000, i));
      assert.equal(drains, 0);
      peer.resume();
      await eventually(() => assert.deepEqual([drains, ours.queuedBytes], [1, 0]));
    }));
}

function testPause(withPair: WithPair): void {
  test('gives nothing while paused, and then all in order, the end last', () =>
    withPair(async ({ ours, peer }) => {
      const received: Buffer[] = [];
      let sizeAtEnd = -1;
      const size = () => received.reduce((sum, { length }) => sum + length, 0);
      listen(ours, {
        onData: (bytes) => {
          received.push(Buffer.from(bytes));
          // More of the same read may still be to come: records of TLS.
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
      // Long enough for a connection that reads on to show it.
      await new Promise((next) => setTimeout(next, 50));
      assert.equal(size(), 0);
      ours.resume();
      await eventually(() => assert.equal(sizeAtEnd, sent.length));
      assert.ok(Buffer.concat(received).equals(sent));
    }));
}

function testBreaks(withPair: WithPair): void {
  test('hears nothing more once destroyed in the middle of a read', () =>
    withPair(async ({ ours, peer }) => {
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
    // Of a session in the very callback that tells of it, which is one of OpenSSL's.
    await withPair(async ({ ours, peer }) => {
      const failed = new Promise<NodeJS.ErrnoException>((resolve) => peer.once('error', resolve));
      ours.reset();
      assert.equal((await failed).code, 'ECONNRESET');
      await eventually(() => assert.ok(ours.closed));
    });
    // Behind its end, which the peer may not have seen yet.
    await withPair(async ({ ours, peer }) => {
      peer.resume();
      ours.end();
      ours.reset();
      await eventually(() => assert.ok(ours.closed));
    });
    await withPair(async ({ ours, peer, wire }) => {
      const codes: (string | undefined)[] = [];
      listen(ours, { onData: () => wire.resetAndDestroy(), onClose: (code) => codes.push(code) });
      peer.write('ready');
      await eventually(() => assert.deepEqual(codes, ['ECONNRESET']));
    });
  });
}
