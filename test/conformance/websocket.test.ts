// WebSocket through the proxy, between any two versions of HTTP: frames of every kind, legal or not, pass byte for byte however they are
// cut, and so does what the two ends say of extensions. What frames mean is theirs to judge.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@lateen/base/testing';
import { clusterOf, listenerOf } from './support/configuration.ts';
import { startTarget, type Target } from './support/target.ts';

const HOST = 'Host: a.test\r\n';
const OFFERS = 'permessage-deflate; client_max_window_bits; server_max_window_bits=9';
const AGREES = 'permessage-deflate; server_no_context_takeover';
const HANDSHAKE = `${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: ${OFFERS}\r\n`;

/** One frame; `first` is FIN, RSV and opcode. */
function frame(first: number, payload: Buffer, masked = true): Buffer {
  const { length } = payload;
  const long = length > 0xffff ? 8 : length > 125 ? 2 : 0;
  const head = Buffer.alloc(2 + long);
  head[0] = first;
  head[1] = (masked ? 0x80 : 0) | (long === 8 ? 127 : long === 2 ? 126 : length);
  if (long === 2) head.writeUInt16BE(length, 2);
  if (long === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, masked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0), payload]);
}

const SIZES = [0, 1, 125, 126, 127, 128, 65_535, 65_536, 1_048_576];
const FRAMES = Buffer.concat([
  ...SIZES.map((size) => frame(0x82, Buffer.alloc(size, size % 251))),
  // Every opcode with every reserved bit, final or not, control frames too long included.
  ...Array.from({ length: 256 }, (_, first) => frame(first, Buffer.from('payload'))),
  frame(0x89, Buffer.alloc(126)),
  // Text that is no UTF-8, fragments with a ping between them, close frames of one byte and of an illegal code, no mask.
  frame(0x81, Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80, 0xff])),
  frame(0x01, Buffer.from('frag')),
  frame(0x89, Buffer.from('ping')),
  frame(0x80, Buffer.from('ment')),
  frame(0x88, Buffer.from([3])),
  frame(0x88, Buffer.from([0x03, 0xed])),
  frame(0x82, Buffer.from('bare'), false),
]);

const VERSIONS = ['http1', 'http2'] as const;
type Version = (typeof VERSIONS)[number];

