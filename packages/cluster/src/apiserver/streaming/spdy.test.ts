import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { createSpdySession } from './spdy-session.ts';

/** A connection that gives these bytes and keeps what is written. */
function connectionOf(input: Buffer): { connection: Duplex; written: Buffer[] } {
  const written: Buffer[] = [];
  const connection = new Duplex({
    read() {
      this.push(input);
      this.push(null);
    },
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  connection.on('error', () => {}); // the session ends it
  return { connection, written };
}

const control = (type: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE((0x80030000 | type) >>> 0, 0);
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
};

describe('a SPDY session', () => {
  it('answers a ping with the same frame', async () => {
    const ping = control(6, Buffer.of(0, 0, 0, 7));
    const { connection, written } = connectionOf(ping);
    await createSpdySession(connection, () => {}).closed;
    assert.deepEqual(Buffer.concat(written), ping);
  });

  const hostile: [string, Buffer][] = [
    ['another protocol', Buffer.from([0x80, 0x02, 0, 1, 0, 0, 0, 0])],
    ['headers that are no zlib stream', control(1, Buffer.concat([Buffer.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0), Buffer.from('garbage')]))],
    ['a frame that is too short', control(1, Buffer.of(1))],
    ['half a frame', control(6, Buffer.of(0, 0, 0, 7)).subarray(0, 9)],
    ['data for a stream that is not there', Buffer.from([0, 0, 0, 9, 0, 0, 0, 1, 0x41])],
  ];
  for (const [name, bytes] of hostile) {
    it(`survives ${name}`, { timeout: 30_000 }, async () => {
      const { connection } = connectionOf(bytes);
      await createSpdySession(connection, () => assert.fail('a stream was opened')).closed;
      assert.equal(connection.destroyed, true);
    });
  }
});
