// Bodies of requests that arrive faster than the upstream can be reached or takes them, or that it does not want.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { openRaw } from '../support/raw-client.ts';
import { clusterOf, listenerOf } from './support/configuration.ts';
import { startTarget, type Target } from './support/target.ts';

const UPLOAD = Buffer.alloc(8 * 1024 * 1024, 'u');

suite('uploads', () => {
  let server: Server;
  let http2: Http2Server;
  let target: Target;
  before(async () => {
    server = createServer((request, response) => {
      if (request.url === '/unwanted') return void response.writeHead(413, { connection: 'close' }).end('too big');
      if (request.url === '/duplex') response.write('early ');
      let sizeBytes = 0;
      request.on('data', (bytes: Buffer) => {
        sizeBytes += bytes.length;
      });
      request.on('end', () => response.end(String(sizeBytes)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    http2 = createHttp2Server();
    http2.on('stream', (stream: ServerHttp2Stream) => {
      let sizeBytes = 0;
      stream.on('error', () => {});
      stream.on('data', (bytes: Buffer) => {
        sizeBytes += bytes.length;
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-length': String(String(sizeBytes).length) });
        stream.end(String(sizeBytes));
      });
    });
    http2.listen(0, '127.0.0.1');
    await once(http2, 'listening');
    const portOf = (one: Server | Http2Server) => (one.address() as AddressInfo).port;
    // A connection for each request, so that every body has to wait for one.
    const fields = { max_requests_per_connection: 1 };
    const routes = [
      { match: { path: '/http2' }, route: { cluster: 'http2' } },
      { match: { prefix: '/' }, route: { cluster: 'up' } },
    ];
    target = await startTarget(
      [listenerOf({ name: 'in', port: 0, profile: 'gateway', routes })],
      [clusterOf('up', portOf(server), { fields }), clusterOf('http2', portOf(http2), { http2: true })],
    );
  });
  after(async () => {
    await target?.close();
    server?.close();
    http2?.close();
  });

  test('a fast client need not wait for the connection to the upstream', async () => {
    for (let i = 0; i < 5; i++)
      assert.match(await upload(target.portOf('in'), '/wanted'), new RegExp(`^HTTP/1.1 200 OK\r\n.*${UPLOAD.length}$`, 's'));
  });

  test('connections that had to wait for the windows of an HTTP/2 upstream carry the next request', async () => {
    const client = await openRaw(target.portOf('in'));
    try {
      for (let i = 1; i <= 8; i++) {
        await client.send([`POST /http2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${UPLOAD.length}\r\n\r\n`, UPLOAD]);
        assert.equal((await client.expectFinals(i))[i - 1]!.body, String(UPLOAD.length));
      }
    } finally {
      client.close();
    }
  });

  test('an answer whose head comes before the end of the request says that the connection ends, and is complete', async () => {
    const client = await openRaw(target.portOf('in'));
    try {
      await client.send(['POST /duplex HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nab']);
      await client.expectText('early ');
      await client.send(['cd']);
      const answer = await client.expectFinal();
      assert.deepEqual([answer.headers.get('connection'), answer.body], ['close', 'early 4']);
      assert.notEqual(await client.closedWithin(5000), undefined);
    } finally {
      client.close();
    }
  });

  test('an answer before the body is complete reaches the client, which still sends', async () => {
    for (let i = 0; i < 5; i++) assert.match(await upload(target.portOf('in'), '/unwanted'), /^HTTP\/1.1 413 .*too big/s);
  });
});

/** Sends head and body at once and gives what came until the end. */
async function upload(port: number, path: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  let text = '';
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  await once(socket, 'connect');
  socket.write(`POST ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${UPLOAD.length}\r\n\r\n`);
  socket.write(UPLOAD);
  await closed;
  return text;
}
