// An HTTP/2 server that answers each request with the frames of the test.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { FLAG, headers, PREFACE, settings, settingsAck, TYPE } from './frames.ts';
import { block, type Field, HpackDecoder } from './hpack.ts';

export type RawHttp2Upstream = {
  readonly port: number;
  /** Of the last request. */
  lastFields: Field[];
  /** Header blocks (a request's end) so far. */
  requests: number;
  connections: number;
  /** Frames for the next requests, written as if for stream 1; ends the connections that are there. */
  answer(frames: () => readonly Buffer[]): Promise<void>;
  block: typeof block;
  close(): Promise<void>;
};

/** The same frame, where `stream` is what 1 was. */
function forStream(frame: Buffer, stream: number): Buffer {
  const copy = Buffer.from(frame);
  const was = copy.readUInt32BE(5);
  if (was !== 0) copy.writeUInt32BE(stream + was - 1, 5);
  return copy;
}

/** Starts it on a free loopback port; the caller closes it. */
export async function startRawHttp2Upstream(): Promise<RawHttp2Upstream> {
  const sockets = new Set<Socket>();
  let makeFrames: () => readonly Buffer[] = () => [headers(1, block([[':status', '200']]))];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    upstream.connections++;
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    const decoder = new HpackDecoder();
    let pending: Buffer = Buffer.alloc(0);
    let isGreeted = false;
    let parts: Buffer[] = [];
    const take = (type: number, flags: number, stream: number, payload: Buffer): void => {
      if (type === TYPE.settings && (flags & FLAG.ack) === 0) socket.write(settingsAck());
      if (type === TYPE.headers || type === TYPE.continuation) {
        parts.push(payload);
        if ((flags & FLAG.endHeaders) === 0) return;
        upstream.lastFields = decoder.decode(Buffer.concat(parts));
        parts = [];
        upstream.requests++;
        socket.write(Buffer.concat(makeFrames().map((frame) => forStream(frame, stream))));
      }
    };
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      if (!isGreeted) {
        if (pending.length < PREFACE.length) return;
        isGreeted = true;
        pending = pending.subarray(PREFACE.length);
        socket.write(settings());
      }
      while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
        const size = pending.readUIntBE(0, 3);
        take(pending[3]!, pending[4]!, pending.readUInt32BE(5) & 0x7fffffff, pending.subarray(9, 9 + size));
        pending = pending.subarray(9 + size);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: RawHttp2Upstream = {
    port: (server.address() as AddressInfo).port,
    lastFields: [],
    requests: 0,
    connections: 0,
    async answer(frames) {
      makeFrames = frames;
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, 20));
    },
    block,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return upstream;
}
