// Both ends of open gRPC-like streams: `serve PORT` echoes what comes; `load PORT PATH SECONDS` sends 100 B messages, the next one
// when the last is back, over 4 connections with 8 streams each, and prints how many went there and back.

import { connect, createServer, type ServerHttp2Stream } from 'node:http2';

const CONNECTIONS = 4;
const STREAMS = 8;
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 95]), Buffer.alloc(95, 'm')]);

const [role, port, path = '/', seconds = '1'] = process.argv.slice(2);
if (role === 'serve') serve(Number(port));
else load(Number(port));

function serve(port: number): void {
  const server = createServer();
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.on('data', (chunk: Buffer) => stream.write(chunk));
    stream.on('end', () => stream.end());
  });
  server.listen(port, '127.0.0.1');
}

function load(port: number): void {
  let messages = 0;
  for (let i = 0; i < CONNECTIONS; i++) {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', fail);
    for (let j = 0; j < STREAMS; j++) {
      const stream = session.request({ ':path': path, ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' });
      stream.on('error', fail);
      stream.on('close', () => fail(new Error('a stream ended')));
      let pending = MESSAGE.length;
      stream.on('data', (chunk: Buffer) => {
        pending -= chunk.length;
        if (pending > 0) return;
        messages++;
        pending += MESSAGE.length;
        stream.write(MESSAGE);
      });
      stream.write(MESSAGE);
    }
  }
  setTimeout(() => {
    process.stdout.write(`${messages}\n`);
    process.exit(0);
  }, Number(seconds) * 1000);
}

function fail(error: Error): void {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
