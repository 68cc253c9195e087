// An upstream that breaks off: what it sent until then reaches the client to the last byte, also one that reads late, and the cut shows.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { data, headers, rstStream } from './h2/frames.ts';
import { block } from './h2/hpack.ts';
import { type RawHttp2Upstream, startRawHttp2Upstream } from './h2/raw-upstream.ts';
import { clusterOf, listenerOf } from './support/configuration.ts';
import { startTarget, type Target } from './support/target.ts';

const SENT_BYTES = 2_000_000;
const LENGTH = `content-length: ${SENT_BYTES * 2}`;
const CHUNK = `transfer-encoding: chunked\r\n\r\n${SENT_BYTES.toString(16)}`;

const ANSWERS: Readonly<Record<string, string>> = {
  '/length': `HTTP/1.1 200 OK\r\n${LENGTH}\r\n\r\n`,
  '/chunked': `HTTP/1.1 200 OK\r\n${CHUNK}\r\n`,
};

suite('answers that are cut', () => {
  let server: Server;
  let http2: RawHttp2Upstream;
  let target: Target;
  before(async () => {
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes) => {
        const [, path = ''] = bytes.toString('latin1').split(' ');
        socket.write(ANSWERS[path] ?? '');
        socket.end(Buffer.alloc(SENT_BYTES, 'a'));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    http2 = await startRawHttp2Upstream();
    const routes = [
      { match: { path: '/http2' }, route: { cluster: 'http2' } },
      { match: { prefix: '/' }, route: { cluster: 'up' } },
    ];
    target = await startTarget(
      [listenerOf({ name: 'in', port: 0, profile: 'gateway', routes })],
      [clusterOf('up', (server.address() as AddressInfo).port), clusterOf('http2', http2.port, { http2: true })],
    );
  });
  after(async () => {
    await target?.close();
    await http2?.close();
    server?.close();
  });

  for (const path of Object.keys(ANSWERS)) {
    test(`${path.slice(1)}: every byte before the cut arrives`, async () => {
      const { text, error } = await readLate(target.portOf('in'), path);
      assert.equal(text.split('\r\n\r\n', 1)[0]!.startsWith('HTTP/1.1 200 OK'), true);
      assert.equal(text.replace(/^.*?\r\n\r\n/s, '').replace(/[^a]/g, '').length, SENT_BYTES);
      assert.equal(text.endsWith('0\r\n\r\n'), false, 'the cut does not show');
      assert.equal(error, undefined);
    });
  }

  test('HTTP/2 upstream that resets the stream: every byte before it arrives', async () => {
    const piece = 16_000;
    await http2.answer(() => [
      headers(
        1,
        block([
          [':status', '200'],
          ['content-length', '100000'],
        ]),
        { endStream: false },
      ),
      data(1, Buffer.alloc(piece, 'a'), false),
      data(1, Buffer.alloc(piece, 'a'), false),
      rstStream(1),
    ]);
    const { text } = await readLate(target.portOf('in'), '/http2');
    assert.equal(text.replace(/^.*?\r\n\r\n/s, '').length, 2 * piece);
  });
});

/** Asks, looks away until the upstream has broken off, then reads to the end. */
async function readLate(port: number, path: string): Promise<{ text: string; error: string | undefined }> {
  const socket: Socket = connect({ host: '127.0.0.1', port });
  let error: string | undefined;
  let text = '';
  socket.on('error', (thrown: NodeJS.ErrnoException) => {
    error = thrown.code;
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await sleep(200);
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.resume();
  await closed;
  return { text, error };
}
