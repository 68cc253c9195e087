// A gRPC service of bytes, by grpc-js; what it does is asked in metadata.

import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

export const ECHO = {
  Unary: method('Unary', false, false),
  Download: method('Download', false, true),
  Upload: method('Upload', true, false),
  Chat: method('Chat', true, true),
} satisfies ServiceDefinition;

export type GrpcUpstream = {
  readonly port: number;
  /** Calls that the client gave up. */
  cancelled: number;
  /** Metadata of the last call. */
  metadata: Metadata | undefined;
  /** Messages written by Download so far, in the last call. */
  written: number;
  close(): void;
};

const number = (metadata: Metadata, key: string): number => Number(metadata.get(key)[0] ?? 0);

/** Starts it on a free loopback port; the caller closes it. */
export async function startGrpcUpstream(): Promise<GrpcUpstream> {
  const server = new Server();
  const note = (call: { metadata: Metadata; on(event: 'cancelled', listener: () => void): unknown }) => {
    upstream.metadata = call.metadata;
    call.on('cancelled', () => {
      upstream.cancelled++;
    });
  };
  server.addService(ECHO, {
    Unary(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      note(call);
      const code = number(call.metadata, 'want-code');
      const trailers = call.metadata.clone();
      for (const key of Object.keys(trailers.getMap())) if (!key.startsWith('back-')) trailers.remove(key);
      const answer = () =>
        code === 0
          ? done(null, call.request, trailers)
          : done({ code, details: String(call.metadata.get('want-details')[0] ?? 'no'), metadata: trailers });
      const delayMs = number(call.metadata, 'want-delay');
      if (delayMs > 0) setTimeout(answer, delayMs);
      else answer();
    },
    Download(call: ServerWritableStream<Buffer, Buffer>) {
      note(call);
      upstream.written = 0;
      void download(call, upstream);
    },
    Upload(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
      note(call);
      let count = 0;
      call.on('data', () => count++);
      call.on('end', () => done(null, Buffer.from(String(count))));
    },
    Chat(call: ServerDuplexStream<Buffer, Buffer>) {
      note(call);
      call.on('error', () => {});
      call.on('data', (bytes: Buffer) => call.write(bytes));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const upstream: GrpcUpstream = { port, cancelled: 0, metadata: undefined, written: 0, close: () => server.forceShutdown() };
  return upstream;
}

async function download(call: ServerWritableStream<Buffer, Buffer>, upstream: GrpcUpstream): Promise<void> {
  const count = number(call.metadata, 'want-count');
  const size = number(call.metadata, 'want-size');
  const filling = Buffer.alloc(Math.max(0, size - 4));
  for (let i = 0; i < count && !call.cancelled; i++) {
    const message = Buffer.concat([Buffer.alloc(4), filling]);
    message.writeUInt32BE(i);
    upstream.written++;
    if (call.write(message)) continue;
    await new Promise<void>((resolve) => {
      if (call.cancelled) return resolve();
      call.once('drain', resolve);
      call.once('cancelled', resolve);
    });
  }
  const code = number(call.metadata, 'want-code');
  if (code === 0) call.end();
  else call.emit('error', { code, details: 'after all' });
}