suite('WebSocket', () => {
  const sockets = new Set<Socket>();
  let http1: Server;
  let http2: Http2Server;
  let target: Target;
  let offered: (string | undefined)[] = [];
  let received = '';
  let ended = false;
  before(async () => {
    http1 = createTcpServer({ noDelay: true, allowHalfOpen: true }, (socket) => serveHttp1(socket));
    http2 = createHttp2Server({ settings: { enableConnectProtocol: true } });
    http2.on('stream', (stream: ServerHttp2Stream, headers) => {
      offered.push(headers['sec-websocket-extensions'] as string);
      stream.on('error', () => {});
      stream.respond({ ':status': 200, 'sec-websocket-extensions': AGREES });
      stream.pipe(stream);
    });
    http1.listen(0, '127.0.0.1');
    http2.listen(0, '127.0.0.1');
    await Promise.all([once(http1, 'listening'), once(http2, 'listening')]);
    const portOf = (server: Server | Http2Server) => (server.address() as AddressInfo).port;
    const routes = VERSIONS.map((name) => ({ match: { prefix: `/${name}` }, route: { cluster: name, timeout: '0s' } }));
    const hcm = { http2_protocol_options: { allow_connect: true } };
    target = await startTarget(
      [listenerOf({ name: 'in', port: 0, profile: 'gateway', routes, hcm })],
      [clusterOf('http1', portOf(http1)), clusterOf('http2', portOf(http2), { http2: true })],
    );
  });
  after(async () => {
    await target?.close();
    for (const socket of sockets) socket.destroy();
    http1?.close();
    http2?.close();
  });

  /** Switches after the first head and echoes the rest. A path with "late" waits a moment first. */
  function serveHttp1(socket: Socket): void {
    sockets.add(socket);
    let head = '';
    socket.on('error', () => {});
    socket.on('end', () => {
      ended = true;
      socket.end();
    });
    const onHead = (bytes: Buffer): void => {
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n') + 4;
      if (end < 4) return;
      socket.off('data', onHead);
      void switchTo(end);
    };
    const switchTo = async (end: number): Promise<void> => {
      offered.push(/^sec-websocket-extensions: (.*)\r$/im.exec(head)?.[1]);
      if (head.includes('/late')) await sleep(50);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: ${AGREES}\r\n\r\n`,
      );
      socket.on('data', (more) => {
        received += more.toString('latin1');
        socket.write(more);
      });
      if (head.length > end) socket.emit('data', Buffer.from(head.slice(end), 'latin1'));
    };
    socket.on('data', onHead);
  }

  for (const client of VERSIONS) {
    for (const upstream of VERSIONS) {
      test(`${client} to ${upstream}: every frame passes, however it is cut`, async () => {
        offered = [];
        const { stream, extensions, close } = await open(client, target.portOf('in'), `/${upstream}`);
        try {
          assert.equal(extensions, AGREES);
          assert.deepEqual(offered, [OFFERS]);
          let size = 0;
          const parts: Buffer[] = [];
          const done = new Promise<void>((resolve) => {
            stream.on('data', (bytes: Buffer) => {
              parts.push(bytes);
              size += bytes.length;
              if (size >= FRAMES.length) resolve();
            });
          });
          await sendInPieces(stream, FRAMES);
          await done;
          assert.equal(Buffer.compare(Buffer.concat(parts), FRAMES), 0);
        } finally {
          close();
        }
      });
    }
  }

  test('the framing of a request that had a body ends with the switch', async () => {
    received = '';
    const socket = await openSocket(target.portOf('in'));
    socket.write(`GET /http1 HTTP/1.1\r\n${HANDSHAKE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
    await once(socket, 'data');
    socket.write('after');
    await eventually(() => assert.match(received, /after/));
    assert.equal(received.slice(received.indexOf('0\r\n\r\n') + 5), 'after');
    socket.destroy();
  });

  test('a client that half-closes before the switch is heard behind it', async () => {
    ended = false;
    const socket = await openSocket(target.portOf('in'));
    socket.end(`GET /http1/late HTTP/1.1\r\n${HANDSHAKE}\r\n`);
    await eventually(() => assert.equal(ended, true));
    socket.destroy();
  });
});

type Opened = { stream: Duplex; extensions: string | undefined; close(): void };

async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function open(version: Version, port: number, path: string): Promise<Opened> {
  if (version === 'http2') {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    await once(session, 'remoteSettings');
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': path,
      ':authority': 'a.test',
      'sec-websocket-version': '13',
      'sec-websocket-extensions': OFFERS,
    });
    stream.on('error', () => {});
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    assert.equal(headers[':status'], 200);
    return { stream, extensions: headers['sec-websocket-extensions'] as string, close: () => session.destroy() };
  }
  const socket = await openSocket(port);
  socket.write(`GET ${path} HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  const text = head.toString('latin1');
  assert.match(text, /^HTTP\/1\.1 101 .*\r\n\r\n$/s);
  return { stream: socket, extensions: /^sec-websocket-extensions: (.*)\r$/im.exec(text)?.[1], close: () => socket.destroy() };
}

/** The small frames byte by byte at first, then in pieces of odd sizes, as fast as they are taken. */
async function sendInPieces(stream: Duplex, bytes: Buffer): Promise<void> {
  let at = 0;
  let size = 1;
  while (at < bytes.length) {
    const more = stream.write(bytes.subarray(at, at + size));
    at += size;
    if (at > 600) size = Math.min(size * 2 + 1, 40_001);
    if (!more) await once(stream, 'drain');
  }
}
