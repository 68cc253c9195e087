import assert from 'node:assert/strict';
import test from 'node:test';
import { WrittenConnection } from '../testing/written-connection.ts';
import type { Head } from './head.ts';
import { Http1Server } from './http1-server.ts';
import type { Http1ServerHost } from './http1-server-host.ts';
import type { ServerStreamHandler } from './stream.ts';

const stream: ServerStreamHandler = {
  onRequestData() {},
  onRequestEnd() {},
  onResponseDrain() {},
  onDownstreamReset() {},
  onComplete() {},
};

type Seen = { path: string; case: string | undefined; keepAlive: boolean; added: string | undefined };

/** Sends each text on a connection of its own, answers at once, and tells what was seen of the requests and of those refused. */
function serve(texts: readonly string[], maxBytes = 60 * 1024): { seen: Seen[]; refused: (string | undefined)[] } {
  const seen: Seen[] = [];
  const refused: (string | undefined)[] = [];
  for (const text of texts) {
    const connection = new WrittenConnection();
    const host: Http1ServerHost = {
      onRequest(head: Head, framing) {
        const added = head.value('x-added');
        seen.push({ path: head.text(head.targetStart, head.targetEnd), case: head.value('x-case'), keepAlive: framing.keepAlive, added });
        head.add('x-added', 'by a filter');
        head.remove('x-case');
        codec.sendHead(head.clone(), undefined, true);
        return stream;
      },
      onMalformedRequest(head) {
        refused.push(head.value('x-case'));
        return { status: 400, body: Buffer.alloc(0), lines: '' };
      },
      onHeadStarted() {},
      onIdle() {},
      onHalfClosed() {},
      onClosing() {},
      onConnectionClosed() {},
    };
    const codec = new Http1Server(connection, host, {
      limits: { maxBytes, maxCount: 100 },
      trailers: false,
      properCase: false,
      preserveCase: undefined,
      acceptsHttp10: false,
      allowChunkedLength: false,
    });
    connection.received(Buffer.from(text, 'latin1'));
  }
  return { seen, refused };
}

const request = (path: string, lines = ''): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`;

test('a repeated head is seen as at first, without the edits made to it', () => {
  const one = request('/a', 'X-Case: 1\r\nConnection: keep-alive\r\n');
  const { seen } = serve([one, one, one + one]);
  assert.deepEqual(seen, new Array(4).fill({ path: '/a', case: '1', keepAlive: true, added: undefined }));
});

test('heads that differ a little are told apart', () => {
  const texts = [
    request('/a', 'X-Case: 1\r\n'),
    request('/b', 'X-Case: 1\r\n'),
    request('/b', 'X-Case: 2\r\n'),
    request('/b', 'X-Case: 2\r\nConnection: close\r\n'),
    request('/b'),
    request('/b', 'X-Case: 2\r\n'),
  ];
  const { seen } = serve(texts);
  assert.deepEqual(
    seen.map((one) => [one.path, one.case, one.keepAlive, one.added]),
    [
      ['/a', '1', true, undefined],
      ['/b', '1', true, undefined],
      ['/b', '2', true, undefined],
      ['/b', '2', false, undefined],
      ['/b', undefined, true, undefined],
      ['/b', '2', true, undefined],
    ],
  );
});

test('a refused request shows nothing of the one that used the same memory before', () => {
  const good = request('/a', 'X-Case: secret\r\n');
  const large = request('/a', `X-Case: own\r\nX-Large: ${'y'.repeat(61 * 1024)}\r\n`);
  for (const bad of ['\0\0\0', large, 'GET /a HTTP/1.1\r\nX-Case : x\r\n\r\n', request('/a', 'Content-Length: x\r\n')]) {
    const { refused } = serve([good, good, bad]);
    assert.equal(refused.length, 1);
    assert.notEqual(refused[0], 'secret');
  }
});

test('a remembered head obeys the limits of the connection that it comes on', () => {
  const one = request('/a', `X-Case: ${'z'.repeat(500)}\r\n`);
  serve([one, one]);
  const { seen, refused } = serve([one], 100);
  assert.deepEqual([seen.length, refused.length], [0, 1]);
});
