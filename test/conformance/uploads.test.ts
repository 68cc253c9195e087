// Bodies of requests that arrive faster than the upstream can be reached, or that it does not want.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { clusterOf, listenerOf } from './support/configuration.ts';
import { startTarget, type Target } from './support/target.ts';

const UPLOAD = Buffer.alloc(8 * 1024 * 1024, 'u');

suite('uploads', () => {
  let server: Server;
  let target: Target;
  before(async () => {
    server = createServer((request, response) => {
      if (request.url === '/unwanted') return void response.writeHead(413, { connection: 'close' }).end('too big');
      let sizeBytes = 0;
      request.on('data', (bytes: Buffer) => {
        sizeBytes += bytes.length;
      });
      request.on('end', () => response.end(String(sizeBytes)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    // A connection for each request, so that every body has to wait for one.
    const fields = { max_requests_per_connection: 1 };
    target = await startTarget([listenerOf({ name: 'in', port: 0, profile: 'gateway' })], [clusterOf('up', port, { fields })]);
  });
  after(async () => {
    await target?.close();
    server?.close();
  });

  test('a fast client need not wait for the connection to the upstream', async () => {
    for (let i = 0; i < 10; i++)
      assert.match(await upload(target.portOf('in'), '/wanted'), new RegExp(`^HTTP/1.1 200 OK\r\n.*${UPLOAD.length}$`, 's'));
  });

  test('an answer before the body is complete reaches the client, which still sends', async () => {
    for (let i = 0; i < 10; i++) assert.match(await upload(target.portOf('in'), '/unwanted'), /^HTTP\/1.1 413 .*too big/s);
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
