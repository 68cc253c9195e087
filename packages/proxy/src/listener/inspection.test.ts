import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'node:test';
import { connect } from 'node:tls';
import { parseClientHello } from './client-hello.ts';
import { sniffHttp } from './http-sniff.ts';

/** The first bytes that a real TLS client sends. */
async function realHello(servername: string, ALPNProtocols: string[]): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connect({ host: '127.0.0.1', port: (server.address() as { port: number }).port, servername, ALPNProtocols });
  client.on('error', () => {});
  const [socket] = (await accepted) as [import('node:net').Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

test('server name and protocols are read out of a real ClientHello, whole or cut anywhere', async () => {
  const bytes = await realHello('Reviews.default.svc.cluster.local', ['istio', 'h2']);
  const expected = { kind: 'hello', hello: { serverName: 'reviews.default.svc.cluster.local', applicationProtocols: ['istio', 'h2'] } };
  assert.deepEqual(parseClientHello(bytes), expected);
  for (let cut = 0; cut < bytes.length; cut++) assert.deepEqual(parseClientHello(bytes.subarray(0, cut)), { kind: 'more' }, `${cut}`);
  // The same message in records of five bytes.
  const message = bytes.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += 5) {
    const piece = message.subarray(at, at + 5);
    records.push(Buffer.from([22, 3, 1, 0, piece.length]), piece);
  }
  assert.deepEqual(parseClientHello(Buffer.concat(records)), expected);
});

test('a ClientHello with any byte changed is parsed, refused or waited for; it never throws', async () => {
  const bytes = await realHello('a.test', ['h2']);
  for (let i = 0; i < bytes.length; i++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[i] = value;
      assert.ok(['hello', 'more', 'not_tls', 'too_large', 'bad_version'].includes(parseClientHello(changed).kind));
    }
  }
  assert.equal(parseClientHello(Buffer.from('GET / HTTP/1.1\r\n')).kind, 'not_tls');
  assert.equal(parseClientHello(Buffer.from([22, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff])).kind, 'too_large');
  for (const [minor, kind] of [
    [0, 'bad_version'],
    [1, 'hello'],
    [5, 'bad_version'],
  ] as const) {
    const other = Buffer.from(bytes);
    other[10] = minor;
    assert.equal(parseClientHello(other).kind, kind);
  }
  const named = Buffer.from(bytes);
  named[named.indexOf('a.test') + 1] = 0;
  assert.equal(parseClientHello(named).kind, 'not_tls');
});

test('plaintext HTTP is told from everything else by its first line', () => {
  const cases: readonly (readonly [bytes: string, kind: string])[] = [
    ['GET / HTTP/1.1\r\n', 'http/1.1'],
    ['\r\nGET / HTTP/1.1\r\n', 'other'],
    ['FOO-1 / HTTP/1.1\r\n', 'http/1.1'],
    ['GET  /a  HTTP/1.1\r\n', 'http/1.1'],
    ['GET / HTTP/1.1 \r\n', 'http/1.1'],
    ['GET / HTTP/1.1 x\r\n', 'other'],
    ['GET /a b HTTP/1.1\r\n', 'other'],
    ['GET /\xff HTTP/1.1\r\n', 'other'],
    ['GET / HTTP/0.9\r\n', 'http/1.0'],
    ['GET\r\n', 'other'],
    ['POST /x HTTP/1.0\r\n', 'http/1.0'],
    ['GET / HTTP/1.1\n', 'http/1.1'],
    ['GET / HTTP/2.0\r\n', 'http/1.0'],
    ['GET /', 'more'],
    ['GE', 'more'],
    ['', 'more'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2c'],
    ['PRI * HT', 'more'],
    ['hello world\r\n', 'other'],
    ['hello', 'more'],
    ['hel{o', 'other'],
    ['\x16\x03\x01', 'other'],
    [`GET /${'a'.repeat(9000)}`, 'more'],
    [`GET /${'a'.repeat(66_000)}`, 'too_long'],
  ];
  for (const [bytes, kind] of cases) assert.equal(sniffHttp(Buffer.from(bytes, 'latin1')), kind, JSON.stringify(bytes.slice(0, 20)));
});
