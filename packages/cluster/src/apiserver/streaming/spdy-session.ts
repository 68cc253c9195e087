// The server side of SPDY/3.1 as far as kubectl speaks it: streams opened by the client, data both ways, ping. Runs over any
// byte stream: an upgraded connection or the binary messages of a WebSocket. kubectl keeps no windows, so neither do we;
// a stream that nobody reads stops the whole session instead.

import { Duplex } from 'node:stream';
import { createHeaderCodec } from './spdy-headers.ts';

export type SpdyStream = { headers: ReadonlyMap<string, string>; duplex: Duplex };
export type SpdySession = {
  close(): void;
  /** Resolves when the connection is over. */
  closed: Promise<void>;
};

const VERSION = 0x8003;
const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const FLAG_FIN = 0x01;
const CANCEL = 5;
const MAX_FRAME = 1024 * 1024;
const MAX_STREAMS = 2000;
const MAX_BUFFERED = 4 * 1024 * 1024;

/** Serves `connection`; `onStream` gets each stream that the client opens, already accepted. */
export function createSpdySession(connection: Duplex, onStream: (stream: SpdyStream) => void): SpdySession {
  const codec = createHeaderCodec();
  let onRead = () => {};
  const streams = new Map<number, Duplex>();
  const send = (frame: Buffer, done?: (error?: Error | null) => void) => {
    if (connection.writable) connection.write(frame, done);
    else done?.(new Error('the connection is closed'));
  };

  function openStream(id: number): Duplex {
    const duplex = new Duplex({
      readableHighWaterMark: MAX_BUFFERED,
      read: () => onRead(),
      write: (chunk: Buffer, _encoding, done) => sendData(chunk, done),
      final(done) {
        send(dataFrame(id, FLAG_FIN, Buffer.alloc(0)), done);
      },
      destroy(error, done) {
        onRead();
        const isWhole = duplex.writableFinished && duplex.readableEnded;
        if (streams.delete(id) && (error || !isWhole)) send(controlFrame(RST_STREAM, 0, uint32s(id, CANCEL)));
        done(null);
      },
    });
    const sendData = (chunk: Buffer, done: (error?: Error | null) => void) => {
      for (let start = 0; start < chunk.length; start += MAX_FRAME / 2) {
        const part = chunk.subarray(start, start + MAX_FRAME / 2);
        send(dataFrame(id, 0, part), start + part.length >= chunk.length ? done : undefined);
      }
      if (chunk.length === 0) done();
    };
    duplex.on('error', () => {}); // the other end is told by RST_STREAM
    streams.set(id, duplex);
    return duplex;
  }

  async function onControl(type: number, flags: number, payload: Buffer): Promise<void> {
    if (type === PING) return send(controlFrame(PING, 0, payload));
    if (type === GOAWAY) return;
    if (type === RST_STREAM && payload.length >= 4) {
      const id = payload.readUInt32BE(0) & 0x7fffffff;
      const stream = streams.get(id);
      streams.delete(id);
      return void stream?.destroy();
    }
    if (type !== SYN_STREAM || payload.length < 10) return;
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    const headers = await codec.decode(payload.subarray(10));
    if (streams.size >= MAX_STREAMS || streams.has(id)) return send(controlFrame(RST_STREAM, 0, uint32s(id, CANCEL)));
    const duplex = openStream(id);
    send(controlFrame(SYN_REPLY, 0, Buffer.concat([uint32s(id), await codec.encode(new Map())])));
    if (flags & FLAG_FIN) duplex.push(null);
    onStream({ headers, duplex });
  }

  function onData(id: number, flags: number, payload: Buffer): void {
    const stream = streams.get(id);
    if (!stream || stream.readableEnded || stream.destroyed) return;
    if (payload.length > 0) stream.push(payload);
    if (flags & FLAG_FIN) stream.push(null);
  }

  async function run(): Promise<void> {
    let pending: Buffer = Buffer.alloc(0);
    for await (const chunk of connection as AsyncIterable<Buffer>) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      let start = 0;
      while (pending.length - start >= 8) {
        const first = pending.readUInt32BE(start);
        const word = pending.readUInt32BE(start + 4);
        const length = word & 0xffffff;
        if (length > MAX_FRAME * 16) throw new Error('a SPDY frame is too large');
        if (pending.length - start < 8 + length) break;
        // Copied: the buffer is reused for the rest.
        const payload = Buffer.from(pending.subarray(start + 8, start + 8 + length));
        start += 8 + length;
        if (first & 0x80000000) {
          if (first >>> 16 !== VERSION) throw new Error('the peer does not speak SPDY/3');
          await onControl(first & 0xffff, word >>> 24, payload);
        } else onData(first, word >>> 24, payload);
      }
      pending = pending.subarray(start);
      while ([...streams.values()].some((stream) => !stream.destroyed && stream.readableLength > MAX_BUFFERED)) {
        await new Promise<void>((resolve) => {
          onRead = resolve;
        });
      }
    }
  }

  const closed = run()
    .catch(() => {})
    .finally(() => {
      for (const stream of [...streams.values()]) stream.destroy();
      codec.close();
      connection.destroy();
    });
  return { close: () => void connection.destroy(), closed };
}

function uint32s(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) buffer.writeUInt32BE(value, i * 4);
  return buffer;
}

function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  return Buffer.concat([uint32s(((VERSION << 16) | type) >>> 0, ((flags << 24) | payload.length) >>> 0), payload]);
}

const dataFrame = (id: number, flags: number, payload: Buffer): Buffer =>
  Buffer.concat([uint32s(id, ((flags << 24) | payload.length) >>> 0), payload]);
